"""What the values of a detection item are: missing, any text, text between wildcards, and how they are shown."""

from __future__ import annotations

from sigma.types import (
    SigmaCompareExpression,
    SigmaExists,
    SigmaNull,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)


def is_part_of_time(value: SigmaType) -> bool:
    """Whether a value is an hour, a day, or another part of a time, or compared with one."""
    if isinstance(value, SigmaCompareExpression):
        value = value.number
    return isinstance(value, SigmaTimestampPart)


def missing(value: SigmaType) -> bool:
    """Whether a value says that there is none."""
    if isinstance(value, SigmaString):
        return False
    return isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value.exists)


def is_any(value: SigmaType) -> bool:
    """Whether a value is any text: nothing but asterisks."""
    if not isinstance(value, SigmaString) or not value.s or value.s[0] is not SpecialChars.WILDCARD_MULTI:
        return False
    return all(part is SpecialChars.WILDCARD_MULTI for part in value.s)


def is_empty_or_any(value: SigmaString) -> bool:
    """Whether a text is empty, or any text."""
    return not value.s or is_any(value)


def between_wildcards(value: SigmaType) -> str | None:
    """The text of a value that has wildcards at its ends only."""
    if not isinstance(value, SigmaString):
        return None
    inner = [part for part in value.s if part is not SpecialChars.WILDCARD_MULTI]
    text = inner[0] if len(inner) == 1 else None
    return text if isinstance(text, str) else None


def distinct(values: list[SigmaType]) -> list[SigmaType]:
    """The values, plain text that stands twice once (several Sigma spellings may come to one)."""
    if len(values) < 2:
        return values
    kept: dict[object, SigmaType] = {}
    for value in values:
        kept.setdefault((type(value), str(value)) if isinstance(value, SigmaString) else id(value), value)
    return list(kept.values())


def shown(value: SigmaType) -> str:
    """A value in a message: as the rule has it, on one line, and not all of a long one."""
    text = getattr(value, "original", None) or getattr(value, "field", None) or getattr(value, "regexp", value)
    words = " ".join(str(text).split())
    return f"'{words[:80]}...'" if len(words) > 80 else f"'{words}'"
