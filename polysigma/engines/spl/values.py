"""Values of fields, and when they are numbers, texts or missing.

Source: Splunk Search Reference, "eval" (an expression over a null is null; text that looks like a number is one in
arithmetic and comparisons), "Comparison and conditional functions"; Search Manual, "Manipulate and evaluate fields
with multiple values".
"""

from __future__ import annotations

import re
from typing import TypeAlias

Single: TypeAlias = str | int | float | bool
Value: TypeAlias = "Single | list[Single] | None"
"""What a field holds: nothing, one value, or several. A truth value lives inside of expressions only."""
Row: TypeAlias = "dict[str, Value]"

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def number(value: Value) -> int | float | None:
    """The number that a value is or looks like; None for any other."""
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return None
    if isinstance(value, int | float):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    return int(value) if re.fullmatch(r"\s*[+-]?\d+\s*", value, re.ASCII) else float(value)


def text(value: Value) -> str | None:
    """A value as text: a whole number without a point; of several values the first."""
    if isinstance(value, list):
        return text(value[0]) if value else None
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def several(value: Value) -> list[Single]:
    """The values of a field; none where it is missing."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def one_or_several(values: list[Single]) -> Value:
    """A field with these values."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def compare(operator: str, left: Value, right: Value) -> bool | None:
    """A comparison in eval: of numbers where both are or look like some, else of texts, with regard to case."""
    if left is None or right is None:
        return None
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return _ordered(operator, first, second)
    one, other = text(left), text(right)
    assert one is not None
    assert other is not None
    return _ordered(operator, one, other)


def _ordered(operator: str, left: str | float, right: str | float) -> bool:
    match operator:
        case "=":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right  # type: ignore[operator]
        case "<=":
            return left <= right  # type: ignore[operator]
        case ">":
            return left > right  # type: ignore[operator]
        case ">=":
            return left >= right  # type: ignore[operator]
        case _:
            raise ValueError(f"there is no comparison {operator!r}")


def pcre(pattern: str) -> re.Pattern[str]:
    """A PCRE as Python reads it: the end of the text has another name; classes are of ASCII letters and digits."""
    translated = re.sub(r"(\\+)z", lambda found: found[1] + ("Z" if len(found[1]) % 2 else "z"), pattern)
    translated = re.sub(r"\\x\{([0-9a-fA-F]+)\}", lambda found: f"\\U{int(found[1], 16):08x}", translated)
    flags = re.ASCII if pattern.isascii() else re.NOFLAG
    return re.compile(translated, flags)
