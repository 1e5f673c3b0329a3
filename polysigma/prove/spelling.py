"""Steps and expressions in words, for people who look for the one that went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import (
    And,
    Arithmetic,
    Call,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    In,
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Or,
    Parameter,
    Regex,
    TextMatch,
    Wildcard,
)
from polysigma.plan.steps import (
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
    Take,
    Where,
)

if TYPE_CHECKING:
    from polysigma.plan.expressions import Expression
    from polysigma.plan.steps import Step

LENGTH = 90


def spell_step(step: Step) -> str:
    """A step in one line, cut where it is long."""
    return shorten(_step(step))


def shorten(text: str, length: int = LENGTH) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= length else text[: length - 3] + "..."


def _step(step: Step) -> str:
    match step:
        case Bucket(name=name, seconds=seconds):
            return f"bucket {name}: {format_duration(seconds)}"
        case Group(by=by):
            return f"group by {', '.join(by)}"
        case Chain(branches=branches):
            return f"chain over {', '.join(branch.rule for branch in branches)}"
        case Ordered(by=by, orders=orders):
            return f"sequence by {', '.join(by)}: {' or '.join(' then '.join(order.rules) for order in orders)}"
        case Annotate(by=by):
            return f"annotate by {', '.join(by)}"
        case Previous(by=by, column=column):
            return f"previous {column} by {', '.join(by)}"
        case Where(condition=condition):
            return f"where {spell(condition)}"
        case Derive(columns=columns):
            return f"derive {', '.join(name for name, _ in columns)}"
        case Select(columns=names):
            return f"select {', '.join(names)}"
        case Score(name=name):
            return f"score {name}"
        case Sort(columns=columns):
            return f"sort {', '.join(name for name, _ in columns)}"
        case Take(count=count):
            return f"take {count}"
        case _:
            assert_never(step)


def spell(node: Expression) -> str:
    """An expression as a rule would write it, near enough to find it there."""
    match node:
        case Column(name=name):
            return name
        case Parameter(name=name):
            return f":{name}"
        case Constant(value=value):
            return f"'{value}'" if isinstance(value, str) else str(value).lower()
        case ListLiteral(items=items):
            return "[" + ", ".join(str(item) for item in items) + "]"
        case Arithmetic(operator=sign, left=left, right=right) | Comparison(operator=sign, left=left, right=right):
            return f"{spell(left)} {sign} {spell(right)}"
        case And(items=items):
            return " and ".join(_inside(item) for item in items)
        case Or(items=items):
            return " or ".join(_inside(item) for item in items)
        case Not(item=item):
            return f"not {_inside(item)}"
        case Lookup(name=name):
            return f"the lookup {name}"
        case In(item=item, choices=choices):
            return f"{spell(item)} in {spell(choices)}"
        case TextMatch(item=item, parts=parts):
            return f"{spell(item)} like '{''.join(_part(part) for part in parts)}'"
        case Regex(item=item, pattern=pattern):
            return f"{spell(item)} matches /{pattern}/"
        case InNetwork(item=item, networks=networks):
            return f"{spell(item)} in {', '.join(networks)}"
        case Exists(item=item):
            return f"{spell(item)} is not null"
        case Call(name=name, arguments=arguments):
            return f"{name}({', '.join(spell(argument) for argument in arguments)})"
        case Case(branches=branches, otherwise=otherwise):
            tried = ", ".join(f"{spell(test)}: {spell(value)}" for test, value in branches)
            return f"if({tried}, else {spell(otherwise)})"
        case _:
            assert_never(node)


def _part(part: str | Wildcard) -> str:
    return part if isinstance(part, str) else "*" if part is Wildcard.ANY else "?"


def _inside(node: Expression) -> str:
    text = spell(node)
    return f"({text})" if isinstance(node, And | Or | Not) else text
