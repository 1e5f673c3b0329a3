"""CSV files of a site's from which exclusions by lookup are made: one column, whole values.

What is uploaded is made of them (`polysigma.plan.lookups`): their values in the form in which queries compare them.
"""

from __future__ import annotations

import csv
import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError, Position
from polysigma.plan.lookups import PREFIX
from polysigma.plan.typing import near
from polysigma.source import decode
from polysigma.tuning.breadth import ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polysigma.source import Document
    from polysigma.tuning.model import Entry, Exclusion

MOST_VALUES = 65_536
"""So many values one file may have: as many addresses as the widest network that may be excluded without a process."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,29}")


def lookup_name(exclusion: Exclusion) -> str:
    """What the lookup of an exclusion is called on every platform: by the name of its file and its column."""
    return f"{PREFIX}{Path(exclusion.file or '').stem}_{exclusion.field}"


def read_lookups(document: Document, entries: Sequence[Entry]) -> tuple[dict[str, tuple[str, ...]], list[Diagnostic]]:
    """The values of every lookup that the exclusions of a tuning file name, and what is wrong with the files."""
    found: dict[str, tuple[str, ...]] = {}
    wrong: list[Diagnostic] = []
    files: dict[str, str] = {}
    for number, entry in enumerate(entries):
        for index, one in enumerate(entry.exclude):
            if one.via is None or one.file is None or one.field is None:
                continue
            path = (number, "exclude", index, "file")
            name = lookup_name(one)
            problem = _unusable(one.file, files.setdefault(name, one.file))
            if problem:
                wrong += document.error("lookup", *problem[:1], *path, hint=problem[1]).findings
                continue
            if name in found:
                continue
            try:
                found[name] = tuple(dict.fromkeys(_values(_beside(document, one.file), one.field)))
            except PolysigmaError as error:
                wrong += error.findings
            except OSError as error:
                message = f"{one.file} cannot be read: {error.strerror}"
                hint = "a CSV file, beside this one"
                wrong += document.error("lookup", message, *path, hint=hint).findings
    return found, wrong


def _beside(document: Document, file: str) -> Path:
    return Path(document.file or "").parent / file


def _unusable(file: str, known: str) -> tuple[str, str] | None:
    """What is wrong with the name of a file, and what would be right."""
    if Path(file).suffix.lower() != ".csv" or not _NAME.fullmatch(Path(file).stem):
        return (
            f"{file!r} gives no name that every platform takes",
            "letters, digits and _, at most 30, starting with a letter, and .csv: update_servers.csv",
        )
    if file != known:
        return f"{file!r} and {known!r} would be one lookup on the platform", "give one of the files another name"
    return None


def _values(path: Path, column: str) -> Iterator[str]:
    """The values of a column. Raises PolysigmaError with the line, OSError where there is no file."""
    rows = csv.reader(decode(path.read_bytes(), str(path)).splitlines(keepends=True), strict=True)

    def wrong(message: str, hint: str | None = None) -> PolysigmaError:
        return PolysigmaError(Diagnostic("lookup", message, hint, str(path), Position(max(rows.line_num, 1), 1)))

    try:
        header = [name.strip() for name in next(rows, [])]
        if column not in header:
            hint = near(column, dict.fromkeys(header)) if any(header) else "its first line names the columns"
            raise wrong(f"there is no column {column!r}", hint)
        place = header.index(column)
        count = 0
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            count += 1
            if count > MOST_VALUES:
                raise wrong(f"more than {MOST_VALUES:,} values", "an exclusion so long hides what nobody has looked at")
            value = row[place].strip() if place < len(row) else ""
            problem = _problem(value, column)
            if problem:
                raise wrong(*problem)
            yield value
    except csv.Error as error:
        raise wrong(f"is no CSV: {error}") from None
    if not count:
        raise wrong(f"{column} has no values", "a lookup without values leaves nothing out: take the exclusion away")


def _problem(value: str, column: str) -> tuple[str, str] | None:
    """What is wrong with a value, and what would be right."""
    if not value:
        return f"{column} is empty in this line", "an empty value would be met by nothing"
    if "*" in value or "?" in value:
        return f"{value!r} has a wildcard, and a lookup compares whole values", "patterns go into `where`"
    if not value.isprintable():
        return f"{value!r} has a character that cannot be seen", "the value as the platform records it"
    if column in ADDRESSES:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return f"{value!r} is no address", "networks go into `where`: DestinationIp|cidr"
    return None
