"""Runs the TEXT of an SQL query on DuckDB: as it stands, or on one window of time after another.

The text is WITH queries over a table `events`; those that read `events` pick rows one by one and give each its time as
"EventTime" (a TIMESTAMP, UTC). For windows they are evaluated once, and the text is run for each window with a
selection of their rows in their place. sqlglot finds the places; all the rest runs as it is written, character by
character. This module knows of the printer only that form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.embedded import duckdb, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from duckdb import DuckDBPyConnection
    from sqlglot import exp

TABLE = "events"
TIME = "EventTime"

_HINT = 'a query reads `events` only in WITH queries that pick rows and name their time "EventTime"'

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _With:
    """One WITH query: its name, where its body stands in the text, and the parsed body."""

    name: str
    start: int
    end: int
    body: exp.Expr


@dataclass(frozen=True, slots=True)
class Kept:
    """A WITH query that has been evaluated, the table of its rows, the column that tells their time, and its type."""

    query: _With
    table: str
    time: str
    kind: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """The text of a query, and what was found in it."""

    text: str
    tree: exp.Expr
    withs: tuple[_With, ...]


@lru_cache(maxsize=64)
def read_query(text: str) -> Query:
    """The parsed text, which nobody changes. Raises PolysigmaError where it is not one DuckDB query."""
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise _fault("sql-syntax", f"the query is not DuckDB SQL: {str(error).splitlines()[0]}") from None
    statements = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _fault("sql-statement", "the text is not one SELECT statement")
    tree = statements[0]
    clause = tree.args.get("with_")
    if clause is None:
        return Query(text, tree, ())
    if clause.recursive:
        raise _fault("sql-statement", "the query is recursive")
    spans = _spans(text)
    bodies = [(one.alias, one.this) for one in clause.expressions]
    if [name for name, _ in bodies] != [name for name, _, _ in spans]:
        raise _fault("sql-syntax", "the WITH queries of the text cannot be told apart")
    withs = tuple(_With(name, start, end, body) for (name, start, end), (_, body) in zip(spans, bodies, strict=True))
    return Query(text, tree, withs)


def _spans(text: str) -> list[tuple[str, int, int]]:
    """The name of each leading WITH query, and where the text between its parentheses begins and ends."""
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.tokenizer_core import TokenType

    tokens = Dialect.get_or_raise("duckdb").tokenize(text)
    found: list[tuple[str, int, int]] = []
    index = 1
    while index < len(tokens):
        name = tokens[index].text
        if tokens[index + 1].token_type is not TokenType.ALIAS:  # a list of columns, which we would take for the body
            break
        while index < len(tokens) and tokens[index].token_type is not TokenType.L_PAREN:
            index += 1
        opening, depth = index, 0
        while index < len(tokens):
            kind = tokens[index].token_type
            depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
            if depth == 0:
                break
            index += 1
        if index >= len(tokens):
            break
        found.append((name, tokens[opening].end + 1, tokens[index].start))
        index += 1  # past the closing parenthesis
        if index >= len(tokens) or tokens[index].token_type is not TokenType.COMMA:
            break
        index += 1
    return found


def columns_read(query: Query, known: Collection[str]) -> tuple[str, ...]:
    """The columns of `events` that a query reads, in the order in which they are met.

    `known` are the columns that the table may have: all of them for `SELECT *`, and what tells a column from a name
    that the same SELECT gives to a result ("EventTime").
    """
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    found: dict[str, None] = {}
    for scope in traverse_scope(query.tree):
        mine = [name for name, source in scope.sources.items() if _is_events(source)]
        selects = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
        if not mine:
            continue
        given = {one.alias for one in selects if isinstance(one, exp.Alias)}
        if any(one.is_star for one in selects):
            found |= dict.fromkeys(known)
        for column in scope.columns:
            if isinstance(column.this, exp.Star) or (column.table and column.table not in mine):
                continue
            if not column.table and column.name in given and column.name not in known:
                continue
            found[column.name] = None
    return tuple(found)


def _is_events(source: Any) -> bool:
    from sqlglot import exp

    return isinstance(source, exp.Table) and source.name.casefold() == TABLE


def _reads_events(body: exp.Expr) -> bool:
    from sqlglot import exp

    return any(_is_events(table) for table in body.find_all(exp.Table))


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
        raise _fault("sql-failed", f"DuckDB refuses the query: {str(failure).splitlines()[0]}") from None


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
        matched = self._matched()
        for one in matched:
            self._keep(one, self.query.text[one.start : one.end], TIME)
            if self.places[-1].kind != "TIMESTAMP":
                self.close()
                raise _fault("query-form", f"{one.name!r} has no TIMESTAMP called {TIME!r}", _HINT)
        self.rows, self.untimed, self.last = self._measure()
        if bucket and len(matched) == 1:
            self._group_once(matched[0], *bucket)

    def _matched(self) -> list[_With]:
        from sqlglot import exp

        matched = [one for one in self.query.withs if _reads_events(one.body)]
        inside = sum(_is_events(table) for one in matched for table in one.body.find_all(exp.Table))
        if not matched or inside != sum(_is_events(table) for table in self.query.tree.find_all(exp.Table)):
            raise _fault("query-form", "the query reads `events` outside of its WITH queries", _HINT)
        for one in matched:
            if not _row_by_row(one.body):
                raise _fault("query-form", f"{one.name!r} reads `events` and does more than pick rows", _HINT)
        return matched

    def _keep(self, one: _With, select: str, time: str) -> None:
        """Evaluates a WITH query into a table; its place in the text is then taken by a selection from the table."""
        table = f"{self.prefix}_{len(self.places)}"
        try:
            self.connection.execute(f"CREATE OR REPLACE TABLE {table} AS {select}\n")
        except duckdb().Error as failure:
            raise _fault("sql-failed", f"DuckDB refuses the query: {str(failure).splitlines()[0]}") from None
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

    def _group_once(self, matched: _With, name: str, seconds: int) -> None:
        """Evaluates the WITH queries from `matched` up to the first grouping once, if that groups by the bucket.

        Nothing happens where the text is not certainly so: each query reads only the one before it and picks or adds
        to rows one by one, and the grouping shows the bucket, unaltered and under its name.
        """
        from sqlglot import exp

        source = matched.name
        for one in self.query.withs[self.query.withs.index(matched) + 1 :]:
            tables = list(one.body.find_all(exp.Table))
            uses = sum(table.name == source for table in self.query.tree.find_all(exp.Table))
            if len(tables) != 1 or tables[0].name != source or uses != 1:
                return
            if _row_by_row(one.body):
                source = one.name
                continue
            if _groups_by(one.body, name):
                text = self.text_with("SELECT * FROM {table}", upto=one.end + 1)
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
        return list(rows_of(self.text_with(selection), self.connection.cursor()))

    def text_with(self, selection: str, upto: int | None = None) -> str:
        """The text with a selection from its table in the place of each query that has been evaluated."""
        text, parts, position = self.query.text, [], 0
        for kept in sorted(self.places, key=lambda kept: kept.query.start):
            parts.append(text[position : kept.query.start])
            parts.append(selection.format(table=kept.table, time=quoted(kept.time)))
            position = kept.query.end
        parts.append(text[position:upto])
        return "".join(parts)

    def run_whole(self) -> list[Row]:
        """The rows of the query on all matched rows, also those without a time: what the text gives as it stands."""
        return list(rows_of(self.text_with("SELECT * FROM {table}"), self.connection.cursor()))

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


def _row_by_row(body: exp.Expr) -> bool:
    """Whether a query gives at most one row for each row that it reads, whatever the other rows are."""
    from sqlglot import exp

    if not isinstance(body, exp.Select):
        return False
    if any(body.args.get(part) for part in ("group", "having", "distinct", "limit", "offset", "qualify", "joins")):
        return False
    if body.find(exp.AggFunc, exp.Window, exp.Unnest, exp.Lateral):
        return False
    inner = [query for query in body.find_all(exp.Query) if query is not body and not isinstance(query, exp.Subquery)]
    if not inner:
        return True
    source = body.args["from_"].this if body.args.get("from_") else None
    nested = source.this if isinstance(source, exp.Subquery) else None
    others = [query for query in inner if nested is None or query not in {nested, *nested.find_all(exp.Query)}]
    return nested is not None and not others and _row_by_row(nested)


def _groups_by(body: exp.Expr, name: str) -> bool:
    """Whether a query groups by a column and shows it under its name, one row a group."""
    from sqlglot import exp

    group = body.args.get("group")
    if not isinstance(body, exp.Select) or group is None:
        return False
    if any(body.args.get(part) for part in ("distinct", "limit", "offset", "qualify", "joins")):
        return False
    if body.find(exp.Window) or sum(1 for _ in body.find_all(exp.Query)) > 1:
        return False
    if any(value for key, value in group.args.items() if key != "expressions"):
        return False
    grouped = any(isinstance(key, exp.Column) and key.name == name for key in group.expressions)
    shown = [one for one in body.selects if one.alias_or_name == name]
    return (
        grouped and len(shown) == 1 and isinstance(shown[0].unalias(), exp.Column) and shown[0].unalias().name == name
    )


def _timestamp(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"


def _fault(code: str, message: str, hint: str | None = None) -> PolysigmaError:
    return PolysigmaError(Diagnostic(code, message, hint))
