"""Values: what is missing, how text, numbers, addresses and times are read off the wire, compared and shown.

A value is None (missing), bool, int, float, str, or a list of str made by `collect`. Addresses are str in their
canonical spelling; times are float, seconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import functools
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import assert_never

from polysigma.plan.types import Type

Value = bool | int | float | str | list[str] | None

Record = dict[str, Value]
"""A row as this engine works on it: every value is one that `present` or a converter gave."""

Row = Mapping[str, object]
"""A row as it comes: any value may be missing in any way, or text."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MAX_WHOLE = 2**63
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:(Z)|([+-])(\d\d):?(\d\d))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def present(value: object) -> Value:
    """A value of a row as this engine knows it: None where it is missing, text for anything foreign.

    Missing is null and empty text, and a number that is not finite; a text of blanks is a value.
    """
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [display(present(item)) for item in value]
    if isinstance(value, datetime):
        return _as_time(value)
    return str(value)


def convert(kind: Type) -> Callable[[object], Value]:
    """How a raw value of a column of this type is read. What cannot be read as the type is missing.

    A text of a number may have blanks around it; it is decimal, without digit groups, and finite. A column of whole
    numbers that holds `443.5` keeps that value: what a platform really holds is compared as it is.
    """
    match kind:
        case Type.BOOLEAN:
            return _as_boolean
        case Type.INTEGER | Type.REAL:
            return _as_number
        case Type.TEXT:
            return _as_text
        case Type.ADDRESS:
            return _as_address
        case Type.TIME:
            return _as_time
        case Type.LIST:
            return present
        case _:
            assert_never(kind)


def _as_boolean(value: object) -> bool | None:
    """True and false as platforms write them: a boolean, 1 and 0, or text of these in any case."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def _as_number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return number_from_text(str(value))


def number_from_text(text: str) -> int | float | None:
    """The number that a text spells, as `convert` describes; None where it spells none."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if _WHOLE.fullmatch(text) and abs(number) < _MAX_WHOLE else number


def _as_text(value: object) -> str | None:
    known = present(value)
    return None if known is None else display(known)


def _as_address(value: object) -> str | None:
    return None if present(value) is None else canonical_address(str(value))


def _as_time(value: object) -> float | None:
    """Seconds since the epoch from a number of seconds, the text of one, a datetime, or `time_from_text`."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) / timedelta(seconds=1)
    number = _as_number(value)
    if number is not None:
        return float(number)
    return time_from_text(value) if isinstance(value, str) else None


def display(value: Value) -> str:
    """A value as text. Booleans are lower case, a whole real has no fraction, a missing value is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_WHOLE:
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)


def fold(text: str) -> str:
    """Text without regard to case: each character's simple lower case, so that the length stays.

    That is what the lower() of SQL engines does. So, unlike full case folding, ß is not SS, and
    the sigma that ends a word is not the other one; I with and without a dot are both i, a dotless i is neither.
    """
    if text.isascii():
        return text.lower()
    return "".join("i" if character == "İ" else character.lower() for character in text)


@functools.lru_cache(maxsize=100_000)
def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text spells, IPv4-mapped ones unwrapped, zones of IPv6 dropped; None where it spells none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def canonical_address(text: str) -> str:
    """The one spelling of an address: dotted IPv4, or IPv6 as RFC 5952 has it (shortest, lower case).

    Text that is no address stays, in lower case: it can be a key, and it lies in no network.
    """
    address = parse_address(text)
    return fold(text) if address is None else str(address)


def time_from_text(text: str) -> float | None:
    """Seconds since the epoch of `YYYY-MM-DD HH:MM:SS[.fraction]` (UTC), or of ISO 8601 with T, and Z or an offset.

    Without an offset it is UTC. Past the microsecond the fraction is cut, never rounded: rounding would carry the
    last 100 ns of an hour into the next bucket. Text of another form, or of no real date, is missing.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = found.groups(default="0")
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    moment += timedelta(microseconds=int(fraction.ljust(6, "0")[:6]))
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return (moment - _EPOCH - (-offset if sign == "-" else offset)) / timedelta(seconds=1)
