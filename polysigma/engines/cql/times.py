"""Times: how they are written, read and said relative to now.

Sources: library.humio.com/data-analysis/functions-formattime.html, functions-parsetimestamp.html,
syntax-time-relative.html.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from polysigma.engines.cql.values import number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d\d):?(\d\d)")
_CODES = {
    **{letter: f"%{letter}" for letter in "HIMSYymdjBbAa"},
    "h": "%b",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
}
"""The conversions that mean in C what they mean in LogScale, in an English locale."""
_SPECIAL = "LNsQkleCpZzcr%"
_UNITS = {
    "ms": ("millisecond", "milliseconds", "millis", "ms"),
    "s": ("second", "seconds", "s", "sec", "secs"),
    "m": ("minute", "minutes", "m", "min"),
    "h": ("hour", "hours", "h", "hr", "hrs"),
    "d": ("day", "days", "d"),
    "w": ("week", "weeks", "w"),
    "mon": ("month", "months", "mon"),
    "q": ("quarter", "quarters", "q", "qtr", "qtrs"),
    "y": ("year", "years", "y", "yr", "yrs"),
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_DAY = 86_400_000
_MILLISECONDS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": _DAY,
    "w": 7 * _DAY,
    "mon": 30 * _DAY,
    "q": 90 * _DAY,
    "y": 365 * _DAY,
}
_RELATIVE = re.compile(r"(now|(\d+) ?([a-z]+))(?:@([a-z]+)((?:[+-]\d+ ?[a-z]+)*))?")
_STEP = re.compile(r"([+-])(\d+) ?([a-z]+)")
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
SPECIAL_FORMATS = {
    "millis": 1.0,
    "milliseconds": 1.0,
    "unixtimemillis": 1.0,
    "seconds": 1000.0,
    "unixtime": 1000.0,
    "unixtimeseconds": 1000.0,
}
"""Formats of parseTimestamp() that name a unit, in lower case, and the milliseconds in it."""


def zone(name: str) -> tzinfo | None:
    """The time zone of a name or an offset, or None."""
    if name in {"UTC", "Z", "GMT"}:
        return UTC
    found = _OFFSET.fullmatch(name)
    if found:
        span = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-span if found[1] == "-" else span)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def codes(pattern: str) -> list[str] | None:
    """A format cut into literal texts and `%X` conversions; None where it has one that is not known."""
    parts = re.findall(r"%.|[^%]+|%", pattern, re.DOTALL)
    known = all(not part.startswith("%") or part[1:] in _CODES or (part[1:] and part[1:] in _SPECIAL) for part in parts)
    return parts if known else None


def written(parts: list[str], milliseconds: int, where: tzinfo) -> str | None:
    """A time in milliseconds since the epoch, in a format that `codes` cut; None for a time past the year 9999."""
    try:
        moment = (EPOCH + timedelta(milliseconds=milliseconds)).astimezone(where)
    except OverflowError:
        return None
    return "".join(_written(part[1:], moment, milliseconds) if part[0] == "%" else part for part in parts)


def _written(code: str, moment: datetime, milliseconds: int) -> str:
    if code in _CODES:
        return f"{moment.year:04}" if code == "Y" else moment.strftime(_CODES[code])
    hour = moment.hour % 12 or 12
    half = moment.strftime("%p")
    clock = moment.strftime("%H:%M:%S")
    special = {
        "L": f"{milliseconds % 1000:03}",
        "N": f"{milliseconds % 1000:03}000000",
        "s": str(milliseconds // 1000),
        "Q": str(milliseconds),
        "k": str(moment.hour),
        "l": str(hour),
        "e": str(moment.day),
        "C": f"{moment.year // 100:02}",
        "p": half.lower(),
        "z": moment.strftime("%z"),
        "Z": "Z" if moment.tzinfo is UTC else str(moment.tzname()),
        "c": f"{moment.strftime('%a %b %d')} {clock} {'Z' if moment.tzinfo is UTC else moment.tzname()} {moment.year}",
        "r": f"{hour:02}{clock[2:]} {half}",
        "%": "%",
    }
    return special[code]


def iso_milliseconds(value: str) -> int | None:
    """The milliseconds of a text in parseTimestamp()'s default format; past the millisecond the fraction is cut."""
    found = _ISO.fullmatch(value)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    fraction = int((found[2] or "").ljust(3, "0")[:3])
    return (moment - EPOCH) // timedelta(milliseconds=1) + fraction


def unit_milliseconds(value: str, size: float) -> int | None:
    """The milliseconds of a number of units, such as seconds with a fraction."""
    found = number(value)
    return None if found is None else math.floor(found * size + 1e-6)


def relative(text: str, now: float, where: tzinfo) -> float | None:
    """The time that a text says relative to `now`, both in milliseconds; None for a text of another form.

    Go back by the base offset, snap to the anchor, apply the offsets behind it. A bare number is milliseconds since
    the epoch.
    """
    if text.isdigit():
        return float(text)
    found = _RELATIVE.fullmatch(text)
    if found is None:
        return None
    time = now
    if found[2]:
        unit = _UNIT_OF.get(found[3])
        if unit is None:
            return None
        time -= int(found[2]) * _MILLISECONDS[unit]
    if found[4]:
        unit = _UNIT_OF.get(found[4])
        if unit is None or unit == "ms":
            return None
        time = _snapped(time, unit, where)
        for sign, count, word in _STEP.findall(found[5]):
            if word not in _UNIT_OF:
                return None
            time += (1 if sign == "+" else -1) * int(count) * _MILLISECONDS[_UNIT_OF[word]]
    return time


def _snapped(time: float, unit: str, where: tzinfo) -> float:
    moment = (EPOCH + timedelta(milliseconds=math.floor(time))).astimezone(where)
    moment = moment.replace(microsecond=0)
    if unit != "s":
        moment = moment.replace(second=0)
    if unit not in {"s", "m"}:
        moment = moment.replace(minute=0)
    if unit not in {"s", "m", "h"}:
        moment = moment.replace(hour=0)
    if unit == "w":  # a week begins on Monday
        moment -= timedelta(days=moment.weekday())
    if unit in {"mon", "q", "y"}:
        moment = moment.replace(day=1)
    if unit == "q":
        moment = moment.replace(month=(moment.month - 1) // 3 * 3 + 1)
    if unit == "y":
        moment = moment.replace(month=1)
    return (moment - EPOCH) / timedelta(milliseconds=1)
