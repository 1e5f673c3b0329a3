"""Filter functions on one field: cidr, in, match, regex, wildcard.

Each gives a test, and, where the documentation leaves it open what the negated function does with an event that has
nothing to compare, a second test that tells such events.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.patterns import equals, whole
from polysigma.engines.cql.regexes import compile_regex, search_test
from polysigma.engines.cql.values import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.cql import tree
    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.regexes import Pattern
    from polysigma.engines.cql.values import Row, Test, Value


class Predicate(NamedTuple):
    """A filter function of one call."""

    test: Test
    undefined: Test | None = None
    """Whether an event has nothing for it to compare; None where the documentation says what negation then does."""


def negated(context: Context, predicate: Predicate) -> Test:
    """`!call()`: "implying the inverse of the result" (data-analysis/syntax-operators.html, negating)."""
    test, undefined = predicate
    if undefined is None:
        return lambda row: not test(row)
    passes = not context.flipped("negated-call-missing")

    def inverse(row: Row) -> bool:
        if test(row):
            return False
        if undefined(row):
            context.meet("negated-call-missing")
            return passes
        return True

    return inverse


def field_predicate(context: Context, call: tree.Call, bound: tree.Field | None) -> Predicate | None:
    """The test of a call, or None if its function is none of these."""
    match function_name(call):
        case "cidr":
            return _cidr(context, call, bound)
        case "in":
            return _in(context, call, bound)
        case "wildcard":
            return _wildcard(context, call, bound)
        case "match":
            return _match(context, call, bound)
        case "regex":
            field, pattern, _ = regex_of(context, call, bound)
            return Predicate(search_test(context, field, pattern), lambda row: field not in row)
        case _:
            return None


def _on_field(field: str, matches: Callable[[Value], bool]) -> Test:
    def test(row: Row) -> bool:
        value = row.get(field)
        return value is not None and matches(value)

    return test


def _cidr(context: Context, call: tree.Call, bound: tree.Field | None) -> Predicate:
    """Whether an address lies in one of the networks, IPv4 or IPv6 (data-analysis/functions-cidr.html).

    What is no address lies in none. `!cidr()` lets events without the field pass: the page says so of `negate`.
    """
    arguments = Arguments(call, "field subnet", bound)
    field = arguments.field("field")
    ranges: list[tuple[int, int, int]] = []
    for subnet in arguments.texts("subnet"):
        try:
            network = ipaddress.ip_network(subnet, strict=False)
        except ValueError:
            refuse(arguments.node("subnet"), f"{subnet!r} is no network")
        ranges.append((network.version, int(network.network_address), int(network.broadcast_address)))
    known: dict[str, bool] = {}

    def inside(value: Value) -> bool:
        shown = text(value)
        found = known.get(shown)
        if found is None:
            found = _in_ranges(context, shown, ranges)
            known[shown] = found
        return found

    return Predicate(_on_field(field, inside))


def _in_ranges(context: Context, shown: str, ranges: list[tuple[int, int, int]]) -> bool:
    try:
        address = ipaddress.ip_address(shown)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    found = _has(address, ranges)
    if mapped is not None and _has(mapped, ranges) != found:
        context.meet("cidr-mapped")
        return _has(mapped, ranges) or found if context.flipped("cidr-mapped") else found
    return found


def _has(address: ipaddress.IPv4Address | ipaddress.IPv6Address, ranges: list[tuple[int, int, int]]) -> bool:
    number = int(address)
    return any(version == address.version and low <= number <= high for version, low, high in ranges)


def _in(context: Context, call: tree.Call, bound: tree.Field | None) -> Predicate:
    """Whether the value is one of several, which may have wildcards (data-analysis/functions-in.html)."""
    arguments = Arguments(call, "field values ignoreCase", bound)
    field = arguments.field("field")
    values = arguments.texts("values")
    if arguments.flag("ignoreCase", default=False):
        tries = [whole(context, value, ignore_case=True) for value in values]
    else:
        tries = [equals(context, value, "in-numeric") for value in values]
    exact = frozenset(value for value in values if "*" not in value)

    def among(value: Value) -> bool:
        return text(value) in exact or any(matches(value) for matches in tries)

    return Predicate(_on_field(field, among), lambda row: field not in row)


def _match(context: Context, call: tree.Call, bound: tree.Field | None) -> Predicate:
    """Whether a value is in a column of a file (data-analysis/functions-match.html).

    Nothing is joined to the event, as the file has no other column; `strict`, the default, drops what has no match.
    """
    arguments = Arguments(call, "file field column ignoreCase strict", bound)
    field = arguments.field("field")
    name = arguments.text("file").removesuffix(".csv")
    if name not in context.lookups:
        refuse(arguments.node("file"), f"there is no file {name}.csv", "upload it, as polysigma tune --emit says")
    if arguments.text("column", field) != "value":
        refuse(arguments.node("column"), "the file has one column, value")
    if not arguments.flag("strict", default=True):
        refuse(arguments.node("strict"), "match(strict=false) is not implemented")
    ignore_case = arguments.flag("ignoreCase", default=False)
    known = {value.lower() if ignore_case else value for value in context.lookups[name]}

    def among(value: Value) -> bool:
        shown = text(value)
        return (shown.lower() if ignore_case else shown) in known

    return Predicate(_on_field(field, among), lambda row: field not in row)


def _wildcard(context: Context, call: tree.Call, bound: tree.Field | None) -> Predicate:
    """Whether a field's whole value matches a pattern (data-analysis/functions-wildcard.html).

    The search over all fields, without `field=`, is not implemented.
    """
    arguments = Arguments(call, "field pattern ignoreCase includeEverythingOnAsterisk", bound)
    fields = arguments.fields("field")
    pattern = arguments.text("pattern")
    matches = whole(context, pattern, ignore_case=arguments.flag("ignoreCase", default=False))
    if arguments.flag("includeEverythingOnAsterisk", default=False) and pattern == "*":
        return Predicate(lambda _: True)
    tests = [_on_field(field, matches) for field in fields]
    return Predicate(
        lambda row: any(test(row) for test in tests), lambda row: not any(field in row for field in fields)
    )


def regex_of(context: Context, call: tree.Call, bound: tree.Field | None) -> tuple[str, Pattern, bool]:
    """The field, the pattern and the strictness of a regex() (data-analysis/functions-regex.html)."""
    arguments = Arguments(call, "field regex flags strict repeat", bound)
    if arguments.flag("repeat", default=False):
        refuse(arguments.node("repeat"), "regex(repeat=true), which makes several events of one, is not implemented")
    pattern = function_regex(context, arguments)
    return arguments.field("field", "@rawstring"), pattern, arguments.flag("strict", default=True)


def function_regex(context: Context, arguments: Arguments) -> Pattern:
    """The pattern of regex() or replace(), whose default flags the documentation tells in two ways."""
    source = arguments.text("regex")
    node = arguments.node("regex")
    if "flags" in arguments:
        flags = arguments.text("flags")
        if "g" in flags:
            refuse(arguments.node("flags"), "the flag g is documented as not allowed here; there is repeat=true")
        return compile_regex(context, node, source, flags)
    if any(mark in source for mark in "^$"):
        context.compiled.add("regex-function-flags")
    return compile_regex(context, node, source, "" if context.flipped("regex-function-flags") else "m")
