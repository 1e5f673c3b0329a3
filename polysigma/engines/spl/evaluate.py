"""Expressions of `eval` and `where`, compiled to functions of a row.

Each function's behaviour is that of its section in Splunk's Search Reference, "Evaluation functions".
"""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias, assert_never
from urllib.parse import unquote

from polysigma.engines.spl.tree import Expression, Function, Literal, Membership, Name, Operation, Opposite
from polysigma.engines.spl.values import Row, Single, Value, compare, number, one_or_several, pcre, several, text

Evaluator: TypeAlias = Callable[[Row], Value]


def evaluator(node: Expression) -> Evaluator:
    """The value of an expression as a function of a row; a truth value is True, False, or None for null."""
    match node:
        case Name(name=name):
            return lambda row: row.get(name)
        case Literal(value=constant):
            return lambda row: constant  # noqa: ARG005
        case Opposite(operator="NOT", item=item):
            inner = evaluator(item)
            return lambda row: None if (found := inner(row)) is None else not found
        case Opposite(item=item):
            inner = evaluator(item)
            return lambda row: None if (found := number(inner(row))) is None else -found
        case Operation(operator="AND", left=left, right=right):
            return _both(evaluator(left), evaluator(right))
        case Operation(operator="OR", left=left, right=right):
            return _either(evaluator(left), evaluator(right))
        case Operation(operator="=" | "!=" | "<" | "<=" | ">" | ">=" as operator, left=left, right=right):
            first, second = evaluator(left), evaluator(right)
            return lambda row: compare(operator, first(row), second(row))
        case Operation(operator=operator, left=left, right=right):
            return _arithmetic(operator, evaluator(left), evaluator(right))
        case Membership(item=item, choices=choices):
            value, values = evaluator(item), [evaluator(choice) for choice in choices]
            return lambda row: _member(value(row), [choice(row) for choice in values])
        case Function(name=name, arguments=arguments):
            return _function(name, [evaluator(argument) for argument in arguments])
        case _:
            assert_never(node)


def _both(left: Evaluator, right: Evaluator) -> Evaluator:
    def holds(row: Row) -> Value:
        first = left(row)
        if first is False:
            return False
        second = right(row)
        return False if second is False else None if first is None or second is None else True

    return holds


def _either(left: Evaluator, right: Evaluator) -> Evaluator:
    def holds(row: Row) -> Value:
        first = left(row)
        if first is True:
            return True
        second = right(row)
        return True if second is True else None if first is None or second is None else False

    return holds


def _member(value: Value, choices: list[Value]) -> Value:
    return None if value is None else any(compare("=", value, choice) for choice in choices)


def _arithmetic(operator: str, left: Evaluator, right: Evaluator) -> Evaluator:
    def joined(row: Row) -> Value:
        first, second = text(left(row)), text(right(row))
        return None if first is None or second is None else first + second

    def computed(row: Row) -> Value:
        first, second = number(left(row)), number(right(row))
        if first is None or second is None:
            return None
        match operator:
            case "+":
                return first + second
            case "-":
                return first - second
            case "*":
                return first * second
            case "/":
                return None if second == 0 else first / second
            case "%":
                return None if second == 0 else math.fmod(first, second)
            case _:
                raise ValueError(f"there is no operator {operator!r}")

    return joined if operator == "." else computed


def _function(name: str, arguments: list[Evaluator]) -> Evaluator:
    match name:
        case "if":
            condition, yes, no = arguments
            return lambda row: yes(row) if condition(row) is True else no(row)
        case "case":
            pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
            return lambda row: next((value(row) for condition, value in pairs if condition(row) is True), None)
        case "coalesce":
            return lambda row: next((found for item in arguments if (found := item(row)) is not None), None)
        case "isnull":
            return lambda row: arguments[0](row) is None
        case "isnotnull":
            return lambda row: arguments[0](row) is not None
        case "null":
            return lambda row: None  # noqa: ARG005
        case "true":
            return lambda row: True  # noqa: ARG005
        case "false":
            return lambda row: False  # noqa: ARG005
        case "mvappend":
            return lambda row: one_or_several([value for item in arguments for value in several(item(row))])
        case "nullif":
            first, second = arguments
            return lambda row: None if compare("=", first(row), second(row)) else first(row)
        case _:
            function = _FUNCTIONS[name]

            def call(row: Row) -> Value:
                values = [argument(row) for argument in arguments]
                return None if None in values else function(*values)

            return call


