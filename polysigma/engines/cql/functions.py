"""Functions that compute one field from fields: lower, length, replace, round, format, formatTime and others."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.calls import function_regex
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.times import (
    EPOCH,
    SPECIAL_FORMATS,
    codes,
    iso_milliseconds,
    unit_milliseconds,
    written,
    zone,
)
from polysigma.engines.cql.values import normal, number, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from polysigma.cql import tree
    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Evaluator, Row, Value

_AUTO_SECONDS = 100_000_000_000
"""formatTime(unit=auto) reads a number up to this as seconds."""
_CONVERSION = re.compile(r"%(?:(%)|(?P<flags>[-+ 0,]*)(?P<width>\d*)(?:\.(?P<places>\d+))?(?P<type>[a-zA-Z]))")
_GROUP_REFERENCE = re.compile(r"\$(\d+|\{\w+\})")
_HALF = 0.5


class Computed(NamedTuple):
    """A value for each row, and the field that it goes to; None where the call must name one."""

    value: Evaluator
    target: str | None


def computed(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed | None:
    """What a call computes, or None if its function is none of these."""
    builder = _BUILDERS.get(function_name(call))
    return builder(context, call, bound) if builder else None


def _on_field(context: Context, field: str, function: Callable[[Value], Value | None]) -> Evaluator:
    """A function of one field's value; what it gives where there is none, or none that it reads, is an assumption."""
    absent = "" if context.flipped("function-of-missing") else None

    def evaluate(row: Row) -> Value | None:
        value = row.get(field)
        found = None if value is None else function(value)
        if found is None:
            context.meet("function-of-missing")
            return absent
        return found

    return evaluate


