"""Whether every hit of a staged plan meets the portable correlation of the same rule.

Other tools read the standard `correlation` section only, so it must not promise less than the plan delivers: what the
plan reports, the portable rule must find too, under Sigma's own sliding window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from polysigma.plan.expressions import Column, Comparison, Constant, conjuncts
from polysigma.plan.steps import Annotate, Bucket, Chain, Derive, Group, Ordered, Score, Select, Sort, Step, Take, Where

if TYPE_CHECKING:
    from polysigma.plan.steps import Measure

Counted = Literal["events", "values"]
_CARRIES_BOUND = frozenset({"sum", "max", "min"})
_NEVER_MORE_THAN_ROWS = frozenset({"count", "count_if", "distinct", "distinct_if"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """The portable correlation: at least `least` events, or different values of `fields`, for each `keys`."""

    counted: Counted
    keys: tuple[str, ...]
    least: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`holds` is True when shown, False when refuted or not shown; `reason` says how."""

    holds: bool
    reason: str


def implies(steps: tuple[Step, ...], portable: Threshold) -> Verdict:
    """Whether the steps imply the portable threshold, shown step by step.

    A column is a *bound* when it is never more than what the portable correlation counts for the row's keys: a count
    over keys at least as fine, or a sum, maximum or minimum of such counts (filters only take rows away). A filter
    `bound >= n` then implies the threshold for every `least <= n`.
    """
    keys: tuple[str, ...] | None = None
    bounds: set[str] = set()
    values: set[str] = set()
    best: tuple[int, str] | None = None
    for step in steps:
        match step:
            case Group(by=by, measures=measures) | Ordered(by=by, measures=measures):
                finer = keys is not None and set(portable.fields) <= set(keys)
                bounds = {measure.name for measure in measures if _is_bound(measure, bounds, first=keys is None)}
                values = {
                    measure.name
                    for measure in measures
                    if _counts_values(measure, portable.fields, values, grouped_by_values=finer)
                }
                keys = by
            case Where(condition=condition):
                known = bounds if portable.counted == "events" else values
                for part in conjuncts(condition):
                    least = _least(part, known)
                    if least is not None and (best is None or least[0] > best[0]):
                        best = least
            case Select(columns=names):
                bounds, values = bounds & set(names), values & set(names)
            case Chain() | Bucket() | Annotate() | Derive() | Score() | Sort() | Take():
                pass
            case _:
                assert_never(step)
    if keys is None or not set(portable.keys) <= set(keys):
        missing = ", ".join(sorted(set(portable.keys) - set(keys or ())))
        return Verdict(holds=False, reason=f"the hits are not told apart by {missing}, by which the correlation groups")
    what = "events" if portable.counted == "events" else f"different values of {', '.join(portable.fields)}"
    if best is None:
        return Verdict(holds=False, reason=f"no filter of the steps asks for a least number of {what}")
    if best[0] < portable.least:
        message = f"a hit can have {best[0]} {what} ({best[1]} >= {best[0]}), the correlation asks for {portable.least}"
        return Verdict(holds=False, reason=message)
    return Verdict(holds=True, reason=f"{best[1]} >= {best[0]} implies at least {portable.least} {what}")


def _is_bound(measure: Measure, bounds: set[str], *, first: bool) -> bool:
    if measure.function in _NEVER_MORE_THAN_ROWS:
        # Each row stands for at least one event, so the number of rows, or of values in them, is a bound as well.
        return True
    carried = isinstance(measure.value, Column) and measure.value.name in bounds
    return measure.function in _CARRIES_BOUND and carried and not first


def _counts_values(measure: Measure, fields: tuple[str, ...], values: set[str], *, grouped_by_values: bool) -> bool:
    if not fields:
        return False
    if measure.function in {"distinct", "distinct_if"}:
        return len(fields) == 1 and isinstance(measure.value, Column) and measure.value.name == fields[0]
    if measure.function == "count":
        return grouped_by_values
    return measure.function in {"max", "min"} and isinstance(measure.value, Column) and measure.value.name in values


def _least(part: object, known: set[str]) -> tuple[int, str] | None:
    """The least number that a filter asks of a bound, and the bound."""
    match part:
        case Comparison(operator=">=", left=Column(name=name), right=Constant(value=int() as least)) if name in known:
            return least, name
        case Comparison(operator=">", left=Column(name=name), right=Constant(value=int() as least)) if name in known:
            return least + 1, name
        case Comparison(operator="=", left=Column(name=name), right=Constant(value=int() as least)) if name in known:
            return least, name
    return None
