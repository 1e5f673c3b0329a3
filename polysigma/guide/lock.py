"""`rules/lock.json`: for each detection and version the hash of what its rule means, so that a changed meaning shows.

A site that has tuned a rule must learn that the rule changed under it. The hash is over what decides which events hit:
log sources, detections, correlations, parameters' values, steps, schedule; not over titles, descriptions, comments,
layout, or the order of values in a list of alternatives.

    polysigma check --write-lock rules            adds what is new
    polysigma check --write-lock --again rules    also overwrites a version that was locked: before a release only
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.guide.files import packages
from polysigma.plan.faults import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from polysigma.catalog import RuleFile
    from polysigma.guide.files import Package

LOCK = "lock.json"


def meaning(values: Iterable[Mapping[str, Any]]) -> str:
    """The hash of what some Sigma documents mean together, in whatever order they stand."""
    parts = sorted(json.dumps(_sortable(_meaning(value)), sort_keys=True, default=str) for value in values)
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sortable(value: Any) -> Any:
    """The value with texts as the keys of its maps: YAML has others, which cannot be sorted with them."""
    if isinstance(value, dict):
        return {str(key): _sortable(item) for key, item in value.items()}
    return [_sortable(item) for item in value] if isinstance(value, list) else value


def _meaning(value: Mapping[str, Any]) -> dict[str, Any]:
    """What decides about hits in one document."""
    kept = {key: value[key] for key in ("name", "logsource", "correlation", "filter") if key in value}
    if "detection" in value:
        kept["detection"] = _alternatives(value["detection"])
    if "polysigma" in value:
        kept["polysigma"] = _map(value["polysigma"])
    return kept


def _alternatives(value: Any) -> Any:
    """A detection with its lists of plain values in order: to Sigma they are alternatives or, with `all`, a set."""
    if isinstance(value, dict):
        return {key: _alternatives(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_alternatives(item) for item in value]
        return items if any(isinstance(item, dict | list) for item in items) else sorted(items, key=str)
    return value


def _map(value: Any) -> Any:
    """The `polysigma` map as its typed model reads it, without the words for people."""
    from polysigma.plan.metadata import read_metadata

    try:
        metadata = read_metadata(value)
    except PlanError:
        return value  # `polysigma check` says what is wrong with it
    read = metadata.model_dump(exclude_defaults=True, by_alias=True)
    read["parameters"] = {name: one.value for name, one in metadata.parameters.items()}
    alert = read.pop("alert", None) or {}
    read["quiet"] = alert.get("quiet")
    return _spaced(read)


def _spaced(value: Any) -> Any:
    """Every text with single spaces: how an expression is broken into lines means nothing."""
    if isinstance(value, dict):
        return {key: _spaced(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spaced(item) for item in value]
    return " ".join(value.split()) if isinstance(value, str) else value


def read_lock(path: Path) -> dict[str, dict[str, str]]:
    """Detection to version to hash. Raises PolysigmaError for a file that is no lock."""
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PolysigmaError(Diagnostic("lock", f"cannot be read: {error}", file=str(path))) from None
    if not isinstance(lock, dict) or not all(isinstance(versions, dict) for versions in lock.values()):
        raise PolysigmaError(Diagnostic("lock", "maps detections to versions to hashes", file=str(path)))
    return lock


def check_lock(package: Package) -> list[Diagnostic]:
    """What is wrong between a rule's meaning and its version; nothing where there is no lock beside the folder."""
    path = package.folder.parent / LOCK
    if not path.is_file():
        return []
    try:
        versions = read_lock(path).get(package.guide.detection, {})
    except PolysigmaError as error:
        return list(error.findings)
    version = package.guide.version
    locked = versions.get(version)
    if locked == meaning(value for _, value in package.documents):
        return []
    if locked is None:
        message = f"version {version} is not in {LOCK}"
        hint = f"polysigma check --write-lock {package.folder}"
        return list(package.document.error("unlocked-version", message, "version", hint=hint).findings)
    message = f"the rule means something else than when its version {version} was locked"
    hint = "give it a new version and say in `changelog` what changed, then lock it"
    return list(package.document.error("changed-meaning", message, "version", hint=hint).findings)


def write_locks(files: Iterable[RuleFile], *, again: bool = False) -> tuple[list[Path], list[Diagnostic]]:
    """Locks every detection of some files that has a guide, in the lock beside its folder.

    Gives back the locks, and a finding for each version that is locked otherwise, and for guides that cannot be read.
    """
    found, findings = packages(files)
    beside: dict[Path, list[Package]] = {}
    for package in found:
        beside.setdefault(package.folder.parent / LOCK, []).append(package)
    for path, own in beside.items():
        findings += write_lock(own, path, again=again)
    return list(beside), findings


def write_lock(found: Iterable[Package], path: Path, *, again: bool = False) -> list[Diagnostic]:
    """Adds the version of each package to the lock, and returns a finding for each that is locked otherwise.

    With `again` such an entry is overwritten.
    """
    lock = read_lock(path) if path.is_file() else {}
    findings: list[Diagnostic] = []
    for package in found:
        versions = lock.setdefault(package.guide.detection, {})
        now = meaning(value for _, value in package.documents)
        if versions.get(package.guide.version, now) != now and not again:
            findings += check_lock(package)
            continue
        versions[package.guide.version] = now
    path.write_text(json.dumps(dict(sorted(lock.items())), indent=2) + "\n", encoding="utf-8")
    return findings
