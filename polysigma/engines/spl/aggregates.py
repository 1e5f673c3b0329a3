"""The functions of `stats`. Source: Splunk Search Reference, "Statistical and charting functions": values that are
missing are left out; `min` and `max` are of numbers where all are, else of texts in their order; `values` are distinct,
in order of text; `list` are the first hundred, in the order of rows; `stdev` is of the sample; `exactperc` and `median`
are values of the data.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TypeAlias

from polysigma.engines.spl.evaluate import evaluator
from polysigma.engines.spl.tree import Aggregate, Name
from polysigma.engines.spl.values import Row, Single, Value, number, one_or_several, several, text

Aggregator: TypeAlias = Callable[[Sequence[Row]], Value]

_LISTED = 100


def aggregator(node: Aggregate) -> Aggregator:
    """The value of a function over rows."""
    function, argument = node.function, node.argument
    if argument is None:
        return len
    value = evaluator(argument)
    if function == "count" and not isinstance(argument, Name):
        return lambda rows: sum(value(row) is True for row in rows)
    if function in {"earliest", "latest"}:
        return lambda rows: _by_time(rows, value, latest=function == "latest")

    def all_values(rows: Sequence[Row]) -> list[Single]:
        return [one for row in rows for one in several(value(row))]

    if function == "count":
        return lambda rows: len(all_values(rows))
    if function == "dc":
        return lambda rows: len({text(one) for one in all_values(rows)})
    if function == "values":
        return lambda rows: one_or_several(sorted({text(one) or "" for one in all_values(rows)}))
    if function == "list":
        return lambda rows: one_or_several([*(text(one) or "" for one in all_values(rows)[:_LISTED])])
    if function in {"min", "max"}:
        return lambda rows: _extreme(all_values(rows), last=function == "max")
    numeric = _NUMERIC[function]
    return lambda rows: numeric(found, node.percent) if (found := _numbers(all_values(rows))) else None


def _numbers(values: list[Single]) -> list[float]:
    return [found for one in values if (found := number(one)) is not None]


def _by_time(rows: Sequence[Row], value: Callable[[Row], Value], *, latest: bool) -> Value:
    best: Value = None
    best_time: float | None = None
    for row in rows:
        time, found = number(row.get("_time")), value(row)
        if time is None or found is None:
            continue
        if best_time is None or (time >= best_time if latest else time < best_time):
            best, best_time = found, time
    return best


def _extreme(values: list[Single], *, last: bool) -> Value:
    if not values:
        return None
    numbers = _numbers(values)
    pick = max if last else min
    return pick(numbers) if len(numbers) == len(values) else pick(text(one) or "" for one in values)


def _nearest(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)) - 1, 0)]


_NUMERIC: dict[str, Callable[[list[float], float | None], Value]] = {
    "sum": lambda values, _: sum(values) if all(isinstance(one, int) for one in values) else math.fsum(values),
    "avg": lambda values, _: statistics.fmean(values),
    "stdev": lambda values, _: statistics.stdev(values) if len(values) > 1 else 0.0,
    "median": lambda values, _: _nearest(values, 50),
    "exactperc": lambda values, percent: _nearest(values, percent or 0),
}
