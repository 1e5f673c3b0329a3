"""What takes minutes to measure and is shown on pages: proofs and sensitivity curves.

    python -m polysigma.site.evidence [DETECTION]...

measures what is not there yet, or not of these rules and this code, and leaves a file for each detection in
`build/evidence` (`POLYSIGMA_SITE_EVIDENCE` names another folder). Without a name it does so for the site's detections:
the packaged ones, or those in the folders that `POLYSIGMA_SITE_RULES` names. The site takes from there what is of its
rules; what is not there is not shown, and the page says so.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polysigma
from polysigma.telemetry import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = "build/evidence"
_MATTERS = {".py", ".yaml", ".yml", ".json", ".tsv", ".toml"}
_NOT_MEASURED = {"site", "guide", "cli", "attack", "rules"}
"""Parts of the package on which no measurement hangs."""


def folder() -> Path:
    """Where evidence is kept."""
    return Path(os.environ.get("POLYSIGMA_SITE_EVIDENCE", FOLDER))


def evidence(name: str, rule: Path) -> dict[str, Any] | None:
    """What was measured of the detection in a folder, by the folder's name and the rule's file; None where that is of
    other rules or code."""
    path = folder() / f"{name}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found if found.get("of") == fingerprint(rule.parent) else None


def fingerprint(home: Path) -> str:
    """A hash of all that a measurement hangs on: the detection's files, and the code."""
    made = blake2b(_code().encode(), digest_size=16)
    for path in sorted(home.glob("*.y*ml")):
        if path.name != "guide.yaml":
            made.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return made.hexdigest()


@cache
def _code() -> str:
    import sigma.backends.polysigma
    import sigma.pipelines.polysigma

    made = blake2b(digest_size=16)
    for package in (polysigma, sigma.backends.polysigma, sigma.pipelines.polysigma):
        root = Path(str(package.__file__)).parent
        for path in _sources(root):
            made.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return made.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.suffix in _MATTERS and path.relative_to(root).parts[0] not in _NOT_MEASURED:
            yield path


def measure(name: str, rule: Path) -> dict[str, Any]:
    """Proves a detection on every platform, and measures each of its parameters on its scenarios.

    Raises PolysigmaError where its rules or scenarios cannot be read.
    """
    from polysigma.catalog import read_rules
    from polysigma.convert import pairs
    from polysigma.diagnostics import PolysigmaError
    from polysigma.prove import prove
    from polysigma.tune import sensitivity
    from polysigma.tune.svg import curve_svg

    files, findings = read_rules([str(rule)])
    if findings:
        raise PolysigmaError(*findings)
    proof = prove(files, pairs((), None), workers=os.cpu_count() or 1)
    curves = [(curve.as_dict(), curve_svg(curve, a_day=False)) for curve in sensitivity(str(rule))]
    return {
        "of": fingerprint(rule.parent),
        "name": name,
        "proof": proof.as_dict(),
        "curves": [{**curve, "svg": svg} for curve, svg in curves],
    }


def main(names: Iterable[str]) -> int:
    """Measures what is missing. Returns 1 where a proof does not hold or a detection cannot be measured."""
    from polysigma.catalog import packaged_names, resolve
    from polysigma.diagnostics import PolysigmaError, as_text

    failed = 0
    folder().mkdir(parents=True, exist_ok=True)
    named = os.environ.get("POLYSIGMA_SITE_RULES")
    for reference in list(names) or (named.split(os.pathsep) if named else packaged_names()):
        for rule in resolve(reference):
            name = rule.parent.name
            if not rule.with_name(SCENARIOS).is_file() or evidence(name, rule) is not None:
                continue
            sys.stderr.write(f"measuring {name}\n")
            try:
                found = measure(name, rule)
            except PolysigmaError as error:
                sys.stderr.write(as_text(error.findings) + "\n")
                failed = 1
                continue
            failed |= not found["proof"]["holds"]
            (folder() / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
