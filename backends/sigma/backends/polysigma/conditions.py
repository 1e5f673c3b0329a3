"""Sigma conditions to expressions, once for all languages."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    Placeholder,
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
    SigmaType,
    SpecialChars,
)

from polysigma.plan.expressions import (
    FALSE,
    TRUE,
    Call,
    Column,
    Comparison,
    ComparisonOperator,
    Constant,
    Exists,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Regex,
    RegexFlag,
    TextMatch,
    Wildcard,
    conjunction,
    disjunction,
)
from polysigma.plan.steps import TIME_COLUMN
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .absent import is_absent, outcome
from .errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OPERATORS: dict[CompareOperators, ComparisonOperator] = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
}
_FLAGS: dict[SigmaRegularExpressionFlag, RegexFlag] = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
_WILDCARDS = {SpecialChars.WILDCARD_MULTI: Wildcard.ANY, SpecialChars.WILDCARD_SINGLE: Wildcard.ONE}


def expression_of(
    condition: object,
    type_of: Callable[[str], Type],
    raw: str | None = None,
    lookups: Mapping[str, Lookup | ListLiteral] | None = None,
) -> Expression:
    """The expression of a parsed condition whose fields are platform columns already.

    `type_of` gives the type of a column, `raw` the column that keywords are looked for in, `lookups` what stands for a
    placeholder that is a whole value. A part of a time
    (SigmaTimestampPart) is asked of a column that is a time, and is that in UTC: Sigma's specification names no time
    zone, and events are stamped in UTC.
    Raises SigmaFeatureNotSupportedByBackendError for what cannot be said.
    """
    match condition:
        case ConditionFieldEqualsValueExpression(field=field, value=value) if is_absent(field):
            return TRUE if outcome(value) else FALSE
        case ConditionFieldEqualsValueExpression(field=field, value=SigmaString(s=(Placeholder(name=name),))) if (
            lookups and name in lookups
        ):
            return _in_lookup(Column(field), lookups[name], type_of(field))
        case ConditionFieldEqualsValueExpression(field=field, value=value):
            return _test(Column(field), value, type_of)
        case ConditionAND(args=args):
            return conjunction(*(expression_of(item, type_of, raw, lookups) for item in args))
        case ConditionOR(args=args):
            return disjunction(*(expression_of(item, type_of, raw, lookups) for item in args))
        case ConditionNOT(args=args):
            return Not(expression_of(args[0], type_of, raw, lookups))
        case ConditionValueExpression(value=value):
            return _keyword(value, raw)
        case _:
            raise unsupported(
                RefusalCode.CONDITION_KIND, f"a condition of the kind {type(condition).__name__} is not supported"
            )


def _in_lookup(column: Column, choices: Lookup | ListLiteral, kind: Type) -> Expression:
    if kind not in {Type.TEXT, Type.ADDRESS}:
        raise unsupported(
            RefusalCode.TYPE_MISMATCH,
            f"{column.name}: a lookup holds texts, and this is a {kind.value}; name the values in `where`",
        )
    if kind is Type.ADDRESS:
        items = tuple(_canonical_address(str(item)) for item in choices.items)
        choices = Lookup(choices.name, items) if isinstance(choices, Lookup) else ListLiteral(items)
    return In(column, choices)


def _keyword(value: SigmaType, raw: str | None) -> Expression:
    """A search over all fields, in the column that holds the event as it arrived: as JSON, which escapes some text."""
    shown = str(getattr(value, "regexp", value))
    if raw is None:
        raise unsupported(
            RefusalCode.KEYWORD_COLUMN,
            f"keyword {shown!r}: the platform has no column to search all fields in; name a field",
        )
    if isinstance(value, SigmaRegularExpression):
        text, test = shown.replace("\\", ""), _test(Column(raw), value, lambda _: Type.TEXT)
    elif isinstance(value, SigmaString) and not value.contains_placeholder():
        text = "".join(part for part in value.s if isinstance(part, str))
        inner = [
            part if isinstance(part, str) else _WILDCARDS[part] for part in value.s if not isinstance(part, Placeholder)
        ]
        parts = _without_doubles([Wildcard.ANY, *inner, Wildcard.ANY])
        test = TextMatch(Column(raw), tuple(parts), isinstance(value, SigmaCasedString))
    elif isinstance(value, SigmaNumber):
        text, test = "", TextMatch(Column(raw), (Wildcard.ANY, str(value.number), Wildcard.ANY))
    else:
        raise unsupported(
            RefusalCode.PLACEHOLDER,
            f"keyword {shown!r}: its placeholder has no value, or it is no text; add a pipeline",
        )
    if re.search(r'["\\\x00-\x1f]|[^\x00-\x7e]', text):
        raise unsupported(
            RefusalCode.KEYWORD_TEXT,
            f"keyword {shown!r}: all fields are searched in the event's JSON, which escapes such text; name a field",
        )
    return test


def _test(column: Column, value: SigmaType, type_of: Callable[[str], Type]) -> Expression:
    kind = type_of(column.name)
    match value:
        case SigmaString():
            return _text_test(column, value, kind)
        case SigmaTimestampPart(number=number):
            return Comparison("=", _time_part(column, value, kind), Constant(number))
        case SigmaNumber(number=number):
            _refuse_endless(column, number)
            if kind.is_number:
                return Comparison("=", column, Constant(number))
            return TextMatch(column, (str(number),))
        case SigmaBool(boolean=boolean):
            if kind is Type.BOOLEAN:
                return Comparison("=", column, Constant(boolean))
            return TextMatch(column, (str(boolean).lower(),))
        case SigmaNull():
            return Not(Exists(column))
        case SigmaExists(exists=exists):
            return Exists(column) if exists else Not(Exists(column))
        case SigmaRegularExpression(regexp=regexp, flags=flags):
            if regexp.contains_placeholder():
                raise unsupported(
                    RefusalCode.PLACEHOLDER,
                    f"{column.name}: the placeholder in {str(regexp)!r} has no value; add a pipeline",
                )
            if kind is Type.ADDRESS:
                _refuse_spelling(column, str(regexp).replace("(?:", "("), r"\.|\[\.\]")
            pattern, asked = _without_flags(str(regexp))
            return Regex(column, pattern, asked | {_FLAGS[flag] for flag in flags})
        case SigmaCIDRExpression(network=network):
            return InNetwork(column, (str(network),))
        case SigmaCompareExpression(number=SigmaTimestampPart() as part, op=operator):
            compared = _time_part(column, part, kind)
            return Comparison(_OPERATORS.get(operator, "!="), compared, Constant(part.number))
        case SigmaCompareExpression(number=number, op=operator):
            if kind in {Type.BOOLEAN, Type.ADDRESS, Type.TIME}:
                raise unsupported(
                    RefusalCode.TYPE_MISMATCH,
                    f"{column.name}: a {kind.value} cannot be compared with the number {number.number}",
                )
            _refuse_endless(column, number.number)
            if operator not in _OPERATORS:
                return Comparison("!=", column, Constant(number.number))
            return Comparison(_OPERATORS[operator], column, Constant(number.number))
        case SigmaFieldReference(field=other, starts_with=False, ends_with=False):
            if not _comparable(kind, type_of(other)):
                raise unsupported(
                    RefusalCode.TYPE_MISMATCH,
                    f"{column.name}: a {kind.value} cannot be compared with {other}, a {type_of(other)}",
                )
            return Comparison("=", column, Column(other))
        case SigmaFieldReference(field=other, starts_with=starts, ends_with=ends):
            if kind is not Type.TEXT or type_of(other) is not Type.TEXT:
                raise unsupported(
                    RefusalCode.TYPE_MISMATCH,
                    f"{column.name}: only texts can be looked for in one another, and {other} is none",
                )
            function = "contains" if starts and ends else "starts_with" if starts else "ends_with"
            return Comparison("=", Call(function, (column, Column(other))), TRUE)
        case SigmaExpansion(values=values):
            return disjunction(*(_test(column, item, type_of) for item in values))
        case _:
            raise unsupported(
                RefusalCode.CONDITION_KIND,
                f"{column.name}: a value of the kind {type(value).__name__} is not supported",
            )


def _time_part(column: Column, value: SigmaTimestampPart, kind: Type) -> Expression:
    name = value.timestamp_part.name.lower()
    if kind is not Type.TIME:
        raise unsupported(
            RefusalCode.TYPE_MISMATCH,
            f"{column.name}: |{name} is a part of a time, and this is a {kind.value}; ask it of UtcTime, or of "
            f"{TIME_COLUMN}, the time of the event",
        )
    return Call(name, (column,))


def _text_test(column: Column, value: SigmaString, kind: Type) -> Expression:
    cased = isinstance(value, SigmaCasedString)
    parts: list[str | Wildcard] = []
    for part in value.s:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, SpecialChars):
            parts.append(_WILDCARDS[part])
        else:
            raise unsupported(
                RefusalCode.PLACEHOLDER,
                f"{column.name}: the placeholder in {str(value)!r} has no value; add a pipeline",
            )
    parts = _without_doubles(parts)
    if not parts:
        # Sigma: an empty value matches a field that is empty; missing and empty are one thing on every platform.
        return Not(Exists(column))
    if parts == [Wildcard.ANY]:
        return Exists(column)
    only = parts[0] if len(parts) == 1 else None
    if isinstance(only, str):
        if kind.is_number and (number := _number(only)) is not None:
            return Comparison("=", column, Constant(number))
        if kind is Type.BOOLEAN:
            if only.lower() not in {"true", "false"}:
                raise unsupported(
                    RefusalCode.TYPE_MISMATCH,
                    f"{column.name}: {only!r} can never match a column that holds true or false",
                )
            return Comparison("=", column, Constant(only.lower() == "true"))
        if kind is Type.ADDRESS:
            parts = [_canonical_address(only)]
    elif kind is Type.ADDRESS:
        _refuse_spelling(column, "".join(part for part in parts if isinstance(part, str)), r"\.")
    return TextMatch(column, tuple(parts), cased)


def _without_flags(pattern: str) -> tuple[str, frozenset[RegexFlag]]:
    """A pattern without the flags that it begins with, as in `(?is)`, and these: languages set them differently."""
    found = _FLAGS_FIRST.match(pattern)
    if found is None:
        return pattern, frozenset()
    return pattern[found.end() :], frozenset(flag for flag in _FLAGS.values() if flag in found[1])


_FLAGS_FIRST = re.compile(r"\(\?([ims]+)\)")


def _refuse_endless(column: Column, number: float) -> None:
    if not abs(number) < 2**63:
        raise unsupported(
            RefusalCode.NUMBER_RANGE,
            f"{column.name}: the number is none that every query language can write; at most 2 to the 63rd",
        )


def _refuse_spelling(column: Column, pattern: str, dot: str) -> None:
    """An IPv4 address has one spelling; an IPv6 address has many, and each platform another."""
    if ":" in pattern or not re.search(dot, pattern):
        raise unsupported(
            RefusalCode.ADDRESS_PATTERN,
            f"{column.name}: IPv6 addresses are spelled in many ways, so a pattern must have the dots of an IPv4 "
            "address and no colon; use |cidr instead",
        )


def _comparable(kind: Type, other: Type) -> bool:
    """Whether two columns can hold one value; a text that meets a number is read as one."""
    return kind is other or {kind, other} <= {Type.INTEGER, Type.REAL, Type.TEXT}


def _without_doubles(parts: list[str | Wildcard]) -> list[str | Wildcard]:
    if len(parts) < 2 and parts != [""]:
        return parts
    done: list[str | Wildcard] = []
    for part in parts:
        if part == "" or (part is Wildcard.ANY and done and done[-1] is Wildcard.ANY):
            continue
        done.append(part)
    return done


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        return None


def _canonical_address(text: str) -> str:
    """An address as the derived columns spell it; other text stays as it is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)
