"""Expressions, each made into a function of one row.

Conditions are two-valued: an atom is false where a value that it needs is missing, and `not` turns that into true.
Values are missing (None) where a value that they need is.
"""

from __future__ import annotations

import ipaddress
import json
import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import assert_never

from polysigma.engines.reference.values import (
    Record,
    Value,
    canonical_address,
    display,
    fold,
    number_from_text,
    parse_address,
    present,
    time_from_text,
)
from polysigma.plan.expressions import (
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
    TextMatch,
    Wildcard,
)

Evaluator = Callable[[Record], Value]
Condition = Callable[[Record], bool]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def condition(expression: Expression) -> Condition:
    """Whether a row meets the condition. A value that stands as a condition holds where it is true."""
    evaluate = evaluator(expression)
    return lambda row: evaluate(row) is True


def evaluator(expression: Expression) -> Evaluator:
    """The value of an expression for a row.

    Raises ValueError for a parameter that is not bound or a function that is not known, when the function is made; and
    TypeError where values of different kinds meet, when it is called: an oracle does not guess.
    """
    match expression:
        case Column(name=name):
            return lambda row: row.get(name)
        case Constant(value=value):
            constant = present(value)
            return lambda _: constant
        case Parameter(name=name):
            raise ValueError(f"the parameter {name!r} is not bound to a value")
        case ListLiteral() | Lookup():
            raise ValueError("a list has no value of its own")
        case Arithmetic():
            return _arithmetic(expression)
        case Comparison():
            return _comparison(expression)
        case And(items=items):
            conditions = [condition(item) for item in items]
            return lambda row: all(holds(row) for holds in conditions)
        case Or(items=items):
            conditions = [condition(item) for item in items]
            return lambda row: any(holds(row) for holds in conditions)
        case Not(item=item):
            opposite = condition(item)
            return lambda row: not opposite(row)
        case In():
            return _membership(expression)
        case TextMatch():
            return _text_match(expression)
        case Regex():
            return _regex(expression)
        case InNetwork():
            return _in_network(expression)
        case Exists(item=item):
            inner = evaluator(item)
            return lambda row: inner(row) is not None
        case Call(name=name, arguments=arguments):
            return _call(name, [evaluator(argument) for argument in arguments])
        case Case(branches=branches, otherwise=otherwise):
            tried = [(condition(test), evaluator(value)) for test, value in branches]
            last = evaluator(otherwise)
            return lambda row: next((value for test, value in tried if test(row)), last)(row)
        case _:
            assert_never(expression)


def _arithmetic(expression: Arithmetic) -> Evaluator:
    left, right, sign = evaluator(expression.left), evaluator(expression.right), expression.operator

    def compute(row: Record) -> Value:
        a, b = _number(left(row)), _number(right(row))
        if a is None or b is None:
            return None
        match sign:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case "/":
                return None if b == 0 else a / b
            case _:
                assert_never(sign)

    return compute


def _comparison(expression: Comparison) -> Condition:
    left, right = evaluator(expression.left), evaluator(expression.right)
    compare = _COMPARE[expression.operator]
    cased = expression.cased

    def holds(row: Record) -> bool:
        a, b = left(row), right(row)
        if a is None or b is None:
            return False
        if isinstance(a, str) and isinstance(b, str):
            # Only = and != come with text; typing sees to it.
            return (a == b if cased else fold(a) == fold(b)) is (expression.operator == "=")
        a, b = _beside(a, b), _beside(b, a)
        return a is not None and b is not None and compare(*_of_one_kind(a, b))

    return holds


def _beside(value: Value, other: Value) -> Value:
    """A text that meets a number is read as one: Sigma's `|gt` on a column of text. Other text is missing there."""
    is_number = isinstance(other, int | float) and not isinstance(other, bool)
    return number_from_text(value) if is_number and isinstance(value, str) else value


def _of_one_kind(a: Value, b: Value) -> tuple[float, float]:
    """Two numbers or times, or two booleans; raises TypeError for anything else."""
    if isinstance(a, bool) == isinstance(b, bool) and isinstance(a, int | float) and isinstance(b, int | float):
        return a, b
    raise TypeError(f"{a!r} and {b!r} cannot be compared: does Source.types name the column's type?")


def _number(value: Value) -> int | float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is no number: does Source.types name the column's type?")


