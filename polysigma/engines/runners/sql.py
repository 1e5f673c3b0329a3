"""SQL on DuckDB."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines import lookups
from polysigma.engines.embedded import duckdb, literal, quoted
from polysigma.engines.runners import Data, Result, Runner, Store, Window, kept, no_flips
from polysigma.engines.sql import Windows, rows_of, run_sql
from polysigma.engines.sql_text import columns_read, read_query, spelled, spellings, with_selections
from polysigma.schemas import load

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from polysigma.engines.runners import Row

_MOST_KEPT = 4
"""Databases that are kept open for the next rows of the same query."""

_WINDOW = "polysigma_window"


class SqlRunner(Runner):
    target = "sql"
    engine = "DuckDB"

    def unavailable(self) -> str | None:
        try:
            duckdb()
        except PolysigmaError as error:
            return "; ".join(f"{one.message}: {one.hint}" for one in error.findings)
        return None

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """Parsed by sqlglot, then bound by DuckDB to a table that has the columns of the schema."""
        try:
            shelf = _Shelf(text, tuple(load(schema).columns()))
            run_sql(text, shelf.connection)
            shelf.close()
        except PolysigmaError as error:
            return list(error.findings)
        return []

    def store(self, data: Data, text: str) -> Store:
        return _SqlStore(data, text, _shelf(data, text))

    def prefixes(self, text: str) -> list[str]:
        """Each WITH query, shown whole."""
        shown = [f"{text[: one.end + 1]}\nSELECT * FROM {quoted(one.name)}" for one in read_query(text).withs]
        return [*shown, text]


class _Shelf:
    """The table `events` in a database of its own, with the columns that a query reads.

    Every value is text there, as in the files that `replay` reads. Rows come and go, and what was planned for windows
    of them stays. It is planned as it stands: with its optimizer DuckDB plans a prepared query anew every time that it
    is run, which takes it much longer than the few rows of a scenario do.
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self.text = text
        self.connection: DuckDBPyConnection = duckdb().connect(config={"threads": 1})
        # A query must not depend on the zone of who runs it: an odd one shows one that does.
        self.connection.execute("SET TimeZone = 'Asia/Kathmandu'; PRAGMA disable_optimizer")
        self.columns = spellings(columns)
        self.names = [found[0] for found in self.columns] or ["nothing"]
        declared = ", ".join(f"{quoted(name)} VARCHAR" for name in self.names)
        self.connection.execute(f"CREATE TABLE events ({declared})")
        self.lookups = lookups.named(lookups.words(text))
        lookups.declare(self.connection, self.lookups)
        self.fresh = False
        """Whether the rows that the query has matched are those of the events that are there now."""

    def fill(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Puts rows in the place of those that were there."""
        self.fresh = False
        self.connection.execute("DELETE FROM events")
        if not rows:
            return
        taken = [spelled(row, self.columns) for row in rows]
        shape = json.dumps([dict.fromkeys(self.names, "VARCHAR")])
        listed = ", ".join(f"r.{quoted(name)}" for name in self.names)
        self.connection.execute(
            f"INSERT INTO events SELECT {listed} FROM (SELECT unnest(from_json(?, {literal(shape)})) AS r)",  # noqa: S608
            [json.dumps(taken, ensure_ascii=False)],
        )

    @cached_property
    def windows(self) -> Windows:
        """The query with what it matches in tables, and statements that fill these and run the rest."""
        windows = Windows(self.text, self.connection, prefix="polysigma_matched")
        for number, place in enumerate(windows.places):
            select = self.text[place.query.start : place.query.end]
            self._execute(f"PREPARE polysigma_match_{number} AS INSERT INTO {place.table} {select}\n")
        self._execute(f"CREATE OR REPLACE TABLE {_WINDOW} AS SELECT now()::TIMESTAMP AS first, first AS beyond")
        bounds = f"{{time}} >= (SELECT first FROM {_WINDOW}) AND {{time}} < (SELECT beyond FROM {_WINDOW})"  # noqa: S608
        selection = f"SELECT * FROM {{table}} WHERE {bounds}"  # noqa: S608
        self._execute(f"PREPARE polysigma_rest AS {with_selections(windows.query, windows.places, selection)}\n")
        return windows

    def run(self, first: int, beyond: int) -> list[Row]:
        """The rows of the query in a window (seconds since the epoch)."""
        windows = self.windows
        if not self.fresh:
            for number, place in enumerate(windows.places):
                self._execute(f"DELETE FROM {place.table}")  # noqa: S608
                self._execute(f"EXECUTE polysigma_match_{number}")
            self.fresh = True
        bounds = f"first = make_timestamp({first}000000), beyond = make_timestamp({beyond}000000)"
        self._execute(f"UPDATE {_WINDOW} SET {bounds}")  # noqa: S608
        return self._execute("EXECUTE polysigma_rest")

    def _execute(self, statement: str) -> list[Row]:
        return list(rows_of(statement, self.connection))

    def close(self) -> None:
        self.connection.close()


_shelves: dict[Hashable, _Shelf] = {}


def _shelf(data: Data, text: str) -> _Shelf:
    """The database for a query: there may be rows in it of one store at a time only.

    What the rows have beside the columns of the schema is handed through, where the query hands all columns through.
    """
    known = load(data.schema).columns()
    more = frozenset(name for name in (data.rows[0] if data.rows else ()) if name not in known)

    def made() -> _Shelf:
        return _Shelf(text, columns_read(read_query(text), (*known, *sorted(more))))

    return kept(_shelves, (data.schema, more, text), _MOST_KEPT, made)


class _SqlStore(Store):
    def __init__(self, data: Data, text: str, shelf: _Shelf) -> None:
        self.text = text
        self.shelf = shelf
        shelf.fill(data.rows)
        lookups.upload(shelf.connection, shelf.lookups, data.lookups)

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        no_flips(flip)
        connection = self.shelf.connection
        with ExitStack() as stack:
            other: Windows | None = None
            for window in windows:
                if window is None:
                    yield Result(run_sql(text, connection))
                elif text == self.text:
                    yield Result(self.shelf.run(*window))
                else:
                    other = other or stack.enter_context(Windows(text, connection))
                    yield Result(other.run(*window))
