"""Expressions: the right side of `:=`, and the conditions of test() and if().

Source: library.humio.com/data-analysis/syntax-expressions.html: null for a missing field, and from there on; `<` and
arithmetic give null for what is no number; `==` and `!=` give true or false if both values are non-null; `!` negates a
boolean, or tells whether a number is 0; filter functions give true or false.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.calls import Predicate, field_predicate
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.functions import Computed, computed
from polysigma.engines.cql.values import FALSE, TRUE, normal, number, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Evaluator, Row, Value

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def evaluator(context: Context, node: tree.Value) -> Evaluator:
    """The value of an expression for each row. Refuses what is not implemented."""
    match node:
        case tree.Quoted(value=value):
            return lambda _: value
        case tree.Number(value=value):
            constant = normal(value)
            return lambda _: constant
        case tree.Boolean(value=value):
            return lambda _: TRUE if value else FALSE
        case tree.Field(name=name):
            return lambda row: row.get(name)
        case tree.Unary(op="-", operand=operand):
            inner = evaluator(context, operand)
            return lambda row: None if (found := number(inner(row))) is None else -found
        case tree.Unary(operand=operand):
            return _negation(context, evaluator(context, operand))
        case tree.Binary(op=op):
            return _binary(context, node, op)
        case tree.Call():
            return _call(context, node)
        case _:
            refuse(node, "this cannot stand in an expression that is evaluated here")


def _negation(context: Context, inner: Evaluator) -> Evaluator:
    def negate(row: Row) -> Value | None:
        found = truth(context, inner(row), documented=True)
        return None if found is None else FALSE if found else TRUE

    return negate


def truth(context: Context, value: Value | None, *, documented: bool = False) -> bool | None:
    """Whether a value counts as true; None where it is neither true nor false.

    Of numbers only `!` is documented to take them for booleans; elsewhere it is an assumption.
    """
    if value == TRUE:
        return True
    if value is None or value == FALSE:
        return None if value is None else False
    amount = number(value)
    if amount is None:
        return None
    if not documented:
        context.meet("truth-of-numbers")
        if context.flipped("truth-of-numbers"):
            return False
    return amount != 0


def _binary(context: Context, node: tree.Binary, op: str) -> Evaluator:
    left, right = evaluator(context, node.left), evaluator(context, node.right)
    if op in {"==", "!="}:
        return _equality(context, left, right, wanted=op == "==")
    if op in _ORDER:
        compare = _ORDER[op]

        def order(row: Row) -> Value | None:
            a, b = number(left(row)), number(right(row))
            return None if a is None or b is None else TRUE if compare(a, b) else FALSE

        return order
    if op == "/":
        return _division(context, left, right)
    if op not in _ARITHMETIC:
        refuse(node, f"the operator {op} is not implemented")
    combine = _ARITHMETIC[op]

    def arithmetic(row: Row) -> Value | None:
        a, b = number(left(row)), number(right(row))
        return None if a is None or b is None else normal(combine(a, b))

    return arithmetic


def _equality(context: Context, left: Evaluator, right: Evaluator, *, wanted: bool) -> Evaluator:
    as_text = context.flipped("expression-equality")

    def equal(row: Row) -> Value | None:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        same = text(a) == text(b)
        if not same and (amount := number(a)) is not None and amount == number(b):
            context.meet("expression-equality")
            same = not as_text
        return TRUE if same is wanted else FALSE

    return equal


def _division(context: Context, left: Evaluator, right: Evaluator) -> Evaluator:
    infinite = context.flipped("division-by-zero")

    def divide(row: Row) -> Value | None:
        a, b = number(left(row)), number(right(row))
        if a is None or b is None:
            return None
        if b == 0:
            context.meet("division-by-zero")
            if not infinite:
                return None
            return "NaN" if a == 0 else "Infinity" if a > 0 else "-Infinity"
        try:
            return normal(a / b)
        except OverflowError:
            return None

    return divide


def _call(context: Context, call: tree.Call) -> Evaluator:
    found = computation(context, call, None)
    if found is not None:
        return found.value
    test = predicate(context, call, None).test
    return lambda row: TRUE if test(row) else FALSE


def computation(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed | None:
    """What a call computes, or None if its function computes no single field."""
    match function_name(call):
        case "if":
            return _if(context, call)
        case "coalesce":
            return _coalesce(context, call)
        case "getField":
            arguments = Arguments(call, "source as")
            inner = evaluator(context, arguments.node("source"))
            return Computed(
                lambda row: None if (name := inner(row)) is None else row.get(text(name)),
                arguments.text("as", "_getField"),
            )
        case "text:length":
            arguments = Arguments(call, "string as")
            inner = evaluator(context, arguments.node("string"))
            return Computed(
                lambda row: None if (shown := inner(row)) is None else len(text(shown)),
                arguments.text("as", "_length"),
            )
        case _:
            return computed(context, call, bound)


def _if(context: Context, call: tree.Call) -> Computed:
    """`case { test(c) | y := a ; * | y := b }` in one (data-analysis/functions-if.html)."""
    arguments = Arguments(call, "condition then else as")
    condition = evaluator(context, arguments.node("condition"))
    then, otherwise = evaluator(context, arguments.node("then")), evaluator(context, arguments.node("else"))
    return Computed(
        lambda row: (then if truth(context, condition(row)) else otherwise)(row), arguments.text("as", "_if")
    )


def _coalesce(context: Context, call: tree.Call) -> Computed:
    """The first value that is neither null nor, with ignoreEmpty, empty (data-analysis/functions-coalesce.html)."""
    arguments = Arguments(call, "expressions as ignoreEmpty")
    node = arguments.node("expressions")
    tries = [evaluator(context, item) for item in (node.items if isinstance(node, tree.Array) else (node,))]
    ignored = ("",) if arguments.flag("ignoreEmpty", default=True) else ()

    def evaluate(row: Row) -> Value | None:
        for attempt in tries:
            value = attempt(row)
            if value is not None and value not in ignored:
                return value
        return None

    return Computed(evaluate, arguments.text("as", "_coalesce"))


# Filter functions


def predicate(context: Context, call: tree.Call, bound: tree.Field | None) -> Predicate:
    """The test of a filter function. Refuses other calls."""
    found = field_predicate(context, call, bound)
    if found is not None:
        return found
    match function_name(call):
        case "test":
            condition = evaluator(context, Arguments(call, "expression").node("expression"))
            return Predicate(lambda row: truth(context, condition(row)) is True, lambda row: condition(row) is None)
        case "text:contains":
            return _text(context, call, lambda whole, part: part in whole)
        case "text:startsWith":
            return _text(context, call, lambda whole, part: whole.startswith(part))
        case "text:endsWith":
            return _text(context, call, lambda whole, part: whole.endswith(part))
        case name:
            refuse(call, f"{name}() is not implemented here")


def _text(context: Context, call: tree.Call, holds: Callable[[str, str], bool]) -> Predicate:
    """data-analysis/functions-text-contains.html: with regard to case; both arguments are expressions."""
    arguments = Arguments(call, "string substring")
    whole, part = evaluator(context, arguments.node("string")), evaluator(context, arguments.node("substring"))

    def test(row: Row) -> bool:
        a, b = whole(row), part(row)
        return a is not None and b is not None and holds(text(a), text(b))

    return Predicate(test, lambda row: whole(row) is None or part(row) is None)