def _membership(expression: In) -> Condition:
    item, choices, cased = evaluator(expression.item), expression.choices, expression.cased
    if isinstance(choices, Parameter):
        raise ValueError(f"the parameter {choices.name!r} is not bound to a list")
    texts = {choice if cased else fold(choice) for choice in choices.items if isinstance(choice, str)}
    numbers = {choice for choice in choices.items if not isinstance(choice, str)}

    def holds(row: Record) -> bool:
        value = item(row)
        if value is None:
            return False
        if isinstance(value, str):
            return (value if cased else fold(value)) in texts or (bool(numbers) and number_from_text(value) in numbers)
        if texts or isinstance(value, list):
            raise TypeError(f"{value!r} cannot be one of {choices.items!r}: does Source.types name the column's type?")
        return value in numbers

    return holds


def _text_match(expression: TextMatch) -> Condition:
    item, cased = evaluator(expression.item), expression.cased
    pattern = text_pattern(expression.parts, cased=cased)

    def holds(row: Record) -> bool:
        value = item(row)
        if value is None:
            return False
        text = display(value)
        return pattern.fullmatch(text if cased else fold(text)) is not None

    return holds


def text_pattern(parts: tuple[str | Wildcard, ...], *, cased: bool) -> re.Pattern[str]:
    """A regular expression for a whole text; of folded text unless cased.

    Each stretch between two `*` is searched for once, leftmost, in an atomic group: a later try cannot match where the
    leftmost did not, and so no pattern takes more than linear time for each `*`.
    """
    stretches = [""]
    for part in parts:
        if part is Wildcard.ANY:
            stretches.append("")
        elif part is Wildcard.ONE:
            stretches[-1] += "."
        else:
            stretches[-1] += re.escape(part if cased else fold(part))
    first, *rest = stretches
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{stretch})" for stretch in middle if stretch) + ".*" + last, re.DOTALL)


def _regex(expression: Regex) -> Condition:
    """A search anywhere. Python's dialect; \\d, \\w and \\s are ASCII, as in RE2, Java and PCRE."""
    item = evaluator(expression.item)
    flags = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
    # Python ties the folding of letters beyond ASCII to the same flag; a pattern that names such letters means them.
    start = re.ASCII if expression.pattern.isascii() else re.NOFLAG
    try:
        pattern = re.compile(expression.pattern, sum((flags[flag] for flag in expression.flags), start=start))
    except re.error as error:
        raise ValueError(f"the regular expression {expression.pattern!r} cannot be read: {error}") from None

    def holds(row: Record) -> bool:
        value = item(row)
        return value is not None and pattern.search(display(value)) is not None

    return holds


def _in_network(expression: InNetwork) -> Condition:
    item = evaluator(expression.item)
    networks = [ipaddress.ip_network(network, strict=False) for network in expression.networks]

    def holds(row: Record) -> bool:
        value = item(row)
        address = parse_address(value) if isinstance(value, str) else None
        return address is not None and any(address in network for network in networks)

    return holds


def _call(name: str, arguments: list[Evaluator]) -> Evaluator:
    if name == "coalesce":
        return lambda row: next(
            (value for value in (argument(row) for argument in arguments) if value is not None), None
        )
    if name == "registry_value":
        key, value = arguments
        return lambda row: (
            None if key(row) is None else f"{_registry_key(display(key(row)))}\\{value(row) or '(Default)'}"
        )
    if name in _OF_TWO:
        first, second = arguments
        joined = _OF_TWO[name]
        return lambda row: present(joined(display(first(row)), display(second(row))))
    function = FUNCTIONS.get(name)
    if function is None:
        raise ValueError(f"there is no function {name!r}")

    def call(row: Record) -> Value:
        values = [argument(row) for argument in arguments]
        return None if None in values else present(function(*values))

    return call


def _round(number: float, places: float) -> float:
    """To `places` decimal places, halves away from zero."""
    scale = 10.0 ** int(places)
    return math.copysign(math.floor(abs(number) * scale + 0.5) / scale, number)


def _digit_ratio(text: str) -> float:
    return sum(character in "0123456789" for character in text) / len(text)


def _vowel_ratio(text: str) -> float:
    return sum(character in "aeiouAEIOU" for character in text) / len(text)


