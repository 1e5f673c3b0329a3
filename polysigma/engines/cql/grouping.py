"""groupBy and stats: several aggregates over the same events, for each combination of some fields' values."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.cql.values import text

if TYPE_CHECKING:
    from polysigma.cql import tree
    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.measures import Aggregate, Factory
    from polysigma.engines.cql.values import Row, Value


class Stats:
    """Aggregates side by side: one combined row, or the product of what several rows they give.

    "If any of the subaggregators outputs zero rows, it is taken as outputting a single empty row"; a field that two of
    them give with different values is an error (data-analysis/functions-stats.html).
    """

    __slots__ = ("at", "parts")

    def __init__(self, factories: list[Factory], at: tree.Node) -> None:
        self.at = at
        self.parts: list[Aggregate] = [factory() for factory in factories]

    def add(self, row: Row) -> None:
        for part in self.parts:
            part.add(row)

    def rows(self) -> list[Row]:
        outputs: list[list[Row]] = [part.rows() or [{}] for part in self.parts]
        return [self._merged(rows) for rows in product(*outputs)]

    def _merged(self, rows: tuple[Row, ...]) -> Row:
        merged: Row = {}
        for row in rows:
            for name, value in row.items():
                if name in merged and text(merged[name]) != text(value):
                    raise PolysigmaError(
                        Diagnostic(
                            "cql-conflict",
                            f"two aggregates give the field {name} with different values",
                            "name their results with as=",
                            at=self.at.at,
                        )
                    )
                merged[name] = value
        return merged


class GroupBy:
    """One result for each combination of values (data-analysis/functions-groupby.html).

    Past the limit results are incomplete and counts a lower bound, which the product tells by a warning.
    """

    __slots__ = ("context", "factory", "fields", "groups", "keeps_last", "lacking", "limit", "over")

    def __init__(self, context: Context, fields: list[str], limit: int, factory: Factory) -> None:
        self.context = context
        self.fields = fields
        self.limit = limit
        self.factory = factory
        self.groups: dict[tuple[str | None, ...], tuple[list[Value | None], Aggregate]] = {}
        self.over = False
        self.lacking = context.flipped("group-missing-key")
        self.keeps_last = context.flipped("group-kept")

    def add(self, row: Row) -> None:
        values = [row.get(field) for field in self.fields]
        if None in values:
            self.context.meet("group-missing-key")
            if not self.lacking:
                return
        key = tuple([value if value is None or isinstance(value, str) else text(value) for value in values])
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= self.limit:
                self.over = True
                if not self.keeps_last:
                    return
                del self.groups[next(iter(self.groups))]
            group = self.groups[key] = (values, self.factory())
        group[1].add(row)

    def rows(self) -> list[Row]:
        if self.over:
            self.context.meet("group-kept")
            self.context.warn(
                f"groupBy() found more than {self.limit:,} groups: results are incomplete", incomplete=True
            )
        done: list[Row] = []
        for values, aggregate in self.groups.values():
            key: Row = {name: value for name, value in zip(self.fields, values, strict=True) if value is not None}
            done += [{**key, **row} for row in aggregate.rows() or [{}]]
        return done
