"""What printers ask of a plan: which columns are read, what they are made of, and which filter is cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import (
    And,
    Column,
    Comparison,
    Constant,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Or,
    Regex,
    Scalar,
    TextMatch,
    columns,
    walk,
)
from polysigma.plan.steps import (
    TIME_COLUMN,
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
    from collections.abc import Mapping


def closure(names: set[str], derived: Mapping[str, Expression]) -> set[str]:
    """The derived columns among `names`, and those that they are made of."""
    found: set[str] = set()
    queue = [name for name in names if name in derived]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += [column for column in columns(derived[name]) if column in derived]
    return found


def cost(part: Expression) -> int:
    """The order of filters: plain comparisons, lists, networks, then what needs a regular expression."""
    return max(_COSTS.get(type(node), 0) for node in walk(part))


_COSTS: dict[type, int] = {Comparison: 1, In: 2, InNetwork: 3, TextMatch: 4, Regex: 5}


def implied(part: Expression) -> dict[str, tuple[Scalar, ...]]:
    """For columns of numbers the values of which a filter needs one, whichever of its alternatives holds."""
    match part:
        case Comparison(operator="=", left=Column(name=column), right=Constant(value=int() as number)):
            return {} if isinstance(number, bool) else {column: (number,)}
        case In(item=Column(name=column), choices=ListLiteral(items=items)) if not any(
            isinstance(item, str | bool) for item in items
        ):
            return {column: items}
        case And(items=items):
            found: dict[str, tuple[Scalar, ...]] = {}
            for item in items:
                found = implied(item) | found
            return found
        case Or(items=items):
            first, *others = (implied(item) for item in items)
            for other in others:
                first = {
                    column: tuple(dict.fromkeys((*first[column], *other[column])))
                    for column in first
                    if column in other
                }
            return first
        case _:
            return {}


def columns_read(steps: tuple[Step, ...]) -> set[str]:
    """The columns that steps read of the events: all that they name up to the first group, which leaves no others."""
    found: set[str] = set()
    for step in steps:
        match step:
            case Chain(branches=branches, columns=names):
                for branch in branches:
                    made = {name for inner in branch.steps if isinstance(inner, Derive) for name, _ in inner.columns}
                    grouped = any(isinstance(inner, Group | Ordered) for inner in branch.steps)
                    found |= columns_read(branch.steps) | (set() if grouped else set(names) - made)
                return found
            case (
                Group(by=by, measures=measures) | Ordered(by=by, measures=measures) | Annotate(by=by, measures=measures)
            ):
                found |= set(by)
                for measure in measures:
                    for part in (measure.value, measure.condition):
                        found |= set(columns(part)) if part is not None else set()
                    found |= {TIME_COLUMN} if measure.function in {"first", "last"} else set()
                if isinstance(step, Group):
                    return found
            case Where(condition=condition):
                found |= set(columns(condition))
            case Derive(columns=items):
                found |= {column for _, expression in items for column in columns(expression)}
            case Score(cases=cases):
                found |= {column for _, condition in cases for column in columns(condition)}
            case Previous(by=by, column=value):
                found |= {*by, value}
            case Select(columns=names):
                found |= set(names)
            case Bucket():
                found.add(TIME_COLUMN)
            case Sort(columns=order):
                found |= {name for name, _ in order}
            case Take():
                pass
            case _:
                assert_never(step)
    return found


def calculated(steps: tuple[Step, ...]) -> set[str]:
    """The columns whose values steps work with; keys of groups, which are only told apart, are left out."""
    found: set[str] = set()
    for step in steps:
        match step:
            case Chain(branches=branches):
                found |= {column for branch in branches for column in calculated(branch.steps)}
            case Group(measures=measures) | Ordered(measures=measures) | Annotate(measures=measures):
                for measure in measures:
                    for part in (measure.value, measure.condition):
                        found |= set(columns(part)) if part is not None else set()
            case Where(condition=condition):
                found |= set(columns(condition))
            case Derive(columns=items):
                found |= {column for _, expression in items for column in columns(expression)}
            case Score(cases=cases):
                found |= {column for _, condition in cases for column in columns(condition)}
            case Previous(column=value):
                found.add(value)
            case Bucket() | Select() | Sort() | Take():
                pass
            case _:
                assert_never(step)
    return found
