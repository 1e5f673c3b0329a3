"""Text that a condition looks for, as CQL's regular expressions: one for many values of a column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from polysigma.plan.expressions import (
    Column,
    Expression,
    In,
    ListLiteral,
    Regex,
    TextMatch,
    Wildcard,
)

from .regexes import RegexDialect, escaped, unprintable

CQL_REGEX = RegexDialect("LogScale", lookahead=True, lazy=False, escape="/")


@dataclass(frozen=True, slots=True)
class AnyText:
    """A column's text is one of several patterns."""

    item: Column
    patterns: tuple[tuple[str | Wildcard, ...], ...]
    cased: bool


def as_one(parts: list[Expression]) -> Expression | AnyText | None:
    """Several tests of one column's text as one; None where plain equality or a wildcard says each."""
    first = parts[0]
    if isinstance(first, Regex):
        return Regex(first.item, "|".join(part.pattern for part in parts if isinstance(part, Regex)), first.flags)
    patterns: list[tuple[str | Wildcard, ...]] = []
    for part in parts:
        if isinstance(part, TextMatch):
            patterns.append(part.parts)
        elif isinstance(part, In) and isinstance(part.choices, ListLiteral):
            patterns += [(str(text),) for text in part.choices.items]
    assert isinstance(first, TextMatch | In)
    assert isinstance(first.item, Column)
    literal = "".join([part for parts in patterns for part in parts if isinstance(part, str)])
    plain = (first.cased or not has_case(literal)) and "*" not in literal and not has_control(literal)
    if plain and not any(Wildcard.ONE in pattern for pattern in patterns):
        return None
    return AnyText(first.item, tuple(dict.fromkeys(patterns)), first.cased)


def alternation(patterns: list[tuple[str | Wildcard, ...]]) -> str:
    """One pattern for several, with the anchors that all have around them, or else each with its own."""
    starts = {parts[0] is Wildcard.ANY for parts in patterns}
    ends = {parts[-1] is Wildcard.ANY for parts in patterns}
    if len(starts) > 1 or len(ends) > 1:
        return "|".join(map(anchored, patterns))
    start, end = "" if True in starts else "^", "" if True in ends else "$"
    inner = "|".join(
        _body(parts[parts[0] is Wildcard.ANY : len(parts) - (parts[-1] is Wildcard.ANY)]) for parts in patterns
    )
    return f"{start}(?:{inner}){end}" if start or end else inner


def anchored(parts: tuple[str | Wildcard, ...]) -> str:
    """The pattern without `.*` at its ends, which say the same as no anchor."""
    start = "" if parts[0] is Wildcard.ANY else "^"
    end = "" if parts[-1] is Wildcard.ANY else "$"
    inner = parts[parts[0] is Wildcard.ANY : len(parts) - (parts[-1] is Wildcard.ANY)]
    return start + _body(inner) + end


def _body(parts: tuple[str | Wildcard, ...]) -> str:
    return "".join([_WILD[part] if isinstance(part, Wildcard) else escaped(part, CQL_REGEX) for part in parts])


_WILD = {Wildcard.ANY: ".*", Wildcard.ONE: "."}


def finds_nothing(pattern: str) -> bool:
    """Whether a regular expression is found in an empty text, or may be."""
    if all(map(_STARTS_WITH_TEXT.fullmatch, pattern.split("|"))):
        return False
    try:
        return re.search(pattern, "") is not None
    except re.error:
        return True


_STARTS_WITH_TEXT = re.compile(r"\^?(?:\w|\\\\)(?![*?{])[^|]*", re.DOTALL)
"""An alternative that begins with a character there must be; nearly all do, and need no compiling."""
SETS_FLAGS = re.compile(r"\(\?[a-zA-Z-]+\)").search
"""Whether flags are set within a pattern, which would go on into a next one."""


def has_case(text: str) -> bool:
    return text.lower() != text.upper()


def has_control(text: str) -> bool:
    """Whether a text holds what should not stand in a query as it is, and is written by its number in a regex."""
    if text.isascii():
        return not text.isprintable()
    return bool(re.search(r"[\x00-\x1f\x7f-\x9f]", text)) or any(map(unprintable, text))
