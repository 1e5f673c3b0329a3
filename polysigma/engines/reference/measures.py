"""Measures: values over the rows of a group. Missing values are left out; `count` counts rows.

Without any value the counts are 0 and everything else is missing, a sum and a list too.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from polysigma.engines.reference.expressions import condition, evaluator
from polysigma.engines.reference.values import Record, Value, display
from polysigma.plan.expressions import Column
from polysigma.plan.steps import TIME_COLUMN

if TYPE_CHECKING:
    from polysigma.plan.steps import Measure

Rows = Sequence[Record]


def measurer(measure: Measure) -> Callable[[Rows], Value]:
    """The value of a measure over rows. Raises ValueError for a function that is not known."""
    match measure.function:
        case "count":
            # Where a row stands for several events, lowering has made a sum of the weight of `count`.
            return len
        case "count_if":
            assert measure.condition is not None
            holds = condition(measure.condition)
            return lambda rows: sum(holds(row) for row in rows)
        case "distinct":
            values = _values(measure)
            return lambda rows: len(set(values(rows)))
        case "distinct_if":
            assert measure.condition is not None
            values, holds = _values(measure), condition(measure.condition)
            return lambda rows: len(set(values([row for row in rows if holds(row)])))
        case "first" | "last":
            return _by_time(measure)
        case function:
            summary = _SUMMARIES.get(function)
            if summary is None:
                raise ValueError(f"there is no measure {function!r}")
            values, constant = _values(measure), measure.constant
            return lambda rows: summary(found, constant) if (found := values(rows)) else None


def _values(measure: Measure) -> Callable[[Rows], list[Value]]:
    """The measured values that are not missing, in the order of the rows."""
    assert measure.value is not None
    if isinstance(measure.value, Column):
        name = measure.value.name
        return lambda rows: [found for row in rows if (found := row.get(name)) is not None]
    value = evaluator(measure.value)
    return lambda rows: [found for row in rows if (found := value(row)) is not None]


def _by_time(measure: Measure) -> Callable[[Rows], Value]:
    """The value of the earliest (latest) row that has one; of those at the same time, the first (last) that came.

    A row without a time is neither early nor late, and is left out.
    """
    assert measure.value is not None
    value, latest = evaluator(measure.value), measure.function == "last"

    def find(rows: Rows) -> Value:
        best: Value = None
        best_time: float | None = None
        for row in rows:
            time, found = row.get(TIME_COLUMN), value(row)
            if found is None or not isinstance(time, int | float):
                continue
            if best_time is None or (time >= best_time if latest else time < best_time):
                best, best_time = found, time
        return best

    return find


def _sum(values: list[float]) -> float:
    return sum(values) if all(isinstance(value, int) for value in values) else math.fsum(values)


def _stdev(values: list[float]) -> float | None:
    """Of the sample (n - 1); missing for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def _percentile(values: list[float], percent: float) -> float:
    """Exact, with linear interpolation between the two nearest values: DuckDB's quantile_cont, numpy's default."""
    ordered = sorted(values)
    place = percent / 100 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _collect(values: list[Value], limit: int) -> list[str]:
    """Different values as shown, in order of text, no more than `limit`. Lists of an earlier collect are opened."""
    shown: set[str] = set()
    for value in values:
        shown.update(value if isinstance(value, list) else [display(value)])
    return sorted(shown)[:limit]


# Each gets at least one value, none missing, and the measure's constant.
_SUMMARIES: dict[str, Callable[..., Value]] = {
    "sum": lambda values, _: _sum(values),
    "min": lambda values, _: min(values),
    "max": lambda values, _: max(values),
    "avg": lambda values, _: float(statistics.fmean(values)),
    "stdev": lambda values, _: _stdev(values),
    "median": lambda values, _: float(_percentile(values, 50)),
    "percentile": lambda values, percent: float(_percentile(values, percent)),
    "collect": _collect,
    "any_value": lambda values, _: values[0],
}
