"""The TEXT of an SQL query as the engines take it apart: its WITH queries, what they read, what takes their place.

The text is WITH queries over a table `events`; those that read `events` pick rows one by one and give each its time as
"EventTime" (a TIMESTAMP, UTC). For windows of time they are evaluated once, and the text is run for each window with a
selection of their rows in their place. sqlglot finds the places; all the rest runs as it is written, character by
character. This module knows of the printer only that form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.plan.lookups import PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlglot import exp

TABLE = "events"
TIME = "EventTime"

FORM = 'a query reads `events` only in WITH queries that pick rows and name their time "EventTime"'
"""What a query must look like to be run on windows."""


@dataclass(frozen=True, slots=True)
class With:
    """One WITH query: its name, where its body stands in the text, and the parsed body."""

    name: str
    start: int
    end: int
    body: exp.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """The text of a query, and what was found in it. A text is read once: a query is equal to itself only."""

    text: str
    dialect: str
    tree: exp.Expr
    withs: tuple[With, ...]


@lru_cache(maxsize=64)
def read_query(text: str, dialect: str = "duckdb") -> Query:
    """The parsed text, which nobody changes. Raises PolysigmaError where it is not one query in the dialect."""
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(text, read=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise fault("sql-syntax", f"the query is not SQL of {dialect}: {str(error).splitlines()[0]}") from None
    statements = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise fault("sql-statement", "the text is not one SELECT statement")
    tree = statements[0]
    clause = tree.args.get("with_")
    if clause is None:
        return Query(text, dialect, tree, ())
    if clause.recursive:
        raise fault("sql-statement", "the query is recursive")
    spans = _spans(text, dialect)
    bodies = [(one.alias, one.this) for one in clause.expressions]
    if [name for name, _ in bodies] != [name for name, _, _ in spans]:
        raise fault("sql-syntax", "the WITH queries of the text cannot be told apart")
    withs = tuple(With(name, start, end, body) for (name, start, end), (_, body) in zip(spans, bodies, strict=True))
    return Query(text, dialect, tree, withs)


def _spans(text: str, dialect: str) -> list[tuple[str, int, int]]:
    """The name of each leading WITH query, and where the text between its parentheses begins and ends."""
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.tokenizer_core import TokenType

    tokens = Dialect.get_or_raise(dialect).tokenize(text)
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


def spellings(columns: Iterable[str]) -> list[list[str]]:
    """The columns, those that differ in case only together: to these engines they are one, called as the first."""
    found: dict[str, list[str]] = {}
    for name in columns:
        found.setdefault(name.casefold(), []).append(name)
    return list(found.values())


def spelled(row: Mapping[str, Any], columns: Iterable[list[str]]) -> dict[str, Any]:
    """A row by the first spelling of each column; one that has only another spelling fills the column by it."""
    return {found[0]: row[name] for found in columns for name in found if name in row}


def _is_events(source: Any) -> bool:
    from sqlglot import exp

    return isinstance(source, exp.Table) and source.name.casefold() == TABLE


def _reads_events(body: exp.Expr) -> bool:
    from sqlglot import exp

    return any(_is_events(table) for table in body.find_all(exp.Table))


@dataclass(frozen=True, slots=True)
class Kept:
    """A WITH query that has been evaluated, the table of its rows, the column that tells their time, and its type."""

    query: With
    table: str
    time: str
    kind: str | None


@lru_cache(maxsize=64)
def matched(query: Query) -> tuple[With, ...]:
    """The WITH queries that read `events`. Raises PolysigmaError where the query reads it in another way."""
    from sqlglot import exp

    found = [one for one in query.withs if _reads_events(one.body)]
    inside = sum(_is_events(table) for one in found for table in one.body.find_all(exp.Table))
    if not found or inside != sum(_is_events(table) for table in query.tree.find_all(exp.Table)):
        raise fault("query-form", "the query reads `events` outside of its WITH queries", FORM)
    for one in found:
        if not row_by_row(one.body):
            raise fault("query-form", f"{one.name!r} reads `events` and does more than pick rows", FORM)
    return tuple(found)


def with_selections(query: Query, places: Iterable[Kept], selection: str, upto: int | None = None) -> str:
    """The text with a selection from its table in the place of each query that has been evaluated.

    `selection` names the table as `{table}` and the column of the time, quoted, as `{time}`.
    """
    text, parts, position = query.text, [], 0
    for kept in sorted(places, key=lambda kept: kept.query.start):
        parts.append(text[position : kept.query.start])
        parts.append(selection.format(table=kept.table, time=identifier(kept.time, query.dialect)))
        position = kept.query.end
    parts.append(text[position:upto])
    return "".join(parts)


def identifier(name: str, dialect: str) -> str:
    """A name, quoted."""
    from sqlglot import exp

    return exp.to_identifier(name, quoted=True).sql(dialect=dialect)


def row_by_row(body: exp.Expr) -> bool:
    """Whether a query gives at most one row for each row that it reads, whatever the other rows are."""
    from sqlglot import exp

    if not isinstance(body, exp.Select):
        return False
    if any(body.args.get(part) for part in ("group", "having", "distinct", "limit", "offset", "qualify", "joins")):
        return False
    if body.find(exp.AggFunc, exp.Window, exp.Unnest, exp.Lateral):
        return False
    listed = _lists(body)
    inner = [
        query
        for query in body.find_all(exp.Query)
        if query is not body and not isinstance(query, exp.Subquery) and id(query) not in listed
    ]
    if not inner:
        return True
    source = body.args["from_"].this if body.args.get("from_") else None
    nested = source.this if isinstance(source, exp.Subquery) else None
    others = [query for query in inner if nested is None or query not in {nested, *nested.find_all(exp.Query)}]
    return nested is not None and not others and row_by_row(nested)


def _lists(body: exp.Expr) -> set[int]:
    """The queries, by identity, right of an IN that read nothing but lookups: the same for every row."""
    from sqlglot import exp

    found: set[int] = set()
    for node in body.find_all(exp.In):
        query = node.args.get("query")
        if query is not None and all(table.name.startswith(PREFIX) for table in query.find_all(exp.Table)):
            found |= {id(one) for one in query.find_all(exp.Query)}
    return found


def groups_by(body: exp.Expr, name: str) -> bool:
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


def fault(code: str, message: str, hint: str | None = None) -> PolysigmaError:
    """An error about a query."""
    return PolysigmaError(Diagnostic(code, message, hint))
