"""A sequence as groups: how a language says it that cannot look from one row back to others.

For each rule of an order the earliest time is found at which it can come behind the rules before it, and, from the
other end, the latest at which it can come before the rules behind it. Where the two meet, the order was kept if the one
is not later than the other. So two rules take one group, and every further two take one annotation before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polysigma.plan.expressions import (
    NULL,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    Expression,
    In,
    ListLiteral,
    conjunction,
    disjunction,
)
from polysigma.plan.steps import (
    END_COLUMN,
    RULE_COLUMN,
    TIME_COLUMN,
    Annotate,
    Chain,
    Group,
    Measure,
    Ordered,
    Step,
    Where,
    is_rule,
)
from polysigma.refusals import RefusalCode

from .errors import unsupported

if TYPE_CHECKING:
    from polysigma.plan.steps import Order

_AGAIN = {"count": "sum", "count_if": "sum"} | {
    function: function for function in ("sum", "min", "max", "any_value", "collect", "first", "last")
}
"""The measure over groups that gives what a measure over their rows gives."""


def without_sequences(steps: tuple[Step, ...], *, grouped_first: bool = False) -> tuple[Step, ...]:
    """The steps with every sequence said by others.

    `grouped_first` is for a language that annotates only groups. Raises SigmaFeatureNotSupportedByBackendError for a
    measure that cannot be taken of groups, where it would have to be.
    """
    done: list[Step] = []
    for step in steps:
        match step:
            case Ordered():
                done += _expanded(step, grouped_first=grouped_first)
            case Chain(branches=branches):
                inner = (
                    replace(branch, steps=without_sequences(branch.steps, grouped_first=grouped_first))
                    for branch in branches
                )
                done.append(replace(step, branches=tuple(inner)))
            case _:
                done.append(step)
    return tuple(done)


def _expanded(step: Ordered, *, grouped_first: bool) -> list[Step]:
    several = len(step.orders) > 1
    orders = [_order(order, step, f"Order{number}" if several else "") for number, order in enumerate(step.orders, 1)]
    most = max(len(order.passes) for order in orders)
    *early, last = [tuple(measure for order in orders for measure in order.made(place - most)) for place in range(most)]
    measures = step.measures
    done: list[Step] = []
    if early and grouped_first:
        times = (TIME_COLUMN, END_COLUMN) if step.spans else (TIME_COLUMN,)
        done.append(Group((*step.by, RULE_COLUMN, *times), measures, at=step.at))
        measures = tuple(_again(measure) for measure in measures)
    done += [Annotate(step.by, made, at=step.at) for made in early]
    # What was annotated is the same on every row of a key.
    kept = tuple(Measure(order.until, "max", Column(order.until)) for order in orders if order.annotated)
    absent = tuple(order.absent for order in orders if order.absent)
    done.append(Group(step.by, (*measures, *last, *kept, *absent), at=step.at))
    done.append(Where(disjunction(*(order.condition for order in orders)), at=step.at))
    return done


def _again(measure: Measure) -> Measure:
    if measure.function not in _AGAIN:
        raise unsupported(RefusalCode.STEP, f"{measure.name}: {measure.function} in a sequence of more than two rules")
    return replace(measure, function=_AGAIN[measure.function], value=Column(measure.name), condition=None)


@dataclass(frozen=True, slots=True)
class _Passes:
    """An order as measures, pass by pass, and what must hold of them in the end."""

    passes: tuple[tuple[Measure, ...], ...]
    condition: Expression
    until: str
    """The last of the latest times."""
    annotated: bool
    """Whether it comes from the pass before the last."""
    absent: Measure | None

    def made(self, place: int) -> tuple[Measure, ...]:
        """The measures of a pass, counted from the last, which is -1."""
        return self.passes[place] if -place <= len(self.passes) else ()


def _order(order: Order, step: Ordered, prefix: str) -> _Passes:
    taken = {*step.by, *(measure.name for measure in step.measures)}

    def name(text: str) -> str:
        while text in taken:
            text += "_"
        return text

    start, end = Column(TIME_COLUMN), Column(END_COLUMN if step.spans else TIME_COLUMN)
    rules, first, last = order.rules, 0, len(order.rules) - 1
    earliest = name(f"{prefix}From{first + 1}")
    latest = name(f"{prefix}Until{last + 1}")
    passes = [[Measure(earliest, "min", _where(is_rule(rules[first]), start))]]
    if last:
        passes[0].append(Measure(latest, "max", _where(is_rule(rules[last]), end)))
    annotated = False
    while last - first > 1:
        first += 1
        after = Comparison(">=", end, Column(earliest))
        value = Case(((Comparison(">=", start, Column(earliest)), start),), Column(earliest)) if step.spans else start
        earliest = name(f"{prefix}From{first + 1}")
        passes.append([Measure(earliest, "min", _where(conjunction(is_rule(rules[first]), after), value))])
        annotated = last - first == 1
        if not annotated:
            last -= 1
            before = Comparison("<=", start, Column(latest))
            value = Case(((Comparison("<=", end, Column(latest)), end),), Column(latest)) if step.spans else end
            latest = name(f"{prefix}Until{last + 1}")
            passes[-1].append(Measure(latest, "max", _where(conjunction(is_rule(rules[last]), before), value)))
    met: Expression = Comparison("<=", Column(earliest), Column(latest)) if last else Exists(Column(earliest))
    absent = None
    if order.without:
        none = In(Column(RULE_COLUMN), ListLiteral(order.without), cased=True)
        absent = Measure(name(f"{prefix}Unwanted"), "count_if", condition=none)
        met = conjunction(met, Comparison("=", Column(absent.name), Constant(0)))
    return _Passes(tuple(tuple(one) for one in passes), met, latest, annotated, absent)


def _where(condition: Expression, value: Expression) -> Expression:
    return Case(((condition, value),), NULL)
