"""Whether every hit of a staged plan meets the portable correlation of the same rule.

Other tools read the standard `correlation` section only, so it must not promise less than the plan delivers: what the
plan reports, the portable rule must find too, under Sigma's own sliding window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from polysigma.plan.expressions import Column, Comparison, Constant, conjuncts
from polysigma.plan.steps import (
    RULE_COLUMN,
    Annotate,
    Bucket,
    Chain,
    Derive,
    Group,
    Ordered,
    Previous,
    Score,
    Select,
    Sort,
    Step,
    Take,
    Where,
)

if TYPE_CHECKING:
    from polysigma.plan.steps import Measure

Counted = Literal["events", "values", "rules"]
_CARRIES_BOUND = frozenset({"sum", "max", "min"})
_NEVER_MORE_THAN_ROWS = frozenset({"count", "count_if", "distinct", "distinct_if"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """The portable correlation: at least `least` events, different values of `fields`, or of `rules`, for each `keys`.

    `ordered` rules must come in their order.
    """

    counted: Counted
    keys: tuple[str, ...]
    least: int
    fields: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    ordered: bool = False


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
    if portable.counted == "rules":
        return _implies_rules(steps, portable)
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
            case Chain() | Bucket() | Annotate() | Previous() | Derive() | Score() | Sort() | Take():
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


def _implies_rules(steps: tuple[Step, ...], portable: Threshold) -> Verdict:
    """Whether the steps imply that so many of the rules matched, as a sequence does, or a filter on their number."""
    keys: tuple[str, ...] = ()
    best = 0
    counts: set[str] = set()
    for step in steps:
        match step:
            case Ordered(by=by, orders=orders):
                keys = by
                covered = [_covered(order.rules, portable) for order in orders]
                best = max(best, min(covered))
            case Group(by=by, measures=measures):
                first, keys = not keys, by
                counts = {measure.name for measure in measures if first and _counts_rules(measure)}
            case Where(condition=condition) if not portable.ordered:
                found = [least for part in conjuncts(condition) if (least := _least(part, counts))]
                best = max([best, *(number for number, _ in found)])
            case _:
                pass
    if not set(portable.keys) <= set(keys):
        missing = ", ".join(sorted(set(portable.keys) - set(keys)))
        return Verdict(holds=False, reason=f"the hits are not told apart by {missing}, by which the correlation groups")
    order = " in their order" if portable.ordered else ""
    if best >= portable.least:
        return Verdict(holds=True, reason=f"the steps ask for {best} of the rules{order}")
    asked = f"{portable.least} of its {len(portable.rules)} rules{order}"
    return Verdict(holds=False, reason=f"the correlation asks for {asked}, the steps for {best or 'none'}")


def _covered(order: tuple[str, ...], portable: Threshold) -> int:
    """How many of the portable correlation's rules an order asks for: in their order, where that counts."""
    if not portable.ordered:
        return len(set(order) & set(portable.rules))
    # The longest common subsequence, row by row.
    row = [0] * (len(portable.rules) + 1)
    for rule in order:
        before = row
        row = [0]
        for place, other in enumerate(portable.rules, 1):
            row.append(before[place - 1] + 1 if rule == other else max(before[place], row[-1]))
    return row[-1]


def _counts_rules(measure: Measure) -> bool:
    return measure.function in {"distinct", "distinct_if"} and measure.value == Column(RULE_COLUMN)


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
