"""`python -m polysigma.guide RULES [--again]` locks what the detections in a folder mean (see `lock`).

`python -m polysigma.guide --schema` prints the JSON Schema of guides.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from polysigma.catalog import read_rules
from polysigma.diagnostics import as_text
from polysigma.guide.files import packages
from polysigma.guide.lock import LOCK, write_lock
from polysigma.guide.model import json_schema


def main(arguments: list[str]) -> int:
    """Locks the detections in a folder of rules, or prints the schema. Returns the exit code."""
    if "--schema" in arguments:
        sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
        return 0
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
