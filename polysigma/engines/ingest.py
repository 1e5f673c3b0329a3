"""Loads data into a DuckDB table `events`: the columns that a query reads, every value as text, nothing else.

JSON lines are read as whole objects and the columns taken out of them by their paths, because DuckDB then hands a
malformed line over as NULL instead of skipping it: counted in the same pass, looked for again only to be named. (Its
`read_json` with declared columns is a quarter faster and cannot tell a malformed line from one without the columns.)
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self

from polysigma.diagnostics import Diagnostic, PolysigmaError, Position, Severity
from polysigma.engines.embedded import connect, duckdb, file_name, literal, quoted
from polysigma.engines.inputs import open_data
from polysigma.engines.sniff import fault_of
from polysigma.schemas import TimeForm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from duckdb import DuckDBPyConnection

    from polysigma.engines.inputs import Input, Inputs
    from polysigma.engines.shapes import Family
    from polysigma.schemas import Shape

    Progress = Callable[[float], None]
    """Told from time to time which part of the data has been read, from 0 to 1."""

NAMED_LINES = 5
"""How many malformed lines are named; all are counted."""

_BATCH = 32
"""Files of JSON lines that are read in one statement: DuckDB unpacks gzip with one thread a file."""
_MALFORMED = "polysigma_malformed"
_BEARABLE = 64 << 20
"""Up to this many bytes a broken JSON array is parsed again to name the line."""


@dataclass(slots=True)
class Events:
    """The loaded table and what there is to say about it."""

    connection: DuckDBPyConnection
    family: Family
    columns: tuple[str, ...]
    rows: int = 0
    malformed: int = 0
    findings: list[Diagnostic] = field(default_factory=list)
    absent: tuple[str, ...] = ()
    """Columns that the query reads and no row has."""

    def close(self) -> None:
        """Closes the database; its file goes with the folder that it is in."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    inputs: Inputs,
    columns: Sequence[str],
    *,
    strict: bool = False,
    memory: str = "1GB",
    progress: Progress | None = None,
) -> Events:
    """Loads `inputs` into the table `events` of a new database in the inputs' folder, with exactly these columns.

    Malformed lines are left out, counted, and the first of them are findings; with `strict` they are an error. Raises
    PolysigmaError for data that cannot be read.
    """
    unique = tuple({column.casefold(): column for column in reversed(tuple(columns))}.values())[::-1]
    spellings = {
        column: tuple(other for other in columns if other.casefold() == column.casefold()) for column in unique
    }
    connection = connect(inputs.scratch, memory=memory)
    events = Events(connection, inputs.family, unique, findings=list(inputs.findings))
    try:
        loader = _Loader(events, inputs, spellings)
        loader.create()
        total = sum(one.size for one in inputs.files) or 1
        done = 0
        for batch in _batches(inputs.files):
            size = sum(one.size for one in batch)
            with _watched(connection, progress, done / total, size / total):
                loader.add(batch)
            done += size
        loader.finish()
    except BaseException:
        connection.close()
        raise
    malformed = [finding for finding in events.findings if finding.code == "malformed-line"]
    if strict and malformed:
        connection.close()
        raise PolysigmaError(*malformed)
    return events


