"""KQL by duckdb-kql, on DuckDB."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, Severity
from polysigma.engines import lookups
from polysigma.engines.embedded import quoted
from polysigma.engines.kql.execute import SEARCH_KEY, Database
from polysigma.engines.kql.validate import unavailable, validate
from polysigma.engines.runners import Data, Result, Runner, Store, Window, kept, no_flips
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

TABLE = "$table"
"""Not a column: which table of the schema a row is in."""

ROW = "polysigma_row"
"""The column of a result for the number of the row that it is, in the order in which they were given."""

PLACE = "polysigma_place"
"""The place of a row in the order of time: a column that queries hand through and do not see."""

_WINDOW = "polysigma_window"

_MOST_KEPT = 8
"""Databases that are kept open for the next rows of the same query, and queries that each has planned."""


class KqlRunner(Runner):
    """Validated by Microsoft's own binder where it is installed."""

    target = "kql"
    engine = "duckdb-kql on DuckDB"

    def unavailable(self) -> str | None:
        """duckdb-kql is an extra of its own."""
        if find_spec("duckdb_kql") is None:
            return "duckdb-kql runs KQL and is not installed: pip install 'polysigma[prove]'"
        return None

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """Nothing where the binder is not installed."""
        if unavailable():
            return []
        return [finding for finding in validate(text, schema) if finding.severity is Severity.ERROR]

    def store(self, data: Data, text: str) -> Store:
        return _KqlStore(data, _shelf(data.schema, frozenset(lookups.words(text))))

    def prefixes(self, text: str) -> list[str]:
        """The pipeline up to each operator that begins a line."""
        cuts = [place for place in range(len(text)) if text.startswith("\n| ", place)]
        return [*(text[:cut] for cut in cuts), text]

    def value(self, value: Any, kind: Type) -> Any:
        """A dynamic array comes as JSON."""
        if kind is Type.LIST and isinstance(value, str):
            return json.loads(value) if value else []
        return value


class _Shelf:
    """A database for the tables and columns that a query names: rows come and go, what was planned stays.

    Queries see the rows of a window, a stretch of places in the order of time. They are planned as they stand, without
    DuckDB's optimizer: with it DuckDB plans a prepared query anew every time that it is run, which takes it ten times
    as long as the few rows of a scenario do.
    """

    def __init__(self, schema: str, named: frozenset[str]) -> None:
        self.database = Database(schema, {}, named=named)
        self.connection = self.database.connection
        self.lookups = lookups.named(named)
        lookups.declare(self.connection, self.lookups, SEARCH_KEY)
        self.planned: dict[str, str] = {}
        self.connection.execute(f"CREATE TABLE {_WINDOW} AS SELECT 0::BIGINT AS first, 0::BIGINT AS beyond")
        for table in self.database.tables:
            name = self.database.holders[table]
            self.connection.execute(f"ALTER TABLE {name} RENAME TO {_whole(table)}")
            self.connection.execute(f"ALTER TABLE {_whole(table)} ADD COLUMN {PLACE} BIGINT")
            self.database.holders[table] = _whole(table)
            self.database.tables[table][PLACE] = "BIGINT"
            inside = f"{PLACE} >= (SELECT first FROM {_WINDOW}) AND {PLACE} < (SELECT beyond FROM {_WINDOW})"  # noqa: S608
            rows = f"SELECT * FROM {_whole(table)} WHERE {inside}"  # noqa: S608
            self.connection.execute(f"CREATE VIEW {name} AS {rows}")
        self.database.look()
        self.connection.execute("PRAGMA disable_optimizer")

    def fill(self, tables: Mapping[str, Sequence[tuple[int, Mapping[str, Any]]]]) -> None:
        """Puts rows, each with its place, in the place of those that were there."""
        for table in self.database.tables:
            self.connection.execute(f"DELETE FROM {_whole(table)}")  # noqa: S608
            self.database.fill(table, ({**row, PLACE: place} for place, row in tables.get(table, ())))

    def run(self, text: str, first: int, beyond: int) -> list[dict[str, Any]]:
        """The rows that a query gives on a stretch of places. Raises as `Database.run`."""
        if text not in self.planned:
            if len(self.planned) >= _MOST_KEPT:
                for name in self.planned.values():
                    self.connection.execute(f"DEALLOCATE {name}")
                self.planned.clear()
            name = f"polysigma_query_{len(self.planned)}"
            self.database.run_sql(f"PREPARE {name} AS {self.database.sql(text)}")
            self.planned[text] = name
        self.connection.execute(f"UPDATE {_WINDOW} SET first = {first}, beyond = {beyond}")  # noqa: S608
        return self.database.run_sql(f"EXECUTE {self.planned[text]}")

    def close(self) -> None:
        self.connection.close()


_shelves: dict[Hashable, _Shelf] = {}


def _shelf(schema: str, named: frozenset[str]) -> _Shelf:
    """The database for queries of these words: there may be rows in it of one store at a time only."""
    return kept(_shelves, (schema, named), _MOST_KEPT, lambda: _Shelf(schema, named))


class _KqlStore(Store):
    """Every row with its place in the order of time, so that a window is a stretch of places."""

    def __init__(self, data: Data, shelf: _Shelf) -> None:
        self.data = data
        self.shelf = shelf
        untimed = [number for number, time in enumerate(data.times) if time is None]
        self.order = [*data.ordered[1], *untimed]
        tables: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for place, number in enumerate(self.order):
            row = data.rows[number]
            tables.setdefault(row[TABLE], []).append((place, row))
        shelf.fill(tables)
        lookups.upload(shelf.connection, shelf.lookups, data.lookups)

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window."""
        no_flips(flip)
        for window in windows:
            first, beyond = self.data.span(window) if window else (0, len(self.order))
            yield Result([self._numbered(row) for row in self.shelf.run(text, first, beyond)])

    def _numbered(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with its number, where the query hands its place through."""
        place = row.pop(PLACE, None)
        return row if place is None else {**row, ROW: self.order[place]}


def _whole(table: str) -> str:
    return quoted(f"polysigma_all_{table}")
