"""Runs the TEXT of an SQL query on DuckDB: as it stands, or on one window of time after another.

The form that the text has to have for windows is told in `polysigma.engines.sql_text`.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from polysigma.engines.embedded import duckdb, quoted
from polysigma.engines.sql_text import (
    FORM,
    TIME,
    Kept,
    fault,
    groups_by,
    matched,
    read_query,
    row_by_row,
    with_selections,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from duckdb import DuckDBPyConnection

    from polysigma.engines.sql_text import With

Row = dict[str, Any]


def run_sql(text: str, connection: DuckDBPyConnection, window: tuple[int, int] | None = None) -> list[Row]:
    """The rows that a query gives: on all of `events`, or on those with `window[0] <= "EventTime" < window[1]`.

    Times are seconds since the epoch. For more than one window of the same query use `Windows`, which reads the events
    once. Raises PolysigmaError where the query is not of the form that is described above, or fails.
    """
    if window is None:
        return list(stream_sql(text, connection))
    with Windows(text, connection) as windows:
        return windows.run(*window)


def stream_sql(text: str, connection: DuckDBPyConnection) -> Iterator[Row]:
    """The rows that a query gives on all of `events`, without holding all of them. Raises as `run_sql` does."""
    read_query(text)
    yield from rows_of(text, connection.cursor())


def rows_of(text: str, connection: DuckDBPyConnection) -> Iterator[Row]:
    """The rows that a statement gives, read as they are asked for. Raises PolysigmaError where DuckDB refuses it."""
    error = duckdb().Error
    try:
        cursor = connection.execute(text)
        names = [column[0] for column in cursor.description or ()]
        while batch := cursor.fetchmany(10_000):
            for values in batch:
                yield dict(zip(names, values, strict=True))
    except error as failure:
        raise fault("sql-failed", f"DuckDB refuses the query: {str(failure).splitlines()[0]}") from None


class Windows:
    """A query, its matched rows evaluated once, ready to be run on any window of time.

    Use it in a `with` statement, or close it: it keeps tables in the connection.
    """

    def __init__(
        self,
        text: str,
        connection: DuckDBPyConnection,
        *,
        bucket: tuple[str, int] | None = None,
        prefix: str = "polysigma_rows",
    ) -> None:
        """Evaluates the WITH queries that read `events`, into tables whose names begin with `prefix`.

        `bucket` names a column that holds the start of each row's tumbling time bucket, and says how many seconds that
        is. Where the rows are first of all grouped by it, the groups are evaluated once too: a window that begins and
        ends on the edges of buckets has whole groups or none of their rows. Other windows are refused then.
        """
        self.connection = connection
        self.query = read_query(text)
        self.prefix = prefix
        self.bucket: int | None = None
        """The edges on which windows must begin and end, if the groups are evaluated once."""
        self.places: list[Kept] = []
        picked = matched(self.query)
        for one in picked:
            self._keep(one, self.query.text[one.start : one.end], TIME)
            if self.places[-1].kind != "TIMESTAMP":
                self.close()
                raise fault("query-form", f"{one.name!r} has no TIMESTAMP called {TIME!r}", FORM)
        self.rows, self.untimed, self.last = self._measure()
        if bucket and len(picked) == 1:
            self._group_once(picked[0], *bucket)

    def _keep(self, one: With, select: str, time: str) -> None:
        """Evaluates a WITH query into a table; its place in the text is then taken by a selection from the table."""
        table = f"{self.prefix}_{len(self.places)}"
        try:
            self.connection.execute(f"CREATE OR REPLACE TABLE {table} AS {select}\n")
        except duckdb().Error as failure:
            raise fault("sql-failed", f"DuckDB refuses the query: {str(failure).splitlines()[0]}") from None
        kinds = {name: kind for name, kind, *_ in self.connection.execute(f"DESCRIBE {table}").fetchall()}
        self.places.append(Kept(one, table, time, kinds.get(time)))

    def _measure(self) -> tuple[int, int, datetime | None]:
        rows = timed = 0
        lasts = []
        for kept in self.places:
            total, good, last = self.connection.execute(
                f'SELECT count(*), count(*) FILTER (isfinite("{TIME}")), max("{TIME}") FILTER (isfinite("{TIME}")) '  # noqa: S608 - our own names
                f"FROM {kept.table}"
            ).fetchall()[0]
            rows, timed = rows + total, timed + good
            lasts += [last] if last else []
        return rows, rows - timed, max(lasts, default=None)

    def _group_once(self, first: With, name: str, seconds: int) -> None:
        """Evaluates the WITH queries from `first` up to the first grouping once, if that groups by the bucket.

        Nothing happens where the text is not certainly so: each query reads only the one before it and picks or adds
        to rows one by one, and the grouping shows the bucket, unaltered and under its name.
        """
        from sqlglot import exp

        source = first.name
        for one in self.query.withs[self.query.withs.index(first) + 1 :]:
            tables = list(one.body.find_all(exp.Table))
            uses = sum(table.name == source for table in self.query.tree.find_all(exp.Table))
            if len(tables) != 1 or tables[0].name != source or uses != 1:
                return
            if row_by_row(one.body):
                source = one.name
                continue
            if groups_by(one.body, name):
                text = with_selections(self.query, self.places, "SELECT * FROM {table}", upto=one.end + 1)
                self._keep(one, f"{text}\nSELECT * FROM {quoted(one.name)}", name)
                if self.places[-1].kind == "TIMESTAMP":
                    self.bucket = seconds
                else:
                    self.connection.execute(f"DROP TABLE {self.places.pop().table}")
            return

    def run(self, start: int, end: int) -> list[Row]:
        """The rows of the query on the matched rows with `start <= "EventTime" < end` (seconds since the epoch)."""
        if self.bucket and (start % self.bucket or end % self.bucket):
            raise ValueError(f"the window does not begin and end on edges of {self.bucket} seconds")
        selection = f"SELECT * FROM {{table}} WHERE {{time}} >= {_timestamp(start)} AND {{time}} < {_timestamp(end)}"  # noqa: S608
        return list(rows_of(with_selections(self.query, self.places, selection), self.connection.cursor()))

    def run_whole(self) -> list[Row]:
        """The rows of the query on all matched rows, also those without a time: what the text gives as it stands."""
        text = with_selections(self.query, self.places, "SELECT * FROM {table}")
        return list(rows_of(text, self.connection.cursor()))

    def slide(
        self, every: int, window: int, progress: Callable[[float], None] | None = None
    ) -> Iterator[tuple[int, list[Row]]]:
        """Each T with the rows that the query gives on `[T - window, T)`, where it gives any (seconds).

        T runs over the multiples of `every`, from the first after the first event to the first after the last one: so
        every event is in a window, unless `every` is longer than `window`, and no window reaches further into what
        the data does not show than it must. Windows without events are not run; one with the same events as the one
        before gives its rows again.
        """
        slots = self._slots(every)
        if not slots:
            return
        ends = {slot + step for slot in slots for step in range(1, math.ceil(window / every) + 1)}
        aligned = window % every == 0
        before: tuple[int, list[Row]] | None = None
        ordered = sorted(end for end in ends if end <= max(slots) + 1)
        for number, end in enumerate(ordered, start=1):
            same = aligned and before and before[0] == end - 1 and not {end - 1, end - 1 - window // every} & slots
            rows = before[1] if before and same else self.run(end * every - window, end * every)
            before = (end, rows)
            if progress:
                progress(number / len(ordered))
            if rows:
                yield end * every, rows

    def _slots(self, every: int) -> set[int]:
        """The stretches between multiples of `every` in which there are events, by number."""
        slots: set[int] = set()
        for kept in self.places:
            if kept.time == TIME:
                rows = self.connection.execute(
                    f"SELECT DISTINCT CAST(floor(epoch({TIME}) / {every}) AS BIGINT) FROM {kept.table} "  # noqa: S608
                    f"WHERE isfinite({TIME})"
                )
                slots |= {slot for (slot,) in rows.fetchall()}
        return slots

    def close(self) -> None:
        """Drops the tables."""
        for kept in self.places:
            self.connection.execute(f"DROP TABLE IF EXISTS {kept.table}")
        self.places.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _timestamp(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"