class _Loader:
    def __init__(self, events: Events, inputs: Inputs, spellings: dict[str, tuple[str, ...]]) -> None:
        self.events = events
        self.inputs = inputs
        self.connection = events.connection
        self.spellings = spellings
        self.error = duckdb().Error

    def create(self) -> None:
        columns = "".join(f"{quoted(column)} VARCHAR, " for column in self.events.columns)
        self.connection.execute(f"CREATE TABLE events ({columns}{_MALFORMED} VARCHAR)")

    def add(self, batch: Sequence[Input]) -> None:
        try:
            self._insert(batch)
        except self.error as error:
            if len(batch) > 1:  # the statement failed as one: find out which file it was
                for one in batch:
                    self.add([one])
                return
            raise _unreadable(batch[0], str(error)) from None

    def _insert(self, batch: Sequence[Input]) -> None:
        match batch[0].content.kind:
            case "lines":
                self._insert_lines(batch)
            case "array" | "values":
                self._insert_values(batch[0])
            case "csv":
                self._insert_csv(batch[0])
            case "parquet":
                self._insert_parquet(batch[0])

    def _paths(self, column: str, shapes: Sequence[Shape] = ()) -> tuple[str, ...]:
        paths = (path for spelling in self.spellings[column] for path in self.events.family.paths(spelling, shapes))
        return tuple(dict.fromkeys(paths))

    def _from_objects(self, source: str, malformed: str, rows: Sequence[dict[str, Any]]) -> str:
        """INSERT from a table function that gives a column `json` and a `filename`.

        All paths of an object are taken in one parse (json_extract with a list; DuckDB's documentation, "JSON
        processing functions"). First those of shapes like the first rows; the others only for a row that has no mark
        there, since looking for what is not there would take as long again.
        """
        family = self.events.family
        like = family.like(rows)
        others = tuple(shape for shape in family.shapes if shape not in like)
        first = list(family.paths(family.mark, like))
        marks = ", ".join(f"first[{place + 1}]" for place in range(len(first)))
        rest: list[str] = []
        values = ""
        for column in self.events.columns:
            places = []
            for path in self._paths(column, like):
                first.append(path)
                places.append(f"first[{len(first)}]")
            for path in self._paths(column, others) if others else ():
                rest.append(path)
                places.append(f"rest[{len(rest)}]")
            values += f"coalesce({', '.join(places)}), "
        later = f"CASE WHEN coalesce({marks}) IS NULL THEN {_taken(rest)} END" if rest else "NULL::VARCHAR[]"
        return (
            f"INSERT INTO events SELECT {values}{malformed} FROM (SELECT *, {later} AS rest "  # noqa: S608 - all is quoted
            f"FROM (SELECT json, filename, {_taken(first)} AS first FROM {source}))"
        )

    def _insert_lines(self, batch: Sequence[Input]) -> None:
        packing = "gzip" if batch[0].gzipped else "none"
        source = f"read_ndjson_objects($1, ignore_errors=true, filename=true, compression='{packing}')"
        statement = self._from_objects(source, f"CASE WHEN {_NO_OBJECT} THEN filename END", batch[0].content.rows)
        self.connection.execute(statement, [[file_name(one.path) for one in batch]])

    def _insert_values(self, one: Input) -> None:
        packing = "gzip" if one.gzipped else "none"
        form = "array" if one.content.kind == "array" else "unstructured"
        source = f"read_json_objects($1, format='{form}', filename=true, compression='{packing}')"
        self.connection.execute(self._from_objects(source, "NULL", one.content.rows), [file_name(one.path)])

    def _insert_csv(self, one: Input) -> None:
        names = [name for name, _ in one.content.types]
        # Headers may be empty or stand twice: columns are known by their place.
        declared = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(names)))
        values = []
        for column in self.events.columns:
            places = [f"c{names.index(path)}" for path in self._paths(column) if path in names]
            values.append(f"coalesce({', '.join(places)}), " if places else "NULL, ")
        packing = "gzip" if one.gzipped else "none"
        options = (
            f"header=true, auto_detect=false, delim={literal(one.content.delimiter)}, quote='\"', escape='\"', "
            f"columns={{{declared}}}, compression='{packing}', store_rejects=true, rejects_table='polysigma_rejects', "
            f"rejects_scan='polysigma_scans'"
        )
        insert = f"INSERT INTO events SELECT {''.join(values)}NULL FROM read_csv($1, {options}"  # noqa: S608
        try:
            self.connection.execute(f"{insert})", [file_name(one.path)])
        except duckdb().InvalidInputException as error:
            if "invalid state" not in str(error):
                raise
            # It breaks RFC 4180 in a way for which DuckDB names no row.
            self.connection.execute(f"{insert}, strict_mode=false)", [file_name(one.path)])
            message = "is no regular CSV (such as one with line ends of two kinds), and was read as well as can be"
            self.events.findings.append(Diagnostic("loose-csv", message, None, one.name, severity=Severity.WARNING))
        rejects = self.connection.execute(
            "SELECT min(line_byte_position), max(error_message) FROM polysigma_rejects GROUP BY line ORDER BY line"
        ).fetchall()
        self.connection.execute("DROP TABLE polysigma_rejects; DROP TABLE polysigma_scans")
        if rejects:
            self.events.malformed += len(rejects)
            places_of = _lines_at(one, [place for place, _ in rejects[:NAMED_LINES]])
            reasons = [
                (place, f"is no row of this table: {why}") for place, (_, why) in zip(places_of, rejects, strict=False)
            ]
            self._name(one, len(rejects), reasons)

    def _insert_parquet(self, one: Input) -> None:
        types = dict(one.content.types)
        values = []
        for column in self.events.columns:
            places = [place for path in self._paths(column) if (place := self._parquet_value(column, path, types))]
            values.append(f"coalesce({', '.join(places)}), " if places else "NULL, ")
        self.connection.execute(
            f"INSERT INTO events SELECT {''.join(values)}NULL FROM read_parquet($1, binary_as_string=true)",  # noqa: S608
            [file_name(one.path)],
        )

    def _parquet_value(self, column: str, path: str, types: dict[str, str]) -> str | None:
        """The value at a path as the text that a query expects on the wire."""
        top, _, inner = path.partition(".")
        if path not in types:
            if inner and types.get(top, "").startswith("STRUCT"):
                return f"json_extract_string(to_json({quoted(top)}), {literal(_pointer(inner))})"
            return None
        name, kind = quoted(path), types[path]
        if kind.startswith("TIMESTAMP"):
            if "TIME ZONE" in kind:
                name = f"({name} AT TIME ZONE 'UTC')"
            form = self.events.family.schema.time_forms.get(column)
            if form is TimeForm.EPOCH_SECONDS:
                name = f"epoch({name})"
            elif form is TimeForm.EPOCH_MILLISECONDS:
                name = f"epoch_ms({name})"
        return f"CAST({name} AS VARCHAR)"

    def finish(self) -> None:
        """Takes the malformed lines out, names them, and counts what is left."""
        events = self.events
        counts = self.connection.execute(
            f"SELECT {_MALFORMED}, count(*) FROM events WHERE {_MALFORMED} IS NOT NULL GROUP BY ALL ORDER BY ALL"  # noqa: S608
        ).fetchall()
        for path, count in counts:
            events.malformed += count
            one = next(one for one in self.inputs.files if str(one.path.absolute()) == path)
            self._name(one, count, self._malformed_lines(one))
        if counts:
            self.connection.execute(f"DELETE FROM events WHERE {_MALFORMED} IS NOT NULL")  # noqa: S608
        if events.columns:
            self.connection.execute(f"ALTER TABLE events DROP COLUMN {_MALFORMED}")
        filled = "".join(f", count({quoted(column)})" for column in events.columns)
        events.rows, *present = self.connection.execute(f"SELECT count(*){filled} FROM events").fetchall()[0]  # noqa: S608
        if events.rows:
            pairs = zip(events.columns, present, strict=True)
            events.absent = tuple(column for column, count in pairs if not count)

    def _malformed_lines(self, one: Input) -> list[tuple[int, str]]:
        """Line number and fault of the first malformed lines of a file.

        DuckDB tells which objects they are, counted from 1 without blank lines; the lines themselves are walked here.
        """
        packing = "gzip" if one.gzipped else "none"
        self.connection.execute("SET threads = 1")  # so that objects are numbered in the order of the file
        numbers = self.connection.execute(
            "SELECT number FROM (SELECT json, row_number() OVER () AS number FROM "  # noqa: S608
            f"read_ndjson_objects($1, ignore_errors=true, compression='{packing}')) "
            f"WHERE {_NO_OBJECT} LIMIT {NAMED_LINES}",
            [file_name(one.path)],
        ).fetchall()
        self.connection.execute("RESET threads")
        wanted = {number for (number,) in numbers}
        found: list[tuple[int, str]] = []
        objects = 0
        with open_data(one.path, gzipped=one.gzipped) as file:
            for line_number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                objects += 1
                if objects in wanted:
                    reason = fault_of(line) or ("is not one JSON object that can be read", 1)
                    found.append((line_number, f"{reason[0]} (column {reason[1]})"))
                    if len(found) == len(wanted):
                        break
        return found

    def _name(self, one: Input, count: int, places: Iterable[tuple[int, str]]) -> None:
        named = [finding for finding in self.events.findings if finding.code == "malformed-line"]
        room = NAMED_LINES - len(named)
        shown = list(places)[: max(room, 0)]
        for line, reason in shown:
            self.events.findings.append(
                Diagnostic("malformed-line", reason, None, one.name, Position(line, 1), Severity.WARNING)
            )
        if count > len(shown):
            more = f"{count - len(shown)} more lines" if shown else f"{count} lines"
            self.events.findings.append(
                Diagnostic("malformed-lines", f"{more} are malformed", None, one.name, severity=Severity.WARNING)
            )