def _moment(time: float) -> datetime:
    """The date and clock of a time, in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=math.floor(time))


def _network(text: str, bits: float) -> str | None:
    """The first bits of an IPv4 address, twice as many of an IPv6 address, as the parts that they are written by."""
    address = parse_address(text)
    if address is None:
        return None
    if address.version == 4:
        return ".".join(str(address).split(".")[: int(bits) // 8])
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":")[: int(bits) // 8])


def _labels(name: str, count: float) -> str | None:
    """The last `count` labels of a domain name; all of it where it has fewer. The root's dot at the end is no label.

    A label has a character: what stands before an empty one (`a..b`) is not part of the name.
    """
    labels = name.removesuffix(".").split(".")
    kept: list[str] = []
    while labels and labels[-1] and len(kept) < count:
        kept.insert(0, labels.pop())
    return ".".join(kept) or None


def _base_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _pipe_name(path: str) -> str | None:
    return re.sub(r"^\\Device\\NamedPipe", "", path, flags=re.IGNORECASE) or None


def _registry_key(key: str) -> str:
    """The abbreviations of the Sysmon documentation (event 12); the control set in use is taken to be the one written.

    Sysmon's HKCR, for HKEY_LOCAL_MACHINE\\Classes, is left to those who write values.
    """
    parts = key.split("\\")
    names = [part.upper() for part in parts]
    if names[:4] == ["", "REGISTRY", "MACHINE", "SYSTEM"] and re.fullmatch("CONTROLSET[0-9]+", "".join(names[4:5])):
        return "\\".join(["HKLM", "SYSTEM", "CurrentControlSet", *parts[5:]])
    hive = {"MACHINE": "HKLM", "USER": "HKU"}.get("".join(names[2:3]))
    return "\\".join([hive, *parts[3:]]) if hive and names[:2] == ["", "REGISTRY"] else key


def _json_text(text: str, key: str) -> str | None:
    """Text, a number or a boolean at the key of a JSON object; anything else, and text that holds none, is missing."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    found = value.get(key) if isinstance(value, dict) else None
    return display(found) if isinstance(found, str | int | float) else None


def _json_integer(text: str, key: str) -> int | None:
    number = number_from_text(_json_text(text, key) or "")
    return number if isinstance(number, int) else None


def _event_text(data: str, name: str) -> str | None:
    """What stands in `<Data Name="...">`, up to the next tag, its entities resolved; nothing else is XML here."""
    found = re.search(f'Name="{re.escape(name)}">([^<]*)<', data)
    if found is None:
        return None
    return found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") or None


def _event_integer(data: str, name: str) -> int | None:
    number = number_from_text(_event_text(data, name) or "")
    return number if isinstance(number, int) else None


def _registry_path(key: str, value: str) -> str:
    """HKEY_LOCAL_MACHINE, HKEY_USERS and HKEY_CURRENT_USER\\S-1-... by Sysmon's abbreviations, and the value's name."""
    hives = {"HKEY_LOCAL_MACHINE": "HKLM", "HKEY_USERS": "HKU", "HKEY_CURRENT_USER": "HKU", "HKEY_CLASSES_ROOT": "HKCR"}
    hive, backslash, rest = key.partition("\\")
    short = f"{hives.get(hive.upper(), hive)}{backslash}{rest}"
    return "\\".join(part for part in (short, value) if part)


def _registry_details(kind: str, data: str) -> str:
    """The data of a registry value as Sysmon's Details: numbers in hexadecimal, bytes not told, empty text as such."""
    number = number_from_text(data)
    match kind.lower().removeprefix("reg_"):
        case "dword" if isinstance(number, int):
            return f"DWORD (0x{number:08x})"
        case "qword" if isinstance(number, int):
            return f"QWORD (0x{number >> 32:08x}-0x{number & 0xFFFFFFFF:08x})"
        case "binary":
            return "Binary Data"
        case _:
            return data or ("(Empty)" if kind else "")


_OF_TWO: dict[str, Callable[[str, str], str]] = {
    "account": lambda domain, user: "\\".join(part for part in (domain, user) if part),
    "registry_path": _registry_path,
    "registry_details": _registry_details,
}
"""Functions of two texts, either of which may be missing: it is then empty."""

# Each gets values that are not missing; missing or empty text that it gives is missing.
FUNCTIONS: dict[str, Callable[..., Value]] = {
    "round": _round,
    "lower": fold,
    "length": len,
    "digit_ratio": _digit_ratio,
    "vowel_ratio": _vowel_ratio,
    "labels": _labels,
    "network": _network,
    "address": canonical_address,
    "base_name": _base_name,
    "registry_key": _registry_key,
    "starts_with": lambda text, start: fold(text).startswith(fold(start)),
    "ends_with": lambda text, end: fold(text).endswith(fold(end)),
    "contains": lambda text, part: fold(part) in fold(text),
    "seconds_between": lambda later, earlier: later - earlier,
    "minute": lambda time: _moment(time).minute,
    "hour": lambda time: _moment(time).hour,
    "day": lambda time: _moment(time).day,
    "week": lambda time: _moment(time).isocalendar().week,
    "month": lambda time: _moment(time).month,
    "year": lambda time: _moment(time).year,
    "time_from_seconds": float,
    "time_from_milliseconds": lambda milliseconds: milliseconds / 1000,
    "time_from_text": time_from_text,
    "json_text": _json_text,
    "json_integer": _json_integer,
    "event_text": _event_text,
    "pipe_name": _pipe_name,
    "event_integer": _event_integer,
}
