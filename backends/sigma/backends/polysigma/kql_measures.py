"""Measures as KQL's aggregate functions.

KQL facts this rests on (learn.microsoft.com/kusto/query, pages of the functions and "Null values"): aggregates leave
nulls out, but an empty string is a value to them; over nothing `sum` is 0, `avg` NaN and `stdev` 0; `dcount` is an
estimate, `count_distinct` is not; `make_set` opens arrays; `arg_max` passes over rows where what it maximises is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polysigma.plan.expressions import Case, Column, Constant, Exists, Expression
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .kql_text import name, value

if TYPE_CHECKING:
    from polysigma.plan.steps import Measure

    from .kql_expressions import Expressions


@dataclass(frozen=True, slots=True)
class Printed:
    """A measure: its assignment, columns that must be there before, and whether it can be missing."""

    text: str
    before: tuple[tuple[str, str], ...] = ()
    there: bool = False


def measure(item: Measure, expressions: Expressions, time: str) -> Printed:
    """A measure of `summarize`; `time` is the column of an event's time."""
    function, target = item.function, name(item.name)
    if function == "count":
        return Printed(f"{target} = count()", there=True)
    if function == "count_if":
        assert item.condition is not None
        return Printed(f"{target} = countif({expressions.condition(item.condition)})", there=True)
    assert item.value is not None
    subject, there = expressions.value(item.value), expressions.is_there(item.value)
    exists = expressions.condition(Exists(item.value))
    match function:
        case "distinct" | "distinct_if":
            conditions = [expressions.condition(item.condition)] if item.condition is not None else []
            is_text = expressions.type_of(item.value) in {Type.TEXT, Type.ADDRESS}
            conditions += [exists] if is_text and not there else []
            if not conditions:
                return Printed(f"{target} = count_distinct({subject})", there=True)
            joined = " and ".join(f"({text})" if " or " in text else text for text in conditions)
            return Printed(f"{target} = count_distinctif({subject}, {joined})", there=True)
        case "sum":
            return _sum(target, item.value, expressions)
        case "min" | "max":
            return Printed(f"{target} = {function}({subject})", there=there)
        case "avg":
            body = f"avg({subject})"
            return Printed(f"{target} = {body if there else _guarded(exists, 1, body)}", there=there)
        case "stdev":
            return Printed(f"{target} = {_guarded(exists, 2, f'stdev({subject})')}")
        case "median" | "percentile":
            percent = 50 if function == "median" else item.constant
            assert percent is not None
            return Printed(f"{target} = percentile({subject}, {value(percent)})", there=there)
        case "collect":
            assert item.constant is not None
            is_list = expressions.type_of(item.value) is Type.LIST
            if there or is_list or not _is_text(item.value, expressions):
                return Printed(f"{target} = make_set({subject}, {value(item.constant)})", there=True)
            return Printed(f"{target} = make_set_if({subject}, {exists}, {value(item.constant)})", there=True)
        case "any_value":
            return Printed(
                f"{target} = take_any({subject})" if there else f"{target} = take_anyif({subject}, {exists})",
                there=there,
            )
        case "first" | "last":
            return _by_time(item, expressions, time)
        case _:
            raise unsupported(RefusalCode.STEP, f"the measure {function} has no counterpart in KQL")


def _is_text(node: Expression, expressions: Expressions) -> bool:
    return expressions.type_of(node) in {Type.TEXT, Type.ADDRESS}


def _guarded(exists: str, least: int, body: str) -> str:
    return f"iff(countif({exists}) >= {least}, {body}, real(null))"


def _sum(target: str, node: Expression, expressions: Expressions) -> Printed:
    match node:
        case Case(branches=((condition, inner),), otherwise=Constant(value=0)) if expressions.is_there(inner):
            # What lowering makes of count_if where a row stands for several events.
            return Printed(
                f"{target} = sumif({expressions.value(inner)}, {expressions.condition(condition)})", there=True
            )
    body = f"sum({expressions.value(node)})"
    if expressions.is_there(node):
        return Printed(f"{target} = {body}", there=True)
    exists = expressions.condition(Exists(node))
    null = expressions.null(expressions.type_of(node))
    return Printed(f"{target} = iff(countif({exists}) > 0, {body}, {null})")


def _by_time(item: Measure, expressions: Expressions, time: str) -> Printed:
    """The value of the earliest or latest row that has one, told by a column of times of such rows.

    Value and time are columns of the names that they keep: `arg_max` names what it gives by what it is given.
    """
    assert item.value is not None
    function = "arg_max" if item.function == "last" else "arg_min"
    when = f"{item.name}Time"
    exists = expressions.condition(Exists(item.value))
    stamped = name(time) if expressions.is_there(item.value) else f"iff({exists}, {name(time)}, datetime(null))"
    before = [(when, stamped)]
    if item.value != Column(item.name):
        before.append((item.name, expressions.value(item.value)))
    names = f"{name(when)}, {name(item.name)}"
    return Printed(f"({names}) = {function}({names})", tuple(before))
