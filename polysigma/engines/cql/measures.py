"""Aggregates that give one row, or one row for each value: count, sum, collect, selectLast and their like.

Each is made anew for every group, is shown its events one by one, and gives its rows at the end; none for no value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.values import normal, number, text

if TYPE_CHECKING:
    from polysigma.cql import tree
    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Row, Value

TIME = "@timestamp"


class Aggregate(Protocol):
    """What is shown events, and gives rows at the end."""

    def add(self, row: Row) -> None:
        """Looks at an event; it may keep the row, which is not changed afterwards."""

    def rows(self) -> list[Row]:
        """The rows of the result."""


Factory = Callable[[], Aggregate]


def measure(context: Context, call: tree.Call) -> Factory | None:
    """How the aggregate of a call is made, or None if its function is none of these."""
    match function_name(call):
        case "count":
            return _count(context, call)
        case "sum":
            arguments = Arguments(call, "field as")
            field, target = arguments.field("field"), arguments.text("as", "_sum")
            return lambda: _Sum(context, field, target)
        case "min" | "max" as name:
            arguments = Arguments(call, "field as")
            field, target = arguments.field("field"), arguments.text("as", f"_{name}")
            return lambda: _Extreme(field, target, sign=1 if name == "max" else -1)
        case "avg":
            arguments = Arguments(call, "field as")
            field, target = arguments.field("field"), arguments.text("as", "_avg")
            return lambda: _Average(field, target)
        case "stdDev":
            arguments = Arguments(call, "field as")
            field, target = arguments.field("field"), arguments.text("as", "_stddev")
            return lambda: _Deviation(context, field, target)
        case "percentile":
            return _percentile(context, call)
        case "collect":
            return _collect(context, call)
        case "selectLast":
            fields = Arguments(call, "fields").fields("fields")
            return lambda: _SelectLast(context, fields)
        case "selectFromMin" | "selectFromMax" as name:
            arguments = Arguments(call, "field include")
            field, include = arguments.field("field"), arguments.fields("include")
            return lambda: _SelectFrom(context, field, include, sign=1 if name == "selectFromMax" else -1)
        case _:
            return None


def _count(context: Context, call: tree.Call) -> Factory:
    """Events; with a field, those that have it (data-analysis/functions-count.html)."""
    arguments = Arguments(call, "field distinct as")
    target = arguments.text("as", "_count")
    field = arguments.field("field") if "field" in arguments else None
    if arguments.flag("distinct", default=False):
        if field is None:
            refuse(call, "count(distinct=true) needs a field")
        context.compiled.add("distinct-exact")
        return lambda: _Distinct(field, target)
    return lambda: _Count(field, target)


class _Count:
    __slots__ = ("count", "field", "target")

    def __init__(self, field: str | None, target: str) -> None:
        self.field = field
        self.target = target
        self.count = 0

    def add(self, row: Row) -> None:
        if self.field is None or self.field in row:
            self.count += 1

    def rows(self) -> list[Row]:
        return [{self.target: self.count}]


class _Distinct:
    __slots__ = ("field", "found", "target")

    def __init__(self, field: str, target: str) -> None:
        self.field = field
        self.target = target
        self.found: set[str] = set()

    def add(self, row: Row) -> None:
        value = row.get(self.field)
        if value is not None:
            self.found.add(text(value))

    def rows(self) -> list[Row]:
        return [{self.target: len(self.found)}]


class _Sum:
    """Of the values that are numbers (data-analysis/functions-sum.html)."""

    __slots__ = ("context", "field", "none", "target", "total")

    def __init__(self, context: Context, field: str, target: str) -> None:
        self.context = context
        self.field = field
        self.target = target
        self.total: int | float = 0
        self.none = True

    def add(self, row: Row) -> None:
        amount = number(row.get(self.field))
        if amount is not None:
            self.total += amount
            self.none = False

    def rows(self) -> list[Row]:
        if self.none:
            self.context.meet("sum-of-none")
            if self.context.flipped("sum-of-none"):
                return []
        return _row(self.target, normal(self.total))


def _row(target: str, value: Value | None) -> list[Row]:
    return [] if value is None else [{target: value}]


class _Extreme:
    """The greatest or least number (data-analysis/functions-max.html)."""

    __slots__ = ("best", "field", "sign", "target")

    def __init__(self, field: str, target: str, *, sign: int) -> None:
        self.field = field
        self.target = target
        self.sign = sign
        self.best: int | float | None = None

    def add(self, row: Row) -> None:
        amount = number(row.get(self.field))
        if amount is not None and (self.best is None or (amount - self.best) * self.sign > 0):
            self.best = amount

    def rows(self) -> list[Row]:
        return _row(self.target, self.best)


class _Average:
    """The mean; no row where there is no number (data-analysis/functions-stats.html, second example)."""

    __slots__ = ("count", "field", "target", "total")

    def __init__(self, field: str, target: str) -> None:
        self.field = field
        self.target = target
        self.total: float = 0
        self.count = 0

    def add(self, row: Row) -> None:
        amount = number(row.get(self.field))
        if amount is not None:
            self.total += amount
            self.count += 1

    def rows(self) -> list[Row]:
        return _row(self.target, normal(self.total / self.count)) if self.count else []


class _Deviation:
    __slots__ = ("context", "count", "field", "mean", "squares", "target")

    def __init__(self, context: Context, field: str, target: str) -> None:
        self.context = context
        self.field = field
        self.target = target
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def add(self, row: Row) -> None:
        amount = number(row.get(self.field))
        if amount is None:
            return
        # Welford's method, which does not lose small deviations of great numbers.
        self.count += 1
        distance = amount - self.mean
        self.mean += distance / self.count
        self.squares += distance * (amount - self.mean)

    def rows(self) -> list[Row]:
        if not self.count:
            return []
        self.context.meet("stddev-sample")
        divisor = self.count if self.context.flipped("stddev-sample") else self.count - 1
        return _row(self.target, normal(math.sqrt(self.squares / divisor))) if divisor else []


def _percentile(context: Context, call: tree.Call) -> Factory:
    """`<as>_<percent>` for each (data-analysis/functions-percentile.html)."""
    arguments = Arguments(call, "field percentiles as accuracy")
    field, prefix = arguments.field("field"), arguments.text("as", "")
    percents = arguments.texts("percentiles") if "percentiles" in arguments else ["50", "75", "99"]
    wanted = [(f"{prefix}_{percent}", number(percent)) for percent in percents]
    if any(percent is None or not 0 <= percent <= 100 for _, percent in wanted):
        refuse(call, "percentiles are numbers from 0 to 100")
    return lambda: _Percentile(context, field, [(name, percent or 0) for name, percent in wanted])


class _Percentile:
    __slots__ = ("context", "field", "found", "wanted")

    def __init__(self, context: Context, field: str, wanted: list[tuple[str, int | float]]) -> None:
        self.context = context
        self.field = field
        self.wanted = wanted
        self.found: list[int | float] = []

    def add(self, row: Row) -> None:
        amount = number(row.get(self.field))
        if amount is not None:
            self.found.append(amount)

    def rows(self) -> list[Row]:
        if not self.found:
            return []
        ordered = sorted(self.found)
        if len(ordered) > 1:
            self.context.meet("percentile-rank")
        up = self.context.flipped("percentile-rank")
        row: Row = {}
        for name, percent in self.wanted:
            place = percent / 100 * (len(ordered) - 1)
            row[name] = ordered[math.ceil(place) if up else math.floor(place)]
        return [row]


def _collect(context: Context, call: tree.Call) -> Factory:
    """Different values, joined; past the limit partial results and a warning (data-analysis/functions-collect.html).

    A value that an earlier collect() joined counts as one. What is collected of several fields with multival=false is
    not implemented.
    """
    arguments = Arguments(call, "fields limit separator multival")
    fields = arguments.fields("fields")
    limit, _ = arguments.limit("limit", 2000)
    separator = arguments.text("separator", "\n")
    joined = arguments.flag("multival", default=True)
    if not joined and len(fields) > 1:
        refuse(call, "collect(multival=false) of several fields is not implemented")
    if TIME in fields:
        refuse(call, "collect() of @timestamp is documented as not working", "copy it to another field first")
    return lambda: _Collect(context, fields, limit, separator if joined else None)


class _Collect:
    __slots__ = ("context", "found", "limit", "separator")

    def __init__(self, context: Context, fields: list[str], limit: int, separator: str | None) -> None:
        self.context = context
        self.limit = limit
        self.separator = separator
        self.found: list[tuple[str, dict[str, None]]] = [(field, {}) for field in fields]

    def add(self, row: Row) -> None:
        for field, values in self.found:
            value = row.get(field)
            if value is None:
                continue
            if value == "":
                self.context.meet("collect-empty")
                if self.context.flipped("collect-empty"):
                    continue
            values[value if isinstance(value, str) else text(value)] = None

    def rows(self) -> list[Row]:
        row: Row = {}
        for field, values in self.found:
            kept = list(values)
            if len(kept) > 1:
                self.context.meet("collect-order")
                if self.context.flipped("collect-order"):
                    kept.reverse()
            if len(kept) > self.limit:
                self.context.warn(f"collect({field}) holds only some of the values: more than {self.limit} were found")
                kept = kept[: self.limit]
            if self.separator is None:
                return [{field: value} for value in kept]
            if kept:
                row[field] = self.separator.join(kept)
        return [row]


class _SelectLast:
    """For each field the value of the most recent event that has it (data-analysis/functions-selectlast.html)."""

    __slots__ = ("context", "fields", "found", "keeps_first")

    def __init__(self, context: Context, fields: list[str]) -> None:
        self.context = context
        self.fields = fields
        self.keeps_first = context.flipped("select-last-order")
        self.found: dict[str, tuple[float, Value]] = {}

    def add(self, row: Row) -> None:
        time: float | None = None
        for field in self.fields:
            value = row.get(field)
            if value is None:
                continue
            if time is None:
                stamp = number(row.get(TIME))
                time = -math.inf if stamp is None else stamp
            best = self.found.get(field)
            if best is not None:
                if time < best[0]:
                    continue
                if time == best[0] and value != best[1]:
                    self.context.meet("select-last-order")
                    if self.keeps_first:
                        continue
            self.found[field] = (time, value)

    def rows(self) -> list[Row]:
        return [{field: value for field, (_, value) in self.found.items()}]


class _SelectFrom:
    """Fields of the event with the greatest or least number (data-analysis/functions-selectfrommax.html)."""

    __slots__ = ("best", "context", "field", "include", "row", "sign")

    def __init__(self, context: Context, field: str, include: list[str], *, sign: int) -> None:
        self.context = context
        self.field = field
        self.include = include
        self.sign = sign
        self.best: int | float | None = None
        self.row: Row = {}

    def add(self, row: Row) -> None:
        amount = number(row.get(self.field))
        if amount is None:
            return
        if self.best is not None:
            ahead = (amount - self.best) * self.sign
            if ahead < 0:
                return
            if ahead == 0:
                self.context.meet("select-from-ties")
                if not self.context.flipped("select-from-ties"):
                    return
        self.best = amount
        self.row = {name: row[name] for name in self.include if name in row}

    def rows(self) -> list[Row]:
        return [] if self.best is None else [self.row]
