"""Tells what a file holds: JSON lines, a JSON array, JSON objects over several lines, CSV, Parquet."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from polysigma.diagnostics import Diagnostic, PolysigmaError, Position
from polysigma.engines.embedded import duckdb, file_name

if TYPE_CHECKING:
    from pathlib import Path

UTF8_MARK = b"\xef\xbb\xbf"

_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)",
    b"\x28\xb5\x2f\xfd": "Zstandard data; unpack it first (`zstd -d`)",
    b"\xfd7zXZ": "xz data; unpack it first (`xz -d`)",
    b"BZh": "bzip2 data; unpack it first (`bzip2 -d`)",
    b"ElfFile": "a Windows event log; export it as JSON lines first",
}
_SAMPLE = 1000

Kind = Literal["lines", "array", "values", "csv", "parquet"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds. `rows` are the first ones, of a CSV or Parquet file only one, with the columns as keys."""

    kind: Kind
    rows: tuple[dict[str, Any], ...] = ()
    delimiter: str = ","
    types: tuple[tuple[str, str], ...] = ()
    """The columns of a CSV or Parquet file in their order, with DuckDB's types for the latter."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the first row, those of a nested object as `outer.inner`."""
        return tuple(_keys(self.rows[0])) if self.rows else ()


def _keys(row: dict[str, Any]) -> list[str]:
    keys = []
    for key, value in row.items():
        keys += [f"{key}.{inner}" for inner in value] if isinstance(value, dict) and value else [key]
    return keys


def content_of(head: bytes, *, whole: bool, file: str, path: Path, lenient: bool) -> Content | None:
    """What a file holds whose first bytes (unpacked, without a mark) are `head`; None where it is empty.

    `whole` says that `head` is all of it, `file` is its name for findings, `path` is read for Parquet only. `lenient`
    accepts JSON lines none of the first of which is an object. Raises PolysigmaError for anything that is not data.
    """
    if head.startswith(b"PAR1"):
        return _parquet(path, file)
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise PolysigmaError(Diagnostic("not-data", f"is {what}", None, file))
    start = head.lstrip()
    if not start:
        if whole:
            return None
        raise PolysigmaError(Diagnostic("not-data", "begins with nothing but blanks", None, file))
    if start.startswith(b"["):
        return _array(start, whole=whole, file=file)
    if start.startswith(b"{"):
        return _objects(head, whole=whole, file=file, lenient=lenient)
    return _csv(head, file)


def _objects(head: bytes, *, whole: bool, file: str, lenient: bool) -> Content:
    lines = head.split(b"\n")
    if not whole and len(lines) > 1:
        lines.pop()  # cut off in the middle
    rows = []
    first_error: Diagnostic | None = None
    for number, line in enumerate(lines[:_SAMPLE], start=1):
        if not line.strip():
            continue
        reason = fault_of(line)
        if reason is None:
            rows.append(json.loads(line))
        elif first_error is None:
            first_error = Diagnostic("not-json", reason[0], None, file, Position(number, reason[1]))
    if rows:
        return Content("lines", tuple(rows))
    spread = _decoded(head.lstrip())
    if spread is not None:
        return Content("values", (spread,))
    if lenient:
        return Content("lines")
    assert first_error is not None  # the head is not blank
    raise PolysigmaError(first_error)


def fault_of(line: bytes) -> tuple[str, int] | None:
    """Why a line is not one JSON object, with the column; None where it is one."""
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return "is not UTF-8 text", error.start + 1
    except json.JSONDecodeError as error:
        return f"is not JSON: {error.msg}", error.colno
    except RecursionError:
        return "nests too deeply", 1
    return None if isinstance(value, dict) else ("is not a JSON object", 1)


def _decoded(text: bytes) -> dict[str, Any] | None:
    """The JSON object at the start of a text, if one is there."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "ignore"))
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _array(start: bytes, *, whole: bool, file: str) -> Content | None:
    inner = start[1:].lstrip()
    if whole and inner.rstrip() == b"]":
        return None
    row = _decoded(inner)
    if row is None:
        reason = (fault_of(start) if whole else None) or ("begins with `[` but not with an object in it", 1)
        raise PolysigmaError(
            Diagnostic("not-json", reason[0], "a JSON array of event objects", file, Position(1, reason[1]))
        )
    return Content("array", (row,))


def _csv(head: bytes, file: str) -> Content:
    line = head.lstrip(b"\r\n").split(b"\n", 1)[0]
    try:
        text = line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError as error:
        at = Position(1, error.start + 1)
        raise PolysigmaError(Diagnostic("binary-file", "is neither UTF-8 text nor Parquet", None, file, at)) from None
    odd = next((index for index, letter in enumerate(text) if ord(letter) < 32 and letter != "\t"), None)
    if odd is not None:
        at = Position(1, odd + 1)
        raise PolysigmaError(Diagnostic("binary-file", "holds a control character: not text", None, file, at))
    delimiter = max(",;\t|", key=text.count)
    names = next(csv.reader([text], delimiter=delimiter), [])
    # Values are not needed to recognise a table: its header is the keys of every row.
    return Content("csv", (dict.fromkeys(names),), delimiter, tuple((name, "VARCHAR") for name in names))


def _parquet(path: Path, file: str) -> Content | None:
    engine = duckdb()
    name = file_name(path)
    try:
        with engine.connect(":memory:") as connection:
            columns = connection.execute(
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet($1, binary_as_string=true))",
                [name],
            ).fetchall()
            # As JSON, because the driver needs more packages to turn some types into Python values.
            first = connection.execute(
                "SELECT to_json(row) FROM (SELECT * FROM read_parquet($1, binary_as_string=true) LIMIT 1) AS row",
                [name],
            ).fetchone()
    except engine.Error as error:
        reason = str(error).splitlines()[0]
        raise PolysigmaError(Diagnostic("unreadable-data", f"is not readable Parquet: {reason}", None, file)) from None
    if first is None:
        return None
    return Content("parquet", (json.loads(first[0]),), types=tuple(columns))
