"""One way to run the TEXT of a query on a platform's rows, whatever its language; an adapter an engine.

A target that has no engine here is not run, and whoever asks is told so: it is never taken for proven.
"""

from __future__ import annotations

import bisect
import json
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from polysigma.diagnostics import Diagnostic, PolysigmaError, Severity
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.engines.cql import CompiledQuery

Row = dict[str, Any]

Window = tuple[int, int]
"""From the first second on and up to, but not with, the last: seconds since the epoch."""


@dataclass(frozen=True)
class Data:
    """The rows of one platform: the name of its schema, the rows on the wire, and when each happened.

    `times` are seconds since the epoch by the clock that the platform's claims name, None where a row has none. An
    engine whose query knows the time of its rows does not look at them.
    """

    schema: str
    rows: Sequence[Mapping[str, Any]]
    times: Sequence[float | None]

    @cached_property
    def ordered(self) -> tuple[list[float], list[int]]:
        """The times of the rows that have one, ascending, and the number of the row that each is of."""
        pairs = sorted((time, number) for number, time in enumerate(self.times) if time is not None)
        return [time for time, _ in pairs], [number for _, number in pairs]

    def span(self, window: Window) -> tuple[int, int]:
        """The first and one past the last of the rows in a window, in the order of time."""
        times, _ = self.ordered
        return bisect.bisect_left(times, window[0]), bisect.bisect_left(times, window[1])

    def within(self, window: Window | None) -> Sequence[int]:
        """The numbers of the rows in a window, in the order of time; of all rows where there is no window."""
        if window is None:
            return range(len(self.rows))
        first, end = self.span(window)
        return self.ordered[1][first:end]


@dataclass(frozen=True)
class Result:
    """What an engine made of a query on some rows.

    `incomplete`: a limit was passed, so that rows are missing. `assumptions`: ids of what the engine takes for granted
    and the result may hang on.
    """

    rows: list[Row]
    incomplete: bool = False
    warnings: tuple[str, ...] = ()
    assumptions: frozenset[str] = field(default_factory=frozenset)


