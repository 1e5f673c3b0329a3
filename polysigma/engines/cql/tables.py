"""Aggregates that order and cut rows: sort, table, head, tail; and neighbor, which goes by their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.measures import TIME
from polysigma.engines.cql.values import number, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.measures import Factory
    from polysigma.engines.cql.values import Row, Value

_DEFAULT_ROWS = 200
Key = tuple[int, float, str]


def table(context: Context, call: tree.Call) -> Factory | None:
    """How the aggregate of a call is made, or None if its function is none of these."""
    match function_name(call):
        case "sort":
            arguments = Arguments(call, "field order type limit")
            order = _Order(context, arguments, arguments.fields("field", "_count"))
            limit, chosen = arguments.limit("limit", _DEFAULT_ROWS)
            return lambda: _Table(context, "sort", order, limit, chosen=chosen)
        case "table":
            # It sorts by @timestamp where no sortby is given: a sort before it is undone (functions-table.html).
            arguments = Arguments(call, "fields sortby order type limit")
            order = _Order(context, arguments, arguments.fields("sortby", TIME))
            limit, chosen = arguments.limit("limit", _DEFAULT_ROWS)
            fields = arguments.fields("fields")
            return lambda: _Table(context, "table", order, limit, chosen=chosen, fields=fields)
        case "head" | "tail" as name:
            limit, _ = Arguments(call, "limit").limit("limit", _DEFAULT_ROWS)
            return lambda: _End(limit, last=name == "tail")
        case "neighbor":
            # Of the events a step before has put in order; the linter refuses it anywhere else.
            if not context.aggregated:
                refuse(call, "neighbor() stands behind no aggregate", "put sort() before it")
            arguments = Arguments(call, "include prefix")
            include, prefix = arguments.fields("include"), arguments.text("prefix")
            return lambda: _Neighbor(include, prefix)
        case _:
            return None


class _Order:
    """The order of a sort() or table(): fields, each with its type and direction (functions-sort.html)."""

    def __init__(self, context: Context, arguments: Arguments, fields: list[str]) -> None:
        self.context = context
        directions = self._each(arguments, "order", "desc", fields)
        kinds = self._each(arguments, "type", "number", fields)
        for name, words, known in (
            ("order", directions, {"asc", "desc"}),
            ("type", kinds, {"number", "string", "hex"}),
        ):
            unknown = set(words) - known
            if unknown:
                refuse(arguments.node(name), f"{name}={unknown.pop()} is not implemented")
        keys: dict[str, Callable[[Value], Key]] = {"number": self._number, "string": _string, "hex": self._hex}
        self.fields = [
            (field, keys[kind], direction == "desc")
            for field, kind, direction in zip(fields, kinds, directions, strict=True)
        ]

    def _each(self, arguments: Arguments, name: str, default: str, fields: list[str]) -> list[str]:
        """One word for all fields, or a list with one for each."""
        words = arguments.texts(name, default)
        listed = name in arguments and isinstance(arguments.node(name), tree.Array)
        if listed and len(words) != 1 and len(words) != len(fields):
            refuse(arguments.node(name), f"{name} has {len(words)} words for {len(fields)} fields")
        return words if len(words) == len(fields) else words * len(fields)

    def _number(self, value: Value) -> Key:
        return self._ranked(value, number(value))

    def _hex(self, value: Value) -> Key:
        try:
            return self._ranked(value, int(text(value), 16))
        except ValueError:
            return self._ranked(value, None)

    def _ranked(self, value: Value, amount: float | None) -> Key:
        if amount is not None:
            return (0, amount, "")
        self.context.meet("sort-non-numbers")
        return (-1 if self.context.flipped("sort-non-numbers") else 1, 0.0, text(value))

    def sorted(self, rows: list[Row]) -> list[Row]:
        if self.context.flipped("sort-ties"):
            rows = [*reversed(rows)]
        seen = {
            tuple(None if (value := row.get(field)) is None else key(value) for field, key, _ in self.fields)
            for row in rows
        }
        if len(seen) < len(rows):
            self.context.meet("sort-ties")
        for field, key, descending in reversed(self.fields):
            rows = _sorted_by(rows, field, key, descending=descending)
        return rows


def _sorted_by(rows: list[Row], field: str, key: Callable[[Value], Key], *, descending: bool) -> list[Row]:
    """By one field; numbers before what is none, and missing values last, in either direction."""
    ranks: dict[int, list[tuple[Key, Row]]] = {}
    lacking: list[Row] = []
    for row in rows:
        value = row.get(field)
        if value is None:
            lacking.append(row)
        else:
            found = key(value)
            ranks.setdefault(found[0], []).append((found, row))
    done: list[Row] = []
    for rank in sorted(ranks):
        done += [row for _, row in sorted(ranks[rank], key=lambda pair: pair[0], reverse=descending)]
    return done + lacking


def _string(value: Value) -> Key:
    return (0, 0.0, text(value))


class _Table:
    def __init__(
        self,
        context: Context,
        name: str,
        order: _Order,
        limit: int,
        *,
        chosen: bool,
        fields: list[str] | None = None,
    ) -> None:
        self.context = context
        self.name = name
        self.order = order
        self.limit = limit
        self.chosen = chosen
        self.fields = fields
        self.found: list[Row] = []

    def add(self, row: Row) -> None:
        self.found.append(row)

    def rows(self) -> list[Row]:
        rows = self.order.sorted(self.found)
        if len(rows) > self.limit:
            if not self.chosen:
                self.context.warn(f"{self.name}() shows {self.limit} of {len(rows)} rows", incomplete=True)
            rows = rows[: self.limit]
        if self.fields is None:
            return rows
        return [{field: row[field] for field in self.fields if field in row} for row in rows]


class _End:
    """head() keeps the oldest events, tail() the newest (functions-head.html); rows without a time keep their order."""

    def __init__(self, limit: int, *, last: bool) -> None:
        self.limit = limit
        self.last = last
        self.found: list[Row] = []

    def add(self, row: Row) -> None:
        self.found.append(row)

    def rows(self) -> list[Row]:
        rows = _sorted_by(self.found, TIME, _time, descending=False)
        return rows[-self.limit :] if self.last else rows[: self.limit]


class _Neighbor:
    """Each event with fields of the one before it, as `prefix.field`; the first has none of them
    (examples/examples-neighbor-preceeding.html)."""

    def __init__(self, include: list[str], prefix: str) -> None:
        self.names = [(field, f"{prefix}.{field}") for field in include]
        self.found: list[Row] = []
        self.before: Row = {}

    def add(self, row: Row) -> None:
        taken = {target: self.before[field] for field, target in self.names if field in self.before}
        self.found.append({**row, **taken})
        self.before = row

    def rows(self) -> list[Row]:
        return self.found


def _time(value: Value) -> Key:
    return (0, number(value) or 0, "")