_NO_OBJECT = "(json IS NULL OR NOT starts_with(ltrim(CAST(json AS VARCHAR), ' \t\r'), '{'))"


def _taken(paths: Iterable[str]) -> str:
    return f"json_extract_string(json, [{', '.join(literal(_pointer(path)) for path in paths)}])"


def _pointer(path: str) -> str:
    """A dotted path as a JSON pointer (RFC 6901)."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path.split("."))


def _batches(files: Sequence[Input]) -> Iterator[list[Input]]:
    """Runs of files that one statement can read: JSON lines of one packing; anything else by itself."""
    batch: list[Input] = []
    for one in files:
        joins = batch and one.content.kind == "lines" == batch[0].content.kind and one.gzipped == batch[0].gzipped
        if batch and not (joins and len(batch) < _BATCH):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _lines_at(one: Input, offsets: Sequence[int]) -> list[int]:
    """The lines (from 1) in which the given bytes of a file (from 1, in ascending order) stand."""
    lines: list[int] = []
    line, passed = 1, 0
    with open_data(one.path, gzipped=one.gzipped) as file:
        for offset in offsets:
            while passed < offset - 1:
                block = file.read(min(1 << 20, offset - 1 - passed))
                if not block:
                    break
                passed += len(block)
                line += block.count(b"\n")
            lines.append(line)
    return lines


def _unreadable(one: Input, message: str) -> PolysigmaError:
    """What DuckDB could not read, with the place where it can be told."""
    at, reason = None, message.splitlines()[0]
    if one.content.kind in {"array", "values"} and one.size < _BEARABLE:
        with open_data(one.path, gzipped=one.gzipped) as file:
            try:
                json.load(file)
            except json.JSONDecodeError as error:
                if one.content.kind == "array":
                    at, reason = Position(error.lineno, error.colno), error.msg
            except (UnicodeDecodeError, RecursionError, OSError, EOFError):
                pass
    return PolysigmaError(Diagnostic("unreadable-data", f"cannot be read: {reason}", None, one.name, at))


@contextmanager
def _watched(connection: DuckDBPyConnection, progress: Progress | None, start: float, share: float) -> Iterator[None]:
    """Tells `progress` how far the statement that runs meanwhile has come, about five times a second."""
    if progress is None:
        yield
        return
    over = Event()

    def watch() -> None:
        while not over.wait(0.2):
            percent = connection.query_progress()  # -1 where nothing is known yet
            if percent > 0:
                progress(start + share * min(percent, 100) / 100)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    progress(start + share)
