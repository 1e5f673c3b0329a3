"""Values inside of a text that holds a JSON object, as columns of their own, put in and taken out like others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from polysigma.plan.expressions import Call, Column, Constant, Expression, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polysigma.plan.steps import Plan, Source


class Opened:
    """A plan whose searches read columns where they read keys of JSON objects, and rows with and without these."""

    def __init__(self, plan: Plan) -> None:
        self._inside: dict[str, tuple[str, str]] = {}
        self.plan = replace(plan, sources=tuple(map(self._source, plan.sources)))

    def open(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with a column for each key that the plan reads and the row has."""
        found = dict(row)
        for name, (column, key) in self._inside.items():
            held = json.loads(row.get(column) or "{}")
            if key in held:
                found[name] = held[key]
        return found

    def close(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row as the platform has it; a key without a value is left out."""
        closed = {name: value for name, value in row.items() if name not in self._inside}
        for name, (column, key) in self._inside.items():
            if name in row:
                held = {**json.loads(closed.get(column) or "{}"), key: row[name]}
                closed[column] = json.dumps({one: value for one, value in held.items() if value is not None})
        return closed

    def _source(self, source: Source) -> Source:
        def opened(expressions: Iterable[Expression]) -> tuple[Expression, ...]:
            return tuple(rewrite(one, self._column) for one in expressions)

        names = [name for name, _ in source.derived]
        return replace(
            source,
            event=opened(source.event),
            derived=tuple(zip(names, opened(value for _, value in source.derived), strict=True)),
            condition=opened([source.condition])[0],
        )

    def _column(self, node: Expression) -> Expression:
        match node:
            case Call(name="json_text" | "json_integer", arguments=(Column(name=column), Constant(value=str(key)))):
                self._inside[f"{column}.{key}"] = (column, key)
                return Column(f"{column}.{key}")
            case _:
                return node
