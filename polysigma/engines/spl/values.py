"""Values of fields, and when they are numbers, texts or missing.

Source: Splunk Search Reference, "eval" (an expression over a null is null; text that looks like a number is one in
arithmetic and comparisons), "Comparison and conditional functions"; Search Manual, "Manipulate and evaluate fields
with multiple values".
"""

from __future__ import annotations

import operator
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Single: TypeAlias = str | int | float | bool
Value: TypeAlias = "Single | list[Single] | None"
"""What a field holds: nothing, one value, or several. A truth value lives inside of expressions only."""
Row: TypeAlias = "dict[str, Value]"

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


def number(value: Value) -> int | float | None:
    """The number that a value is or looks like; None for any other."""
    if isinstance(value, str):
        return _spelled(value)
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return None
    return value


@lru_cache(maxsize=65536)
def _spelled(value: str) -> int | float | None:
    if not _NUMBER.fullmatch(value):
        return None
    return int(value) if _WHOLE.fullmatch(value) else float(value)


def text(value: Value) -> str | None:
    """A value as text: a whole number without a point; of several values the first."""
    if isinstance(value, str):
        return value
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


def compare(operator_name: str, left: Value, right: Value) -> bool | None:
    """A comparison in eval: of numbers where both are or look like some, else of texts, with regard to case."""
    if left is None or right is None:
        return None
    first, second = number(left), number(right)
    holds = _COMPARISONS[operator_name]
    if first is not None and second is not None:
        return holds(first, second)
    return holds(text(left), text(right))


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def pcre(pattern: str) -> re.Pattern[str]:
    """A PCRE as Python reads it: the end of the text has another name; classes are of ASCII letters and digits."""
    translated = re.sub(r"(\\+)z", lambda found: found[1] + ("Z" if len(found[1]) % 2 else "z"), pattern)
    translated = re.sub(r"\\x\{([0-9a-fA-F]+)\}", lambda found: f"\\U{int(found[1], 16):08x}", translated)
    flags = re.ASCII if pattern.isascii() else re.NOFLAG
    return re.compile(translated, flags)
