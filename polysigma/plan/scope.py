"""Which columns there are after each step, and of which type."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from polysigma.plan.functions import MEASURES
from polysigma.plan.steps import (
    RULE_COLUMN,
    Annotate,
    Bucket,
    Chain,
    Derive,
    Group,
    Measure,
    Ordered,
    Previous,
    Score,
    Select,
    Sort,
    Step,
    Take,
    Where,
)
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, infer

if TYPE_CHECKING:
    from collections.abc import Container, Mapping


def columns_after(steps: tuple[Step, ...], columns: Mapping[str, Type]) -> dict[str, Type]:
    """The columns, with their types, of the rows that come out of `steps` when `columns` go in."""
    scope = dict(columns)
    for step in steps:
        match step:
            case Chain(branches=branches, columns=names):
                inner = [columns_after(branch.steps, scope) for branch in branches]
                scope = {name: next(each[name] for each in inner if name in each) for name in names}
                scope[RULE_COLUMN] = Type.TEXT
            case Bucket(name=name):
                scope[name] = Type.TIME
            case Group(by=by, measures=measures) | Ordered(by=by, measures=measures):
                scope = {name: scope[name] for name in by} | _measured(measures, scope)
            case Annotate(measures=measures):
                scope |= _measured(measures, scope)
            case Previous(column=column, name=name):
                scope[name] = scope[column]
            case Derive(columns=new):
                for name, expression in new:
                    scope[name] = infer(expression, Scope(scope, {})).type or Type.TEXT
            case Select(columns=names):
                scope = {name: scope[name] for name in names}
            case Score(name=name):
                scope[name] = Type.INTEGER
            case Where() | Sort() | Take():
                pass
            case _:
                assert_never(step)
    return scope


def free_name(name: str, taken: Container[str], *, join: str = "") -> str:
    """A name that is not taken: `Window`, `Window2` and so on."""
    number = 1
    while (found := f"{name}{join}{number}" if number > 1 else name) in taken:
        number += 1
    return found


def _measured(measures: tuple[Measure, ...], scope: Mapping[str, Type]) -> dict[str, Type]:
    found = {}
    for measure in measures:
        result = MEASURES[measure.function].result
        if result is None and measure.value is not None:
            result = infer(measure.value, Scope(scope, {})).type
        found[measure.name] = result or Type.TEXT
    return found
