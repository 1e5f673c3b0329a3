"""Values of CQL's fields: text that is read as a number or a boolean where the context wants one.

"There are no types associated with values at runtime, values are basically strings that are interpreted in the context
they are used" (library.humio.com/data-analysis/syntax-expressions.html). A computed number is kept as a number until it
is shown; two values with the same text always behave alike. A missing field is not in the row, and None stands for it
in an expression (null).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Value: TypeAlias = str | int | float
Row: TypeAlias = dict[str, Value]
Evaluator: TypeAlias = "Callable[[Row], Value | None]"
"""The value of an expression for a row; None is null."""
Test: TypeAlias = "Callable[[Row], bool]"
"""Whether a row passes a filter."""

TRUE = "true"
FALSE = "false"

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_EXACT = 2**53
"""Up to here a double holds every whole number."""


def text(value: Value) -> str:
    """A value as text. A whole number has no fraction, as in `4 / lower("2")`, which the documentation shows as 2."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else repr(value)


def number(value: Value | None) -> int | float | None:
    """The number that a value spells, or None.

    "A number is a field that contains only an integer or a real number, with no grouping"; scientific notation is one
    (library.humio.com/data-analysis/functions-format.html, Numbers). Whether blanks around it matter is not said; here
    they make it a text.
    """
    if value is None or not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    if _WHOLE.fullmatch(value):
        return int(value)
    return normal(float(value))


def normal(result: float) -> int | float | None:
    """A computed number: whole where it is; None where it is none (infinite, or not a number)."""
    if isinstance(result, int):
        return result
    if not math.isfinite(result):
        return None
    return int(result) if result.is_integer() and abs(result) < _EXACT else result


def event(raw: Mapping[str, object]) -> Row | Mapping[str, Value]:
    """A row as it comes, as an event: without nulls, with objects and arrays as fields `a.b` and `a[0]`.

    Source: library.humio.com/data-analysis/functions-parsejson.html for the names of nested fields. The row itself is
    given where nothing has to change.
    """
    for value in raw.values():
        if type(value) not in _PLAIN:
            return dict(_fields(raw))
    return raw  # type: ignore[return-value]


_PLAIN = (str, int)


def _fields(raw: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    for name, value in raw.items():
        yield from _field(name, value)


def _field(name: str, value: object) -> Iterator[tuple[str, Value]]:
    match value:
        case None:
            return
        case bool():
            yield name, TRUE if value else FALSE
        case str() | int():
            yield name, value
        case float():
            finite = normal(value)
            yield name, str(value) if finite is None else finite
        case dict():
            for key, inner in value.items():
                yield from _field(f"{name}.{key}", inner)
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from _field(f"{name}[{index}]", inner)
        case _:
            yield name, str(value)
