"""Names, strings and numbers as KQL writes them.

Source: learn.microsoft.com/kusto/query/scalar-data-types/string (escapes, verbatim strings) and
learn.microsoft.com/kusto/query/schema-entities/entity-names (names that need brackets).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.plan.durations import format_duration

if TYPE_CHECKING:
    from polysigma.plan.expressions import Scalar

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WORDS = """
    and as asc between bool by case contains contains_cs count date datetime decimal desc distinct double dynamic
    endswith extend false find getschema guid has has_all has_any has_cs hint hasprefix hassuffix in int invoke join
    kind let limit like long lookup make materialize matches nooptimization not notcontains null nulls of on or
    order parse partition pattern print project range real reduce regex render sample scan search series serialize
    set sort startswith string summarize take time timespan to toscalar top true typeof union where with
"""
_RESERVED = frozenset(re.findall(r"\w+", _WORDS))


def name(column: str) -> str:
    """A column's name, in brackets where it could be taken for something else."""
    if _NAME.fullmatch(column) and column not in _RESERVED:
        return column
    return f"[{quoted(column)}]"


def quoted(text: str) -> str:
    """A string literal: verbatim where it has backslashes, escaped where it has what cannot be seen."""
    if _INVISIBLE.search(text):
        body = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + _INVISIBLE.sub(lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), body) + '"'
    if "\\" in text:
        return verbatim(text)
    return '"' + text.replace('"', '\\"') + '"'


def verbatim(text: str) -> str:
    """A string literal in which a backslash is one; only for text of visible characters."""
    return '@"' + text.replace('"', '""') + '"'


def value(item: Scalar) -> str:
    """A constant."""
    match item:
        case bool():
            return str(item).lower()
        case str():
            return quoted(item)
        case _:
            return repr(item)


def timespan(seconds: int) -> str:
    """A literal such as `24h` (learn.microsoft.com/kusto/query/scalar-data-types/timespan)."""
    return format_duration(seconds)
