"""From a detection's folder to its guide: `guide.yaml`, the tests in `atomics/`, the hunts in `hunts/`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polysigma.catalog import RuleFile, read_rules
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.guide.atomics import AtomicFile
from polysigma.guide.model import Guide
from polysigma.source import read_file
from polysigma.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from polysigma.source import Document

GUIDE = "guide.yaml"
HUNTS = "hunts/*.yaml"
"""Hunts are Sigma, and end in .yaml so that `sigma convert FOLDER` does not take them for rules to deploy."""
ATOMICS = "atomics/*/*.yaml"


@dataclass(frozen=True, slots=True)
class Atomics:
    """A file of atomic tests that could be read, with its document."""

    document: Document
    model: AtomicFile


@dataclass(frozen=True, slots=True)
class Package:
    """A detection's folder: its rules and what belongs to them."""

    folder: Path
    rules: tuple[RuleFile, ...]
    document: Document
    guide: Guide
    atomics: tuple[Atomics, ...] = ()
    findings: tuple[Diagnostic, ...] = field(default=(), compare=False)
    """About the files beside the guide."""

    @property
    def documents(self) -> list[tuple[Document, dict[Any, Any]]]:
        """Every Sigma document of the folder's rules."""
        return [pair for file in self.rules for pair in file.maps]

    @property
    def rule(self) -> tuple[Document, dict[Any, Any]] | None:
        """The document of the detection that the guide names."""
        return next(((one, value) for one, value in self.documents if value.get("name") == self.guide.detection), None)


def read_guide(path: Path) -> tuple[Document, Guide]:
    """A guide and the document that it came from. Raises PolysigmaError (code `guide`) with every fault's place."""
    document = _one(path, "guide")
    return document, validate(Guide, document, "guide")


def read_package(folder: Path) -> Package:
    """A detection's folder, read for its page. Raises PolysigmaError where a file in it does not hold together."""
    rules, findings = read_rules([str(folder)])
    package = _package(folder, rules)
    if findings or package.findings:
        raise PolysigmaError(*findings, *package.findings)
    return package


def folders(files: Iterable[RuleFile]) -> dict[Path, list[RuleFile]]:
    """The folders of some rules that have a guide, each with its rules."""
    found: dict[Path, list[RuleFile]] = {}
    for file in files:
        if (file.path.parent / GUIDE).is_file():
            found.setdefault(file.path.parent, []).append(file)
    return found


def packages(files: Iterable[RuleFile]) -> tuple[list[Package], list[Diagnostic]]:
    """The guides beside some rules, and what was wrong with those that cannot be read."""
    found: list[Package] = []
    findings: list[Diagnostic] = []
    for folder, rules in folders(files).items():
        try:
            found.append(_package(folder, rules))
        except PolysigmaError as error:
            findings += error.findings
    return found, findings


def hunts(files: Iterable[RuleFile]) -> list[Path]:
    """The Sigma files of the hunts that belong to some rules."""
    return [path for folder in folders(files) for path in sorted(folder.glob(HUNTS))]


def _package(folder: Path, rules: list[RuleFile]) -> Package:
    document, guide = read_guide(folder / GUIDE)
    atomics: list[Atomics] = []
    findings: list[Diagnostic] = []
    for path in sorted(folder.glob(ATOMICS)):
        try:
            one = _one(path, "atomic")
            atomics.append(Atomics(one, validate(AtomicFile, one, "atomic")))
        except PolysigmaError as error:
            findings += error.findings
    return Package(folder, tuple(rules), document, guide, tuple(atomics), tuple(findings))


def _one(path: Path, code: str) -> Document:
    documents = read_file(path)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise PolysigmaError(Diagnostic(code, "holds exactly one YAML map", None, str(path)))
    return documents[0]
