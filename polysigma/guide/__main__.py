"""`python -m polysigma.guide RULES [--again]`: locks what the detections in a folder mean (see `lock`)."""

from __future__ import annotations

import sys
from pathlib import Path

from polysigma.catalog import read_rules
from polysigma.diagnostics import as_text
from polysigma.guide.files import packages
from polysigma.guide.lock import LOCK, write_lock


def main(arguments: list[str]) -> int:
    """Locks the detections in a folder of rules. Returns the exit code."""
    again = "--again" in arguments
    root = Path(next((one for one in arguments if not one.startswith("-")), "rules"))
    files, findings = read_rules([str(root)])
    found, unread = packages(files)
    findings += unread or write_lock(found, root / LOCK, again=again)
    if findings:
        sys.stderr.write(as_text(findings) + "\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