def _replaced(value: Value, pattern: Value, replacement: Value) -> Value:
    found, source, target = text(value), text(pattern), text(replacement)
    assert found is not None
    assert source is not None
    assert target is not None
    return compiled(source).sub(
        lambda match: re.sub(r"\\(\d)", lambda group: match[int(group[1])] or "", target), found
    )


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression, read once."""
    return pcre(pattern)


def _matches(value: Value, pattern: Value) -> Value:
    return compiled(str(pattern)).search(text(value) or "") is not None


@lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    parts = ((".*" if part == "%" else "." if part == "_" else re.escape(part)) for part in re.split("([%_])", pattern))
    return re.compile("".join(parts), re.DOTALL)


@lru_cache(maxsize=65536)
def in_network(network: str, address: str) -> bool:
    """Whether an address lies in a network; false for what is no address, and for one of the other family."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _substring(value: Value, start: Value, length: Value = None) -> Value:
    found, first = text(value) or "", int(number(start) or 0)
    begin = first - 1 if first > 0 else max(len(found) + first, 0)
    return found[begin:] if length is None else found[begin : begin + int(number(length) or 0)]


def _indexed(value: Value, start: Value, end: Value = None) -> Value:
    """`mvindex`: from 0; negative from the end; both ends belong to the range."""
    found, first = several(value), int(number(start) or 0)
    first = first + len(found) if first < 0 else first
    if end is None:
        return found[first] if 0 <= first < len(found) else None
    last = int(number(end) or 0)
    last = last + len(found) if last < 0 else last
    return one_or_several(found[max(first, 0) : last + 1])


def _tonumber(value: Value, base: Value = 10) -> Value:
    if base == 10:
        return number(value)
    try:
        return int(text(value) or "", int(number(base) or 10))
    except ValueError:
        return None


def _found(value: Value, pattern: Value) -> Value:
    """`mvfind`: the place of the first value that matches."""
    search = compiled(str(pattern)).search
    return next((place for place, item in enumerate(several(value)) if search(text(item) or "")), None)


def _rounded(value: Value, places: Value = 0) -> Value:
    found, scale = number(value), 10.0 ** int(number(places) or 0)
    return None if found is None else math.copysign(math.floor(abs(found) * scale + 0.5) / scale, found)


def _floor(value: Value) -> Value:
    return None if (found := number(value)) is None else math.floor(found)


def _split(value: Value, separator: Value) -> Value:
    parts: list[Single] = list((text(value) or "").split(str(separator)))
    return one_or_several(parts)


def lowered(value: str) -> str:
    """Text in lower case, character by character."""
    return (
        value.lower()
        if value.isascii()
        else "".join(character.lower() if len(character.lower()) == 1 else character for character in value)
    )


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "cidrmatch": lambda network, address: in_network(str(network), text(address) or ""),
    "floor": _floor,
    "len": lambda value: len(text(value) or ""),
    "like": lambda value, pattern: _like_pattern(str(pattern)).fullmatch(text(value) or "") is not None,
    "lower": lambda value: lowered(text(value) or ""),
    "match": _matches,
    "mvfind": _found,
    "mvindex": _indexed,
    "replace": _replaced,
    "round": _rounded,
    "split": _split,
    "strftime": lambda value, form: time.strftime(str(form), time.gmtime(number(value) or 0)),
    "substr": _substring,
    "tonumber": _tonumber,
    "urldecode": lambda value: unquote(text(value) or ""),
}
