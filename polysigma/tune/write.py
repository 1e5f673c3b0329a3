"""Adds proposals to a tuning file as its owner would: every line that is there stays as it is, comments and all.

New lines are put where they belong by the places that the YAML reader knows. A library that reads and writes the whole
file would lay all of it out anew, and would move a comment that stands above the next entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.files import write_whole
from polysigma.source import read_text
from polysigma.tuning import read_tuning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from polysigma.source import Document
    from polysigma.tune.proposals import Proposal


def write_exclusions(
    path: Path, detection: str, proposals: Sequence[Proposal], *, owner: str, expires: date, reason: str | None = None
) -> None:
    """Adds exclusions to the entry of a detection, or to a new entry, and makes the file where there is none.

    Raises PolysigmaError for a proposal that hides a hit known to be malicious, for a file that is no tuning file, and
    where what would be written is none (an owner that is too short, a day that is past); then nothing is written.
    """
    hiding = next((one for one in proposals if one.loses), None)
    if hiding:
        lost = ", ".join(f"{name} {value}" for name, value in hiding.loses[0].items())
        message = f"{hiding.reason}: hides {lost}, which is known to be malicious"
        raise PolysigmaError(Diagnostic("hidden-hit", message, "choose others"))
    text = ""
    if path.exists():
        text = path.read_text(encoding="utf-8-sig")
        if _holds_something(text):
            read_tuning(path)
    for one in proposals:
        made = {"where": dict(one.where), "reason": reason or one.reason, "owner": owner, "expires": expires}
        text = _added(text, detection, made, path)
    write_whole(path, text, _checked(path))


def _holds_something(text: str) -> bool:
    return bool(re.sub(r"(?m)^\s*(#.*)?$|^---\s*$|^\[\]\s*$", "", text).strip())


def _added(text: str, detection: str, made: dict[str, Any], path: Path) -> str:
    """The text with one more exclusion."""
    if text and not text.endswith("\n"):
        text += "\n"
    if not _holds_something(text):
        return re.sub(r"(?m)^\[\]\s*$", "", text) + _entry(detection, made, "", 2)
    (document,) = read_text(text, str(path))
    before = document.value
    new = _inserted(document, detection, made)
    (after,) = read_text(new, str(path))
    if _flat(after.value) != [*_flat(before), (detection, made)]:
        hint = "add it by hand:\n" + _entry(detection, made, "", 2)
        raise PolysigmaError(Diagnostic("tuning", "its layout is not understood", hint, str(path)))
    return new


def _flat(value: Any) -> list[tuple[str, Any]]:
    """All exclusions, by detection, those of one detection together at the end, where the new one is."""
    found = [(entry["detection"], one) for entry in value for one in entry.get("exclude") or ()]
    return sorted(found, key=lambda pair: str(pair[0]))


def _inserted(document: Document, detection: str, made: dict[str, Any]) -> str:
    lines = document.text.splitlines(keepends=True)
    for number, entry in enumerate(document.value):
        count = len(entry.get("exclude") or ())
        if entry.get("detection") == detection and count:
            place = _block(document, number, "exclude", count - 1)
            if place:
                dash, width = place
                at = _last_line(document, number, "exclude", count - 1)
                return "".join([*lines[:at], _lines(made, dash, width), *lines[at:]])
    place = _block(document, len(document.value) - 1)
    dash, width = place or ("", 2)
    at = _last_line(document, len(document.value) - 1)
    return "".join([*lines[:at], _entry(detection, made, dash, width), *lines[at:]])


def _block(document: Document, *path: str | int) -> tuple[str, int] | None:
    """How an item of a list is set in: the blanks before its dash, and the column of its keys after that; None where
    the list is not written with dashes."""
    mark = document.nodes[path].start_mark
    match = re.fullmatch(r"(\s*)-(\s+)", document.lines[mark.line][: mark.column])
    return (match.group(1), mark.column - len(match.group(1))) if match else None


def _last_line(document: Document, *path: str | int) -> int:
    """How many lines there are up to the end of a value."""
    ends = [
        node.end_mark
        for own, node in document.nodes.items()
        if own[: len(path)] == path and not isinstance(_value(document.value, own), dict | list)
    ]
    return max(mark.line if mark.column == 0 else mark.line + 1 for mark in ends)


def _value(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def _entry(detection: str, made: dict[str, Any], dash: str, width: int) -> str:
    """A new entry with one exclusion."""
    blanks = dash + " " * width
    head = f"{dash}-{' ' * (width - 1)}detection: {detection}\n{blanks}exclude:\n"
    return head + _lines(made, f"{blanks}    ", 2)


def _lines(made: dict[str, Any], dash: str, width: int) -> str:
    """A map as an item of a list: its first key after the dash, the others below it."""
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=10_000, indent=4)
    first, *others = text.splitlines()
    blanks = dash + " " * width
    return "".join([f"{dash}-{' ' * (width - 1)}{first}\n", *(f"{blanks}{line}\n" for line in others)])


def _checked(path: Path) -> Callable[[str], None]:
    """Raises PolysigmaError, about `path`, where a file that is to take its place is no tuning file."""

    def check(written: str) -> None:
        try:
            read_tuning(written)
        except PolysigmaError as error:
            said = "; ".join(finding.message for finding in error.findings)
            raise PolysigmaError(Diagnostic("tuning", f"would not be a tuning file: {said}", None, str(path))) from None

    return check
