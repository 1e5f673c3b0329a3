"""Arrays of single values: fields called `name[0]`, `name[1]` and so on."""

from __future__ import annotations

import re
from itertools import count, takewhile
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.engines.cql.arguments import Arguments
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.expressions import evaluator

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.measures import Factory
    from polysigma.engines.cql.values import Row


def appended(context: Context, call: tree.Call) -> Callable[[Row], bool]:
    """array:append(): values at the end of an array, which is made if it is not there.

    "The function will start inserting new values at the first missing index"; an expression without a value is skipped
    (data-analysis/functions-array-append.html).
    """
    arguments = Arguments(call, "array values")
    array = arguments.text("array")
    if re.fullmatch(r"[^\[\]]+\[\]", array) is None:
        refuse(arguments.node("array"), "an array of single values is written name[]")
    name = array.removesuffix("[]")
    node = arguments.node("values")
    items = node.items if isinstance(node, tree.Array) else (node,)
    # They are expressions, in which a bare word is a field.
    named = (tree.Field(item.at, item.value) if isinstance(item, tree.Bare) else item for item in items)
    values = [evaluator(context, item) for item in named]

    def run(row: Row) -> bool:
        place = _length(row, name)
        for value in values:
            found = value(row)
            if found is not None:
                row[f"{name}[{place}]"] = found
                place += 1
        return True

    return run


def split(call: tree.Call) -> Factory:
    """split(): an event of each value of an array, under the array's name, with its place in `_index`.

    Source: data-analysis/functions-split.html, its example of an array of numbers. What becomes of an event without
    the array it does not say; and only arrays of single values are implemented.
    """
    name = Arguments(call, "field").field("field", "_events")
    return lambda: _Split(name, call)


class _Split:
    """Gathers events, as an aggregate does, since one of them can become several."""

    __slots__ = ("at", "found", "name")

    def __init__(self, name: str, at: tree.Node) -> None:
        self.name = name
        self.at = at
        self.found: list[Row] = []

    def add(self, row: Row) -> None:
        length = _length(row, self.name)
        if not length or any(field.startswith(f"{self.name}[0].") for field in row):
            refuse(self.at, f"split() of an event without an array of single values {self.name}[] is not implemented")
        elements = {f"{self.name}[{place}]" for place in range(length)}
        rest = {field: value for field, value in row.items() if field not in elements}
        for place in range(length):
            made = {**rest, self.name: row[f"{self.name}[{place}]"], "_index": place}
            if "@id" in rest:
                made["@id"] = f"{rest['@id']}__{place}"
            self.found.append(made)

    def rows(self) -> list[Row]:
        return self.found


def _length(row: Row, name: str) -> int:
    """The number of values up to the first gap."""
    return sum(1 for _ in takewhile(lambda place: f"{name}[{place}]" in row, count()))
