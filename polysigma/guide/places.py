"""Findings at the key of a value, or at a character of a text, where the start of the value would mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic
from polysigma.plan.faults import Fault, Place

if TYPE_CHECKING:
    from polysigma.source import Document

Path = tuple[str | int, ...]


def at_key(document: Document, code: str, message: str, *path: str | int, hint: str | None = None) -> Diagnostic:
    """A finding about the key that introduces the value at `path`."""
    return Diagnostic(code, message, hint, document.file, document.key_at(*path))


def in_text(
    document: Document, code: str, message: str, path: Path, text: str, offset: int, hint: str | None = None
) -> Diagnostic:
    """A finding about the character at `offset` of the text at `path`."""
    before = text[:offset]
    place = Place(path, before.count("\n") + 1, offset - before.rfind("\n"))
    return Fault(code, message, hint, place).located(document)
