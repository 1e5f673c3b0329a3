"""Where rules are, and what is in their files: from a folder, a file or a name to documents with positions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.source import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polysigma.source import Document

SIGMA_SUFFIX = ".yml"
"""Sigma documents; `sigma convert FOLDER` takes every file with it, so nothing else may have it."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of Sigma documents."""

    path: Path
    documents: tuple[Document, ...]

    @property
    def maps(self) -> list[tuple[Document, dict[Any, Any]]]:
        """The documents that are maps, each with its value."""
        return [(document, document.value) for document in self.documents if isinstance(document.value, dict)]


def rules_root() -> Path:
    """The folder of the package's own rules: beside the checkout, or inside the installed package.

    The checkout comes first, since an editable install leaves a stale copy in the package.
    """
    package = Path(__file__).resolve().parent
    beside = package.parent / "rules"
    if (package.parent / "pyproject.toml").is_file() and beside.is_dir():
        return beside
    return package / "rules"


def resolve(reference: str) -> list[Path]:
    """The Sigma files behind a reference: a file, a folder (with all below it), or the name of a packaged detection.

    Raises PolysigmaError where there is none.
    """
    path = Path(reference)
    if path.is_dir():
        files = (file for file in path.rglob(f"*{SIGMA_SUFFIX}") if file.is_file())
        found = sorted(files, key=lambda file: file.parts)  # the same order as of paths, which compare more slowly
        if not found:
            raise PolysigmaError(Diagnostic("no-rules", f"holds no *{SIGMA_SUFFIX} file", file=reference))
        return found
    if path.exists():
        return [path]
    packaged = rules_root() / reference
    if reference.isidentifier() and packaged.is_dir():
        return sorted(packaged.rglob(f"*{SIGMA_SUFFIX}"))
    raise PolysigmaError(
        Diagnostic("no-rules", "is neither a file, a folder, nor a packaged detection", _known(reference), reference)
    )


def _known(reference: str) -> str:
    from difflib import get_close_matches

    names = packaged_names()
    close = get_close_matches(reference, names, n=1)
    return f"did you mean {close[0]}?" if close else f"packaged: {', '.join(names)}"


def packaged_names() -> list[str]:
    """The names of the package's own detections."""
    root = rules_root()
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and any(folder.glob(f"*{SIGMA_SUFFIX}")))


def read_rules(references: Iterable[str]) -> tuple[list[RuleFile], list[Diagnostic]]:
    """The rule files behind some references, each file once, and what was wrong with files that cannot be read."""
    files: dict[Path, RuleFile] = {}
    findings: list[Diagnostic] = []
    for reference in references:
        try:
            paths = resolve(reference)
        except PolysigmaError as error:
            findings += error.findings
            continue
        for path in paths:
            if path in files:
                continue
            try:
                documents = tuple(read_file(path))
            except PolysigmaError as error:
                findings += error.findings
                continue
            if not documents:
                findings.append(Diagnostic("empty-file", "holds no YAML document", None, str(path)))
            findings += [
                document.error("not-a-map", "a Sigma document is a map of keys", hint="title: ...").findings[0]
                for document in documents
                if not isinstance(document.value, dict)
            ]
            files[path] = RuleFile(path, documents)
    return list(files.values()), findings
