"""What a Sigma rule means on an event with Sigma's fields, and an event that it matches, on no platform.

Written from the Sigma specification (rules 2.1, modifiers), on pySigma's parsed conditions. It shares nothing with the
backends: a missing field fails every test but `null` and `exists: false`, and text is compared without regard to case.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from .samples import of_regex

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = dict[str, str]
Test = tuple[str, Any, bool]
"""A field, a value, and whether the test must hold."""

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
    SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
    SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
}
_COMPARE = {
    CompareOperators.LT: lambda a, b: a < b,
    CompareOperators.LTE: lambda a, b: a <= b,
    CompareOperators.GT: lambda a, b: a > b,
    CompareOperators.GTE: lambda a, b: a >= b,
    CompareOperators.NEQ: lambda a, b: a != b,
}
FILLER = "zq"
"""Text that no published rule asks for."""


def holds(condition: Any, event: Event) -> bool:
    """Whether a parsed condition holds of an event."""
    match condition:
        case ConditionAND(args=args):
            return all(holds(part, event) for part in args)
        case ConditionOR(args=args):
            return any(holds(part, event) for part in args)
        case ConditionNOT(args=args):
            return not holds(args[0], event)
        case ConditionFieldEqualsValueExpression(field=field, value=value):
            return meets(event.get(field), value, event)
        case ConditionValueExpression(value=value):
            # How the time of an event is spelled is the platform's business, and no keyword can rely on it.
            texts = (text for field, text in event.items() if field != "UtcTime")
            return any(meets(text, _anywhere(value), event) for text in texts)
        case _:
            raise NotImplementedError(type(condition).__name__)


def _anywhere(value: Any) -> Any:
    """A keyword as a test of a field, which may hold more."""
    if isinstance(value, SigmaNumber):
        value = SigmaString(str(value.number))
    if not isinstance(value, SigmaString):
        return value
    found = SigmaString()
    found.s = (SpecialChars.WILDCARD_MULTI, *value.s, SpecialChars.WILDCARD_MULTI)
    return found


def meets(text: str | None, value: Any, event: Event) -> bool:
    """Whether the text of a field meets a value."""
    if isinstance(value, SigmaExpansion):
        return any(meets(text, part, event) for part in value.values)
    if isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value.exists):
        return not text
    if isinstance(value, SigmaString) and not value.s:
        return not text
    if not text:
        return False
    match value:
        case SigmaExists():
            return True
        case SigmaString() if not isinstance(value, SigmaCasedString) and not value.contains_special():
            return _same(text, "".join(part for part in value.s if isinstance(part, str)))
        case SigmaString():
            return pattern(value).fullmatch(text) is not None
        case SigmaTimestampPart(number=number):
            return _part_of_time(text, value) == number
        case SigmaCompareExpression(number=SigmaTimestampPart() as part, op=operator):
            return _COMPARE[operator](_part_of_time(text, part), part.number)
        case SigmaNumber(number=number):
            return _same(text, str(number))
        case SigmaBool(boolean=boolean):
            return text.lower() == str(boolean).lower()
        case SigmaRegularExpression(regexp=regexp, flags=flags):
            return re.search(str(regexp), text, sum(_FLAGS[flag] for flag in flags)) is not None
        case SigmaCIDRExpression():
            return ipaddress.ip_address(text) in value.network
        case SigmaCompareExpression(number=number, op=operator):
            return _is_number(text) and _COMPARE[operator](float(text), float(number.number))
        case SigmaFieldReference(field=other, starts_with=starts, ends_with=ends):
            whole, part = text.lower(), event.get(other, "").lower()
            same = (starts and ends and part in whole) or (starts and whole.startswith(part))
            return bool(part) and (same or (ends and whole.endswith(part)) or whole == part)
        case _:
            raise NotImplementedError(type(value).__name__)


def _part_of_time(text: str, value: SigmaTimestampPart) -> int:
    """The part of a time in UTC. Of the week the specification says only that it is the year's; ISO 8601 counts."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    codes = {"MINUTE": "%M", "HOUR": "%H", "DAY": "%d", "WEEK": "%V", "MONTH": "%m", "YEAR": "%Y"}
    return int(moment.strftime(codes[value.timestamp_part.name]))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", text) is not None


def _same(text: str, other: str) -> bool:
    """Whether two texts are one, or one address."""
    try:
        first, second = (ipaddress.ip_address(one) for one in (text, other))
        return (getattr(first, "ipv4_mapped", None) or first) == (getattr(second, "ipv4_mapped", None) or second)
    except ValueError:
        return text.lower() == other.lower()