def _lower(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """data-analysis/functions-lower.html and functions-upper.html."""
    name = function_name(call)
    arguments = Arguments(call, "field as", bound)
    flipped = context.flipped("case-fold-lower")

    def change(value: Value) -> Value:
        shown = text(value)
        if not shown.isascii():
            context.meet("case-fold-lower")
            if flipped:
                return "".join(letter if letter > "\x7f" else _cased(letter, name) for letter in shown)
        return _cased(shown, name)

    return Computed(_on_field(context, arguments.field("field"), change), arguments.text("as", f"_{name}"))


def _cased(shown: str, name: str) -> str:
    return shown.lower() if name == "lower" else shown.upper()


def _length(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """ "Number of characters" (data-analysis/functions-length.html)."""
    arguments = Arguments(call, "field as", bound)
    units = context.flipped("length-unit")

    def count(value: Value) -> int:
        shown = text(value)
        if not shown.isascii() and max(shown) > "\uffff":
            context.meet("length-unit")
            if units:
                return len(shown.encode("utf-16-le")) // 2
        return len(shown)

    return Computed(_on_field(context, arguments.field("field"), count), arguments.text("as", "_length"))


def _replace(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """Every match replaced, `$1` standing for a group (data-analysis/functions-replace.html)."""
    arguments = Arguments(call, "field regex with replacement flags as", bound)
    field = arguments.field("field", "@rawstring")
    pattern = function_regex(context, arguments)
    given = "with" if "with" in arguments else "replacement"
    template = _template(arguments, arguments.text(given, ""), pattern.compiled.groups)

    def change(value: Value) -> Value:
        shown = text(value)
        if pattern.search(context, shown) is None:
            return value
        return pattern.compiled.sub(template, shown)

    return Computed(_on_field(context, field, change), arguments.text("as", field))


def _template(arguments: Arguments, replacement: str, groups: int) -> Callable[[re.Match[str]], str]:
    pieces: list[str | int] = []
    end = 0
    for found in _GROUP_REFERENCE.finditer(replacement):
        reference = found[1]
        if not reference.isdigit() or int(reference) > groups:
            refuse(arguments.call, f"{found.group()} names no numbered group of the regular expression")
        pieces += [replacement[end : found.start()], int(reference)]
        end = found.end()
    pieces.append(replacement[end:])
    if "\\" in replacement or any(isinstance(piece, str) and "$" in piece for piece in pieces):
        refuse(arguments.call, "a replacement with a backslash or a lone $ is not implemented")
    return lambda found: "".join(piece if isinstance(piece, str) else found[piece] or "" for piece in pieces)


def _round(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """To a whole number (data-analysis/functions-round.html)."""
    arguments = Arguments(call, "field how as", bound)
    field = arguments.field("field")
    how = arguments.keyword("how", "round", "round ceil floor")
    to_even = context.flipped("round-half")

    def change(value: Value) -> int | None:
        found = number(value)
        if found is None or isinstance(found, int):
            return found
        if how != "round":
            return math.floor(found) if how == "floor" else math.ceil(found)
        if found - math.floor(found) == _HALF:
            context.meet("round-half")
            if to_even:
                return round(found)
        return math.floor(found + _HALF)

    return Computed(_on_field(context, field, change), arguments.text("as", field))


def _format_time(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """A time by a strftime pattern; `unit=auto` tells seconds by size (data-analysis/functions-formattime.html)."""
    arguments = Arguments(call, "format field as timezone unit locale", bound)
    parts = codes(arguments.text("format"))
    if parts is None:
        refuse(
            arguments.node("format"), f"the format {arguments.text('format')!r} holds a conversion that is not known"
        )
    if "locale" in arguments:
        arguments.keyword("locale", "en_US", "en_US en US en_GB")
    where = _zone(arguments)
    unit = arguments.keyword("unit", "auto", "auto seconds milliseconds")
    step = 1 if {"%L", "%N", "%Q"} & set(parts) else 1000
    cut = context.flipped("format-time-fraction")
    known: dict[int, str | None] = {}

    def change(value: Value) -> str | None:
        found = number(value)
        if found is None:
            return None
        if not isinstance(found, int):
            context.meet("format-time-fraction")
            if not cut:
                return None
            found = int(found)
        if unit == "seconds" or (unit == "auto" and found <= _AUTO_SECONDS):
            found *= 1000
        key = found // step
        if key not in known:
            known[key] = written(parts, found, where)
        return known[key]

    target = arguments.text("as") if "as" in arguments else None
    return Computed(_on_field(context, arguments.field("field", "@timestamp"), change), target)


_TIME_PARTS: dict[str, Callable[[datetime], int]] = {
    "minute": lambda moment: moment.minute,
    "hour": lambda moment: moment.hour,
    "dayOfMonth": lambda moment: moment.day,
    "weekOfYear": lambda moment: moment.isocalendar().week,
    "month": lambda moment: moment.month,
    "year": lambda moment: moment.year,
}


def _time_part(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """A part of a time in milliseconds since the epoch (data-analysis/functions-time-hour.html and its like).

    The week is that of ISO 8601 (functions-time-weekofyear.html). Without `timezone` the offset is that of the event's
    @timezone, else of the query, neither of which is known here.
    """
    arguments = Arguments(call, "field as timezone", bound)
    if "timezone" not in arguments:
        refuse(call, "a part of a time without timezone= depends on who asks")
    where = _zone(arguments)
    name = function_name(call).removeprefix("time:")
    part = _TIME_PARTS[name]

    def change(value: Value) -> int | None:
        found = number(value)
        if not isinstance(found, int):
            return None
        try:
            return part((EPOCH + timedelta(milliseconds=found)).astimezone(where))
        except OverflowError:
            return None

    target = arguments.text("as", f"_{name}")
    return Computed(_on_field(context, arguments.field("field", "@timestamp"), change), target)


def _zone(arguments: Arguments) -> tzinfo:
    name = arguments.text("timezone", "UTC")
    where = zone(name)
    if where is None:
        refuse(arguments.node("timezone"), f"the time zone {name!r} is not known")
    return where


def _parse_timestamp(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """ISO 8601 with an offset, or a number of a named unit (data-analysis/functions-parsetimestamp.html).

    Other formats, times without an offset, and the fields for errors and for the time zone are not implemented.
    """
    arguments = Arguments(call, "field format as addErrors", bound)
    size = None
    if "format" in arguments:
        size = SPECIAL_FORMATS.get(arguments.text("format").lower())
        if size is None:
            refuse(arguments.node("format"), f"the format {arguments.text('format')!r} is not implemented")

    def change(value: Value) -> int | None:
        return iso_milliseconds(text(value)) if size is None else unit_milliseconds(text(value), size)

    return Computed(_on_field(context, arguments.field("field"), change), arguments.text("as", "@timestamp"))


def _format(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """printf: %s, %d, %i, %f, %x with width, precision and `,`; no result where a field is none of the type
    (data-analysis/functions-format.html)."""
    arguments = Arguments(call, "format field as", bound)
    template = arguments.text("format")
    fields = arguments.fields("field")
    pieces: list[str | Callable[[Value], str | None]] = []
    end = 0
    for found in _CONVERSION.finditer(template):
        pieces.append(template[end : found.start()])
        pieces.append("%" if found[1] else _conversion(arguments, found))
        end = found.end()
    pieces.append(template[end:])
    conversions = [piece for piece in pieces if not isinstance(piece, str)]
    if "%" in "".join(piece for piece in pieces if isinstance(piece, str) and piece != "%"):
        refuse(arguments.node("format"), f"the format {template!r} holds a conversion that is not implemented")
    if len(conversions) > len(fields):
        refuse(arguments.node("format"), "the format has more conversions than there are fields")
    as_null = context.flipped("format-missing")

    def evaluate(row: Row) -> Value | None:
        out = []
        names = iter(fields)
        for piece in pieces:
            if isinstance(piece, str):
                out.append(piece)
                continue
            value = row.get(next(names))
            if value is None:
                context.meet("format-missing")
                if not as_null:
                    return None
                out.append("null")
                continue
            shown = piece(value)
            if shown is None:
                return None
            out.append(shown)
        return "".join(out)

    return Computed(evaluate, arguments.text("as", "_format"))


def _conversion(arguments: Arguments, found: re.Match[str]) -> Callable[[Value], str | None]:
    kind = found["type"]
    places = int(found["places"]) if found["places"] else None
    if kind not in "sdifxX" or (places is not None and kind != "f"):
        refuse(arguments.node("format"), f"the conversion {found.group()} is not implemented")
    flags = found["flags"]
    sign = "+" if "+" in flags else " " if " " in flags else ""
    comma = "," if "," in flags else ""
    width = int(found["width"]) if found["width"] else 0
    spec = f"{sign}{'0' if '0' in flags and kind != 's' else ''}{width or ''}{comma}"

    def convert(value: Value) -> str | None:
        if kind == "s":
            shown = text(value)
        else:
            amount = number(value)
            if amount is None or (kind in "dixX" and not isinstance(amount, int)):
                return None
            if kind == "f":
                shown = format(
                    _half_up(amount, 6 if places is None else places), f"{spec}.{6 if places is None else places}f"
                )
            elif kind in "xX":
                shown = format(amount % 2**64, kind)
            else:
                shown = format(amount, f"{spec}d")
        return shown.ljust(width) if "-" in flags else shown.rjust(width)

    return convert


def _half_up(amount: float, places: int) -> float:
    """By "standard math rules" (examples/examples-functions-round-decimalpoint.html): halves away from 0."""
    scale = 10.0**places
    scaled = abs(amount) * scale
    return math.copysign(math.floor(scaled + _HALF) / scale, amount) if math.isfinite(scaled) else amount


def _now(context: Context, call: tree.Call, bound: tree.Field | None) -> Computed:
    """The current time in milliseconds (data-analysis/functions-now.html)."""
    arguments = Arguments(call, "as", bound)
    return Computed(lambda _: normal(float(math.floor(context.now * 1000))), arguments.text("as", "_now"))


_BUILDERS: dict[str, Callable[[Context, tree.Call, tree.Field | None], Computed]] = {
    "lower": _lower,
    "upper": _lower,
    "length": _length,
    "replace": _replace,
    "round": _round,
    "formatTime": _format_time,
    "parseTimestamp": _parse_timestamp,
    "format": _format,
    "now": _now,
    **{f"time:{name}": _time_part for name in _TIME_PARTS},
}
