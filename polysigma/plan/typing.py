"""Types of expressions: every fault that would be a silent surprise in some language is an error here.

Typing also settles what the text leaves open: parameters become literals, equality with a text becomes a TextMatch,
and a boolean column or function that stands as a condition becomes a test, so that printers meet one form of each.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from polysigma.plan.expressions import (
    TRUE,
    And,
    Arithmetic,
    Call,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Or,
    Parameter,
    Regex,
    Scalar,
    TextMatch,
    Wildcard,
    walk,
)
from polysigma.plan.faults import PlanError, fault
from polysigma.plan.functions import COMPARABLE, FUNCTIONS, NETWORKS, Function
from polysigma.plan.types import Type

ParameterValues = Mapping[str, Scalar | tuple[Scalar, ...]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may name: columns with their types, and parameters with their values.

    `display_only` are columns that hold rounded or arbitrary values, which must not be compared.
    """

    columns: Mapping[str, Type]
    parameters: ParameterValues
    display_only: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression in its settled form, and its type; None is the type of a missing value."""

    expression: Expression
    type: Type | None


def type_of_constant(value: Scalar | None) -> Type | None:
    """The type of a constant."""
    match value:
        case None:
            return None
        case bool():
            return Type.BOOLEAN
        case int():
            return Type.INTEGER
        case float():
            return Type.REAL
        case str():
            return Type.TEXT


def condition(expression: Expression, scope: Scope) -> Expression:
    """The settled form of a true or false expression. Raises PlanError."""
    typed = infer(expression, scope)
    if typed.type is not Type.BOOLEAN:
        raise fault(
            "type-mismatch", f"a condition is expected here, not {_named(typed.type)}", expression.at, "compare it"
        )
    if isinstance(typed.expression, Column | Call | Case):
        _refuse_display(expression, scope)
    return as_test(typed.expression)


def infer(expression: Expression, scope: Scope) -> Typed:
    """The settled form and the type of an expression. Raises PlanError with the place of what does not fit."""
    at = expression.at
    match expression:
        case Column(name=name):
            if name not in scope.columns:
                raise unknown_column(name, scope, expression)
            return Typed(expression, scope.columns[name])
        case Constant(value=value):
            return Typed(expression, type_of_constant(value))
        case Parameter(name=name):
            bound = _parameter(name, scope, expression)
            if isinstance(bound, tuple):
                raise fault("type-mismatch", f":{name} is a list; it can stand after `in` only", at, f"x in :{name}")
            return Typed(Constant(bound, at=at), type_of_constant(bound))
        case ListLiteral() | Lookup():
            raise fault("type-mismatch", "a list can stand after `in` only", at, "x in (1, 2)")
        case Arithmetic(operator=operator, left=left, right=right):
            first, second = infer(left, scope), infer(right, scope)
            if operator == "-" and first.type is second.type is Type.TIME:
                between = Call("seconds_between", (first.expression, second.expression), at=at)
                return Typed(between, Type.REAL)
            for side, typed in ((left, first), (right, second)):
                if typed.type is None or not typed.type.is_number:
                    message = f"`{operator}` needs numbers, not {_named(typed.type)}"
                    raise fault("type-mismatch", message, side.at or at, "calculate with columns that hold numbers")
            whole = operator != "/" and first.type is second.type is Type.INTEGER
            result = Arithmetic(operator, first.expression, second.expression, at=at)
            return Typed(result, Type.INTEGER if whole else Type.REAL)
        case Comparison():
            return Typed(_comparison(expression, scope), Type.BOOLEAN)
        case And(items=items):
            return Typed(And(tuple(condition(item, scope) for item in items), at=at), Type.BOOLEAN)
        case Or(items=items):
            return Typed(Or(tuple(condition(item, scope) for item in items), at=at), Type.BOOLEAN)
        case Not(item=item):
            return Typed(Not(condition(item, scope), at=at), Type.BOOLEAN)
        case In():
            return Typed(_membership(expression, scope), Type.BOOLEAN)
        case Exists(item=item):
            return Typed(Exists(infer(item, scope).expression, at=at), Type.BOOLEAN)
        case TextMatch(item=item, parts=parts, cased=cased):
            return Typed(TextMatch(infer(item, scope).expression, parts, cased, at=at), Type.BOOLEAN)
        case Regex(item=item, pattern=pattern, flags=flags):
            return Typed(Regex(infer(item, scope).expression, pattern, flags, at=at), Type.BOOLEAN)
        case InNetwork(item=item, networks=networks):
            return Typed(InNetwork(infer(item, scope).expression, networks, at=at), Type.BOOLEAN)
        case Call():
            return _call(expression, scope)
        case Case(branches=branches, otherwise=otherwise):
            done = [(condition(test, scope), infer(value, scope)) for test, value in branches]
            last = infer(otherwise, scope)
            kind = _common([typed.type for _, typed in done] + [last.type], expression)
            settled = tuple((test, typed.expression) for test, typed in done)
            return Typed(Case(settled, last.expression, at=at), kind)


def unknown_column(name: str, scope: Scope, expression: Expression) -> PlanError:
    """The fault of a name that is no column, with the nearest that is one."""
    return fault("unknown-column", f"there is no column {name!r} here", expression.at, near(name, scope.columns))


def near(name: str, known: Mapping[str, object]) -> str:
    """A hint: the known name most like `name`, or all of them where they are few."""
    folded = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), folded, n=1)
    if found:
        return f"did you mean {folded[found[0]]}?"
    return f"known here: {', '.join(sorted(known)[:12]) or 'none'}"


def _parameter(name: str, scope: Scope, expression: Expression) -> Scalar | tuple[Scalar, ...]:
    if name not in scope.parameters:
        raise fault("unknown-parameter", f"there is no parameter {name!r}", expression.at, near(name, scope.parameters))
    return scope.parameters[name]


def as_test(expression: Expression) -> Expression:
    """A true or false expression as a test that every printer knows wherever one stands."""
    match expression:
        case Call("starts_with" | "ends_with" | "contains" as name, (item, Constant(str(text)))) if text:
            before = (Wildcard.ANY,) if name != "starts_with" else ()
            after = (Wildcard.ANY,) if name != "ends_with" else ()
            return TextMatch(item, (*before, text, *after), at=expression.at)
        case Column() | Call():
            return Comparison("=", expression, TRUE, at=expression.at)
        case _:
            return expression


def _compared(side: Expression, scope: Scope) -> Typed:
    typed = infer(side, scope)
    if typed.type is Type.LIST:
        raise fault("type-mismatch", "a collected list is for display; it cannot be compared", side.at, "distinct(x)")
    _refuse_display(side, scope)
    return typed


def for_display(expression: Expression, display_only: frozenset[str]) -> Expression | None:
    """The part of an expression that is rounded or arbitrary, so that nothing may depend on the value."""
    for node in walk(expression):
        if (isinstance(node, Call) and node.name == "round") or (
            isinstance(node, Column) and node.name in display_only
        ):
            return node
    return None


def _refuse_display(expression: Expression, scope: Scope) -> None:
    part = for_display(expression, scope.display_only)
    if part is not None:
        message = "a rounded or arbitrary value is for display only"
        raise fault("display-only", message, part.at or expression.at, "compare the exact value")


def _comparison(expression: Comparison, scope: Scope) -> Expression:
    left, right = _compared(expression.left, scope), _compared(expression.right, scope)
    at, operator = expression.at, expression.operator
    types = {left.type, right.type}
    settled = Comparison(operator, left.expression, right.expression, expression.cased, at=at)
    if None in types:
        raise fault("type-mismatch", "a comparison with nothing", at, "write `is null` or `is not null`")
    if all(kind is not None and kind.is_number for kind in types) or types == {Type.TIME}:
        return settled
    if operator in {"=", "!="}:
        if types == {Type.BOOLEAN}:
            return settled
        if types <= {Type.TEXT, Type.ADDRESS}:
            return _text_equality(settled, left.type, right.type)
    elif types <= {Type.TEXT, Type.ADDRESS}:
        message = f"texts have no order here; `{operator}` needs numbers or times"
        raise fault("type-mismatch", message, at, "compare texts with `=`, `!=` or `in`")
    raise fault(
        "type-mismatch",
        f"{_named(left.type)} cannot be compared with {_named(right.type)}",
        at,
        "numbers stand without quotes, text in single quotes",
    )


def _text_equality(settled: Comparison, left: Type | None, right: Type | None) -> Expression:
    """`column = 'text'` as a text match, or its guarded opposite; two columns stay a comparison."""
    item, text, kind = settled.left, settled.right, left
    if isinstance(item, Constant):
        item, text, kind = settled.right, settled.left, right
    if not isinstance(text, Constant) or not isinstance(text.value, str):
        return settled
    value = text.value
    if kind is Type.ADDRESS:
        value = _canonical(value, text)
    if value == "":
        raise fault("type-mismatch", "empty text is a missing value", text.at, "write `is null` or `is not null`")
    match = TextMatch(item, (value,), settled.cased, at=settled.at)
    if settled.operator == "=":
        return match
    return And((Exists(item, at=settled.at), Not(match, at=settled.at)), at=settled.at)


def _canonical(text: str, where: Expression) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        message = f"{text!r} is not an IP address"
        raise fault("type-mismatch", message, where.at, "'192.0.2.1' or '2001:db8::1'") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _membership(expression: In, scope: Scope) -> Expression:
    item = _compared(expression.item, scope)
    choices = expression.choices
    if isinstance(choices, Parameter):
        value = _parameter(choices.name, scope, choices)
        if not isinstance(value, tuple):
            raise fault("type-mismatch", f":{choices.name} is not a list", choices.at, "compare with `=`")
        choices = ListLiteral(value, at=choices.at)
    if isinstance(choices, Lookup):
        return In(item.expression, choices, expression.cased, at=expression.at)
    items: list[Scalar] = []
    for value in choices.items:
        kind = type_of_constant(value)
        number = item.type is not None and item.type.is_number and kind is not None and kind.is_number
        text = item.type in {Type.TEXT, Type.ADDRESS} and kind is Type.TEXT
        if not number and not text:
            message = f"{_named(item.type)} cannot be one of {value!r}"
            raise fault("type-mismatch", message, choices.at, "numbers stand without quotes, text in single quotes")
        if value == "":
            raise fault("type-mismatch", "empty text is a missing value", choices.at, "write `is null`")
        is_address = isinstance(value, str) and item.type is Type.ADDRESS
        items.append(_canonical(str(value), choices) if is_address else value)
    return In(
        item.expression, ListLiteral(tuple(dict.fromkeys(items)), at=choices.at), expression.cased, at=expression.at
    )


def _call(expression: Call, scope: Scope) -> Typed:
    function = FUNCTIONS.get(expression.name)
    if function is None:
        raise fault(
            "unknown-function",
            f"there is no function {expression.name!r}",
            expression.at,
            near(expression.name, FUNCTIONS),
        )
    typed = [infer(argument, scope) for argument in expression.arguments]
    expected = _expected(function, len(typed))
    if len(typed) != len(expected):
        raise fault(
            "wrong-arguments", _wrong_count(function, len(expected), len(typed)), expression.at, _usage(function)
        )
    for argument, found, accepted in zip(expression.arguments, typed, expected, strict=True):
        if found.type not in accepted:
            names = " or ".join(sorted(kind.value for kind in accepted))
            raise fault(
                "type-mismatch",
                f"{function.name} needs {names}, not {_named(found.type)}",
                argument.at or expression.at,
                _usage(function),
            )
    if function.name == "network":
        bits = typed[1].expression
        if not isinstance(bits, Constant) or not isinstance(bits.value, int) or bits.value not in NETWORKS:
            message = "network takes 16 or 24 as its second argument"
            raise fault("wrong-arguments", message, expression.arguments[1].at or expression.at, _usage(function))
    result = function.result
    if result is None:
        result = _common([found.type for found in typed], expression)
    return Typed(Call(function.name, tuple(found.expression for found in typed), at=expression.at), result)


def _wrong_count(function: Function, wanted: int, given: int) -> str:
    least = "at least " if function.variadic else ""
    return f"{function.name} takes {least}{wanted} argument{'s' if wanted != 1 else ''}, not {given}"


def _usage(function: Function) -> str:
    """How a function is called, by the types of its arguments."""
    kinds = [" or ".join(sorted(kind.value for kind in accepted)) for accepted in function.arguments]
    kinds = [
        "any value" if accepted == COMPARABLE else kind
        for kind, accepted in zip(kinds, function.arguments, strict=True)
    ]
    return f"{function.name}({', '.join(kinds)}{', ...' if function.variadic else ''}): {function.meaning}"


def _expected(function: Function, given: int) -> tuple[frozenset[Type], ...]:
    extra = max(0, given - len(function.arguments)) if function.variadic else 0
    return function.arguments + function.arguments[-1:] * extra


def _common(types: list[Type | None], expression: Expression) -> Type | None:
    found = {kind for kind in types if kind is not None}
    if len(found) <= 1:
        return next(iter(found), None)
    if found == {Type.INTEGER, Type.REAL}:
        return Type.REAL
    if found == {Type.TEXT, Type.ADDRESS}:
        return Type.TEXT
    names = ", ".join(sorted(found))
    raise fault(
        "type-mismatch", f"the values are of different types: {names}", expression.at, "give values of one type"
    )


def _named(kind: Type | None) -> str:
    return f"{'an' if kind in {Type.INTEGER, Type.ADDRESS} else 'a'} {kind.value}" if kind else "a missing value"