def pattern(value: SigmaString) -> re.Pattern[str]:
    wild = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    body = "".join(re.escape(part) if isinstance(part, str) else wild[part] for part in value.s)
    return re.compile(body, re.DOTALL if isinstance(value, SigmaCasedString) else re.DOTALL | re.IGNORECASE)


def branches(condition: Any, *, wanted: bool = True) -> Iterator[list[Test]]:
    """Ways for a condition to hold (or not): tests that all must turn out as they say."""
    match condition:
        case ConditionNOT(args=args):
            yield from branches(args[0], wanted=not wanted)
        case ConditionAND(args=args) | ConditionOR(args=args) if isinstance(condition, ConditionAND) is wanted:
            for combination in _product(args, wanted):
                yield [test for part in combination for test in part]
        case ConditionAND(args=args) | ConditionOR(args=args):
            # In turns, so that the first alternatives of every part are tried before the last of the first part.
            ways = [branches(part, wanted=wanted) for part in args]
            for row in itertools.zip_longest(*ways):
                yield from (way for way in row if way is not None)
        case ConditionFieldEqualsValueExpression(field=field, value=SigmaExpansion(values=values)) if wanted:
            for value in values:
                yield [(field, value, True)]
        case ConditionFieldEqualsValueExpression(field=field, value=value):
            yield [(field, value, wanted)]


def _product(parts: list[Any], wanted: bool) -> Iterator[tuple[list[Test], ...]]:  # noqa: FBT001
    """Combinations of the first few ways of each part; the first of all parts first."""
    few = [list(itertools.islice(branches(part, wanted=wanted), 24)) for part in parts]
    yield tuple(ways[0] for ways in few)
    for index, ways in enumerate(few):
        for way in ways[1:]:
            yield tuple(way if place == index else other[0] for place, other in enumerate(few))
    yield from itertools.islice(itertools.product(*few), 500)


def event_for(tests: list[Test], shape: Any) -> Event:
    """An event that should meet the tests; `shape` makes a field's texts look as they do."""
    event: Event = {}
    for field in dict.fromkeys(field for field, _, _ in tests):
        values = [value for name, value, wanted in tests if name == field and wanted]
        absent = [value for value in values if isinstance(value, SigmaNull) or getattr(value, "exists", True) is False]
        if absent:
            continue
        unwanted = [value for name, value, wanted in tests if name == field and not wanted]
        if not values and not any(
            isinstance(value, SigmaNull | SigmaExists) or str(value).strip("*") == "-" for value in unwanted
        ):
            continue
        event[field] = shape(field, text_for(values))
    return event


def text_for(values: list[Any]) -> tuple[str, str, str]:
    """A text that meets several values: what it starts with, what it holds, what it ends with."""
    start, inner, end = "", [], ""
    for value in values:
        match value:
            case SigmaString():
                parts = [part if isinstance(part, str) else "q" if part is SpecialChars.WILDCARD_SINGLE else None
                         for part in value.s]  # fmt: skip
                texts = [part for part in parts if part is not None]
                if not texts:
                    continue
                if None not in parts:
                    return "".join(texts), "", ""
                joined = FILLER.join(
                    "".join(part or "" for part in group)
                    for none, group in itertools.groupby(parts, lambda part: part is None)
                    if not none
                )
                if parts[0] is not None and len(joined) > len(start):
                    start = joined
                elif parts[-1] is not None and parts[0] is None and len(joined) > len(end):
                    end = joined
                elif parts[0] is None and parts[-1] is None:
                    inner.append(joined)
            case SigmaRegularExpression(regexp=regexp):
                inner.append(of_regex(str(regexp)))
            case SigmaNumber(number=number):
                return str(number), "", ""
            case SigmaBool(boolean=boolean):
                return str(boolean).lower(), "", ""
            case SigmaCIDRExpression():
                return str(value.network.network_address + (value.network.num_addresses > 1)), "", ""
            case SigmaCompareExpression(number=number, op=operator):
                step = {CompareOperators.GT: 1, CompareOperators.LT: -1, CompareOperators.NEQ: 1}.get(operator, 0)
                return str(number.number + step), "", ""
    # What a path starts with by its meaning (`:\\Users\\`) comes first.
    inner.sort(key=lambda text: not text.startswith(":\\"))
    return start, FILLER.join(inner), end
