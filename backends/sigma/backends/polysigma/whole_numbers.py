"""Sums and products of recorded whole numbers, which no language holds in any size, and what each makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polysigma.fidelity import approximately
from polysigma.plan.expressions import Arithmetic, Case, Column, Constant, children, columns, walk
from polysigma.plan.scope import columns_after
from polysigma.plan.steps import Annotate, Chain, Derive, Group, Ordered, Previous, Score, Where
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, infer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polysigma.fidelity import Loss
    from polysigma.plan.expressions import Expression
    from polysigma.plan.steps import Step

_WHOLE = Type.INTEGER
_DOUBLE = 2**53
_LONG = 2**63 - 1
_ROUNDED = f"can be rounded beyond {_DOUBLE:,} (2^53), where a double holds no more digits"
_ERROR = f"ends the query with an error beyond {_LONG:,} (2^63)"
BEYOND = {
    # help.splunk.com, "eval command: Usage": in calculations numbers are doubles.
    "spl": (_DOUBLE, _ROUNDED),
    # library.humio.com, "Number": whole or with decimal places, of 64 bits, as the context has it. It does not say when
    # a sum becomes which, so the lesser of both bounds holds.
    "logscale": (_DOUBLE, _ROUNDED),
    # learn.microsoft.com/kusto/concepts/overflow: 64 bits, beyond which there is usually a partial query failure.
    "kql": (_LONG, _ERROR),
    # duckdb.org/docs/stable/sql/data_types/numeric: operations raise an out-of-range error; a sum is 128 bits wide, but
    # is cast to BIGINT in what is printed.
    "duckdb": (_LONG, _ERROR),
    # spark.apache.org/docs/latest/sql-ref-ansi-compliance.html, and docs.databricks.com, "sum": an error, or the result
    # wraps around. ANSI mode is the default from Spark 4.0 on.
    "spark": (
        _LONG,
        f"{_ERROR}; it wraps around there where spark.sql.ansi.enabled is false, as before Spark 4",
    ),
}
"""The greatest number that every calculation keeps, and what becomes of greater ones, by target or dialect."""

_PORTS = frozenset({"DestPort", "DestinationPort", "IpPort", "SourcePort", "dst_port", "src_port"})
_PORT = 65_535
"""RFC 9293 and RFC 768: a port has 16 bits."""
_ROWS = 10**11
"""No window holds more: it is a million events a second for a day. So the sum of a column of ports always has room."""


@dataclass(slots=True)
class _Numbers:
    """What is known of the columns at a step."""

    most: dict[str, int]
    """The greatest value of each whole number that is recorded, or calculated of such."""
    totals: set[str] = field(default_factory=set)
    """Sums over the rows of a group: summed up over groups, they are not more than the sum over all rows."""


def losses(steps: tuple[Step, ...], fields: Mapping[str, Type], language: str) -> tuple[Loss, ...]:
    """What is lost of numbers that are calculated of recorded whole numbers; `fields` are the columns of the events.

    Counts alone are no such numbers: their squares reach 2^53 where a key has 94 million events.
    """
    if language not in BEYOND:
        return ()
    room, reason = BEYOND[language]
    inner = [branch for step in steps if isinstance(step, Chain) for branch in step.branches]
    within = tuple(loss for branch in inner for loss in losses(branch.steps, fields, language))
    numbers = _Numbers({name: _PORT if name in _PORTS else _LONG for name, kind in fields.items() if kind is _WHOLE})
    found: dict[str, None] = {}
    for index, step in enumerate(steps):
        # A derived column may be made of those before it in its step; measures know nothing of each other.
        derived = isinstance(step, Derive)
        scope = Scope(columns_after(steps[: index + derived], fields), {})
        made = numbers if derived else _Numbers({})
        for name, expression, summed in _calculated(step):
            named = set(columns(expression))
            recorded = sorted(named & numbers.most.keys())
            if not recorded:
                continue
            most = _greatest(expression, numbers.most)
            if summed and not named & numbers.totals:
                most *= _ROWS
            over = summed and most > room and infer(expression, scope).type is _WHOLE
            if over or any(_overflows(node, numbers.most, room, scope) for node in walk(expression)):
                found[f"a number calculated of {', '.join(recorded)}"] = None
            if name:
                made.most[name] = most
                of_totals = named & numbers.totals
                if (of_totals and isinstance(step, Derive | Group)) or (summed and isinstance(step, Group)):
                    made.totals.add(name)
        if isinstance(step, Group | Ordered):
            numbers.most = {name: most for name, most in numbers.most.items() if name in step.by}
            numbers.totals &= set(step.by)
        numbers.most |= made.most
        numbers.totals |= made.totals
    why = "telemetry writes no numbers whose sums or products come near it"
    return (*within, *(approximately(f"{subject} {reason}", why) for subject in found))


def _calculated(step: Step) -> Iterator[tuple[str | None, Expression, bool]]:
    """The expressions of a step, with the column that each gives, and whether it is summed."""
    match step:
        case Where(condition=condition):
            yield None, condition, False
        case Derive(columns=items):
            for name, value in items:
                yield name, value, False
        case Previous(column=column, name=name):
            yield name, Column(column), False
        case Score(cases=cases):
            for _, condition in cases:
                yield None, condition, False
        case Group(measures=measures) | Annotate(measures=measures) | Ordered(measures=measures):
            for measure in measures:
                if measure.condition is not None:
                    yield None, measure.condition, False
                if measure.value is not None:
                    counts = measure.function in {"distinct", "distinct_if", "collect"}
                    yield None if counts else measure.name, measure.value, measure.function == "sum"
        case _:
            pass


def _greatest(expression: Expression, most: Mapping[str, int]) -> int:
    """The greatest whole number that an expression can be. What is not recorded is a count."""
    match expression:
        case Column(name=name):
            return most.get(name, _ROWS)
        case Constant(value=int() as value):
            return abs(value)
        case Arithmetic(operator="+" | "-"):
            return _greatest(expression.left, most) + _greatest(expression.right, most)
        case Arithmetic(operator="*"):
            return _greatest(expression.left, most) * _greatest(expression.right, most)
        case Case(branches=branches, otherwise=otherwise):
            return max(_greatest(value, most) for value in (*(value for _, value in branches), otherwise))
        case _:
            return max((_greatest(part, most) for part in children(expression)), default=0)


def _overflows(node: Expression, most: Mapping[str, int], room: int, scope: Scope) -> bool:
    """Whether whole numbers, one of them recorded, are added or multiplied to more than there is room for."""
    return (
        isinstance(node, Arithmetic)
        and node.operator in {"+", "-", "*"}
        and any(name in most for name in columns(node))
        and _greatest(node, most) > room
        and infer(node, scope).type is _WHOLE
    )