class Store(ABC):
    """Rows, ready to have queries run on them. Close it, or use it in a `with` statement."""

    @abstractmethod
    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """What a query gives on each window, in their order; None is all rows.

        `flip` are assumptions of which the alternative is taken. Raises PolysigmaError where the engine refuses the
        query, with its reason.
        """

    def close(self) -> None:  # noqa: B027 - most stores keep nothing
        """Lets go of what the store keeps."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Runner(ABC):
    """An engine: it judges the text of a query, and runs it."""

    target: str
    engine: str
    """What to call it."""

    def unavailable(self) -> str | None:
        """Why it cannot run here, or None."""
        return None

    @abstractmethod
    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """What is wrong with the text of a query, known without running it."""

    @abstractmethod
    def store(self, data: Data, text: str) -> Store:
        """The rows, stored so that this query can be run, and others that read no more columns than it does."""

    def prefixes(self, text: str) -> list[str]:
        """Queries made of ever more of the steps of one, the whole one last; just that one where steps have no seam."""
        return [text]

    def flips(self) -> frozenset[str]:
        """The assumptions of which the engine can take the alternative."""
        return frozenset()

    def value(self, value: Any, kind: Type) -> Any:
        """A value of a result in the form in which all engines give one: lists as lists, times as times."""
        del kind
        return value


def runner(target: str) -> Runner:
    """The engine for a target. Raises PolysigmaError, with the reason, where there is none that can run here."""
    if target not in _RUNNERS:
        raise PolysigmaError(Diagnostic("no-engine", f"there is no engine for {target} here"))
    found = _RUNNERS[target]()
    reason = found.unavailable()
    if reason:
        raise PolysigmaError(Diagnostic("no-engine", reason))
    return found


# SQL.


class _SqlRunner(Runner):
    target = "sql"
    engine = "DuckDB"

    def unavailable(self) -> str | None:
        from polysigma.engines.embedded import duckdb

        try:
            duckdb()
        except PolysigmaError as error:
            return "; ".join(f"{one.message}: {one.hint}" for one in error.findings)
        return None

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """Parsed by sqlglot, then bound by DuckDB to a table that has the columns of the schema."""
        from polysigma.schemas import load

        try:
            with _SqlStore(Data(schema, (), ()), load(schema).columns()) as store:
                list(store.run(text, [None]))
        except PolysigmaError as error:
            return list(error.findings)
        return []

    def store(self, data: Data, text: str) -> Store:
        from polysigma.engines.sql import columns_read, read_query
        from polysigma.schemas import load

        return _SqlStore(data, columns_read(read_query(text), load(data.schema).columns()))

    def prefixes(self, text: str) -> list[str]:
        """Each WITH query, shown whole."""
        from polysigma.engines.embedded import quoted
        from polysigma.engines.sql import read_query

        shown = [f"{text[: one.end + 1]}\nSELECT * FROM {quoted(one.name)}" for one in read_query(text).withs]
        return [*shown, text]


class _SqlStore(Store):
    """The table `events` in a database of its own. Every value is text there, as in the files that `replay` reads."""

    def __init__(self, data: Data, columns: Iterable[str]) -> None:
        from polysigma.engines.embedded import connect, literal, quoted

        self._folder = tempfile.TemporaryDirectory(prefix="polysigma-")
        folder = Path(self._folder.name)
        self.connection = connect(folder)
        # To DuckDB, names in another case are the same; a row that has only the other spelling fills the column.
        spellings: dict[str, list[str]] = {}
        for name in columns:
            spellings.setdefault(name.casefold(), []).append(name)
        names = [found[0] for found in spellings.values()] or ["nothing"]
        declared = ", ".join(f"{quoted(name)} VARCHAR" for name in names)
        self.connection.execute(f"CREATE TABLE events ({declared})")
        if data.rows:
            path = folder / "rows.json"
            with path.open("w", encoding="utf-8") as file:
                for row in data.rows:
                    taken = {found[0]: row[name] for found in spellings.values() for name in found if name in row}
                    file.write(json.dumps(taken, ensure_ascii=False) + "\n")
            kinds = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
            source = f"read_json({literal(str(path))}, format='newline_delimited', columns={{{kinds}}})"
            self.connection.execute(f"INSERT INTO events SELECT * FROM {source}")  # noqa: S608 - names are quoted
            path.unlink()

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        from polysigma.engines.sql import Windows, run_sql

        if flip:
            raise ValueError(f"no assumption that can be flipped: {', '.join(sorted(flip))}")
        if all(window is None for window in windows):
            yield from (Result(run_sql(text, self.connection)) for _ in windows)
            return
        with Windows(text, self.connection) as parts:
            for window in windows:
                yield Result(parts.run(*window) if window else parts.run_whole())

    def close(self) -> None:
        self.connection.close()
        self._folder.cleanup()


# CQL.


class _CqlRunner(Runner):
    target = "logscale"
    engine = "the CQL engine"

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        from polysigma.cql import lint

        del schema
        return [finding for finding in lint(text) if finding.severity is Severity.ERROR]

    def store(self, data: Data, text: str) -> Store:
        del text
        return _CqlStore(data)

    def prefixes(self, text: str) -> list[str]:
        """The pipeline up to each of its steps."""
        from polysigma.cql import parse

        lines = text.splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        steps = parse(text).steps
        cuts = [text.rfind("|", 0, starts[step.at.line - 1] + step.at.column - 1) for step in steps[1:]]
        return [*(text[:cut].rstrip() for cut in cuts if cut > 0), text]

    def flips(self) -> frozenset[str]:
        from polysigma.engines.cql import assumptions

        return frozenset(name for name, one in assumptions().items() if one.flips)

    def value(self, value: Any, kind: Type) -> Any:
        """Lists are text, an item a line; times that were not made into text are milliseconds since the epoch."""
        if kind is Type.LIST and isinstance(value, str):
            return value.split("\n")
        if kind is Type.TIME:
            try:
                return float(value) / 1000
            except (TypeError, ValueError):
                return value
        return value


class _CqlStore(Store):
    def __init__(self, data: Data) -> None:
        self.data = data

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        from polysigma.engines.cql import compile_cql

        query: CompiledQuery = compile_cql(text, flip=flip)
        sifted = query.sift(self.data.rows)
        for window in windows:
            rows = (sifted[number] for number in self.data.within(window))
            done = query.gather(row for row in rows if row is not None)
            yield Result(done.rows, done.incomplete, done.warnings, done.assumptions)


_RUNNERS: dict[str, type[Runner]] = {one.target: one for one in (_SqlRunner, _CqlRunner)}
