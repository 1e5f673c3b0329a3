"""The values that a plan tells from others: what its conditions compare each column with, and what makes them true."""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from polysigma.plan.expressions import (
    Call,
    Column,
    Comparison,
    Constant,
    Expression,
    In,
    InNetwork,
    Or,
    TextMatch,
    Wildcard,
    columns,
    walk,
)
from polysigma.plan.steps import Annotate, Derive, Group, Score, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from polysigma.plan.steps import Plan, Source

ADDRESSES = ("::ffff:192.0.2.1", "::FFFF:10.1.2.3", "fe80::1%3")
"""Addresses in spellings that every platform reads alike."""
OTHERWISE = ("::ffff:c000:201", "::ffff:a01:203", "::ffff:34ff:34ff", "2001:DB8::1")
"""IPv6 addresses that LogScale leaves as they are: a sensor writes each in one way, and mapped ones are declared."""
NO_ADDRESSES = (
    "1::2::3",
    "12345::1",
    "1:2:3:4:5:6:7:8:9",
    "::ffff:300.1.1.1",
    "300.1.1.1",
    "10.1.1",
    "10.1.1.1.1",
    "10.1.1.1x",
    "fe80::1::",
    "fe80:12345::",
    "10.1.1.1%3",
    "host",
    "cafe",
)
"""Texts that are no addresses, and lie in no network."""


def expressions(plan: Plan) -> Iterator[Expression]:
    """All that a plan evaluates on rows."""
    for source in plan.sources:
        yield from (*source.event, source.condition, *(value for _, value in source.derived))
    for step in plan.steps:
        match step:
            case Where(condition=condition):
                yield condition
            case Derive(columns=made):
                yield from (value for _, value in made)
            case Score(cases=cases):
                yield from (test for _, test in cases)
            case Group(measures=measures) | Annotate(measures=measures):
                yield from (part for one in measures for part in (one.value, one.condition) if part is not None)
            case _:
                pass


def _nodes(plan: Plan) -> Iterator[Expression]:
    return (node for expression in expressions(plan) for node in walk(expression))


def needed(plan: Plan) -> set[str]:
    """The columns without which a row is not found, or in no group."""
    by = {name for step in plan.steps if isinstance(step, Group | Annotate) for name in step.by}
    return by | {name for source in plan.sources for name in columns(source.condition)}


def measured(plan: Plan) -> set[str]:
    """The columns that are counted, added up or listed."""
    measures = (one for step in plan.steps if isinstance(step, Group | Annotate) for one in step.measures)
    return {name for one in measures if one.value is not None for name in columns(one.value)}


def named(plan: Plan) -> set[str]:
    """Every column that the plan groups by or tests."""
    tested = {name for expression in expressions(plan) for name in columns(expression)}
    return (tested | needed(plan)) - of_events(plan)


def of_events(plan: Plan) -> set[str]:
    """The columns that a product writes in one way: those that say what kind of event a row is, and prescribed values.

    Prescribed values, such as `direction` in Splunk's data model, are what claims compare with regard to case; packaged
    rules never do.
    """
    kinds = {name for source in plan.sources for test in source.event for name in columns(test)}
    nodes = (node for source in plan.sources for node in walk(source.condition))
    return kinds | {name for node in nodes if getattr(node, "cased", False) for name in columns(node)}


def values(plan: Plan) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Each column that is compared, with each of the values that it is to have, made from that of the row."""
    done = set()
    fixed = of_events(plan)
    for node in _nodes(plan):
        for column, value in _compared(node):
            if (column, value) in done:
                continue
            done.add((column, value))
            if isinstance(value, tuple):
                yield from ((column, partial(_filled, value, fill)) for fill in _FILLS)
                yield column, partial(constant, "".join(part for part in value if isinstance(part, str)))
            elif column in fixed:
                yield column, partial(_of_kind, plan, column, value)
            else:
                yield column, partial(constant, value)
        if isinstance(node, Or):
            yield from _one_of(node)
        if isinstance(node, TextMatch) and not node.cased:
            yield from ((name, made) for made in _beyond(node.parts) for name in columns(node.item))
        if isinstance(node, Call) and node.name == "labels":
            # The root of all names, of which no labels are left.
            yield from ((name, partial(constant, ".")) for name in columns(node))
        if isinstance(node, Call) and node.name == "base_name":
            # A path without a name behind its last separator.
            yield from ((name, "{}\\".format) for name in columns(node))


def constant(value: Any, _: Any) -> Any:
    """The value, whatever the row has."""
    return value


def _of_kind(plan: Plan, column: str, value: Any, old: Any) -> Any:
    """Another value of an event filter, if all searches that take the old one take it: they go together."""
    listed = [set(values) for source in plan.sources for name, values in kinds(source) if name == column]
    return value if all(value in values for values in listed if old in values or str(old) in map(str, values)) else old


def kinds(source: Source) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The columns by which a search tells kinds of events, with the values that it takes."""
    for node in (node for test in source.event for node in walk(test)):
        if isinstance(node, In) and isinstance(node.item, Column):
            yield node.item.name, getattr(node.choices, "items", ())


def _first_label(old: str) -> str:
    return old.partition(".")[0]


_FILLS: tuple[Callable[[str], str], ...] = (str, lambda _: "x", _first_label)
"""What stands for the first wildcard of a pattern: what the row has, nothing of it, its first label."""


def _filled(parts: Sequence[str | Wildcard], fill: Callable[[str], str], old: Any) -> str:
    fills = iter((fill(str(old)),))
    return "".join(part if isinstance(part, str) else next(fills, "x") for part in parts)


def _beyond(parts: Sequence[str | Wildcard]) -> Iterator[Callable[[Any], Any]]:
    """A text behind what a pattern asks for at the end, one before a base name, and one before the beginning."""
    if isinstance(parts[0], Wildcard) and isinstance(parts[-1], str):
        yield partial(_filled, (*parts, "x"), _first_label)
        if len(parts) == 2 and parts[1][:1] in {"/", "\\"}:
            yield partial(_filled, (Wildcard.ANY, f"{parts[1][0]}x{parts[1][1:]}"), _first_label)
    if isinstance(parts[0], str) and isinstance(parts[-1], Wildcard):
        yield partial(_filled, ("x", *parts), _first_label)


def _one_of(node: Or) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Of texts any of which will do, each one alone: the others are taken out of what the row has."""
    texts = [item for item in node.items if isinstance(item, TextMatch)]
    words = sorted({part for item in texts for part in item.parts if isinstance(part, str)}, key=len, reverse=True)
    if len(texts) < 2:
        return
    others = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
    for item in texts:
        for cased in (item.parts, capitals(item.parts)):
            yield from ((name, partial(_filled, cased, partial(others.sub, " "))) for name in columns(item.item))


def _compared(node: Expression) -> Iterator[tuple[str, Any]]:
    match node:
        case In(item=item, choices=choices, cased=cased):
            for value in getattr(choices, "items", ()):
                yield from ((name, one) for name in columns(item) for one in _spelled(value, cased=cased))
        case Comparison(left=left, right=Constant(value=value), cased=cased) if not isinstance(value, bool):
            yield from ((name, one) for name in columns(left) for one in _spelled(value, cased=cased))
        case TextMatch(item=item, parts=parts, cased=cased):
            yield from ((name, one) for name in columns(item) for one in _spelled(parts, cased=cased))
        case InNetwork(item=item, networks=networks):
            for name in columns(item) if isinstance(item, Column) else ():
                for network in map(ipaddress.ip_network, networks):
                    first, last = network[0], network[-1]
                    yield from ((name, str(one)) for one in (first, last, *_inside(network)))
                    if isinstance(network, ipaddress.IPv4Network) and 8 < network.prefixlen <= 16:
                        # What only the beginning tells apart.
                        yield name, f"52.{str(first).partition('.')[2]}"
                    # The neighbours, where there are any.
                    if int(first):
                        yield name, str(first - 1)
                    if int(last) + 1 < 2**last.max_prefixlen:
                        yield name, str(last + 1)
                yield from ((name, address) for address in (*ADDRESSES, *OTHERWISE, *NO_ADDRESSES))
        case _:
            return


def _inside(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Iterable[ipaddress.IPv6Address]:
    """An address for each of the digits that the beginning of an IPv6 network may end in."""
    if isinstance(network, ipaddress.IPv4Network) or not network.prefixlen % 4:
        return ()
    return (one[-1] for one in network.subnets(prefixlen_diff=-network.prefixlen % 4))


def _spelled(value: Any, *, cased: bool = False) -> Iterable[Any]:
    """A text, or a pattern, in its own and in capital letters; what a product prescribes in its own alone."""
    return (value,) if cased else dict.fromkeys((value, capitals(value)))


def capitals(value: Any) -> Any:
    """A text, or the texts of a pattern's parts, in capital letters; any other value as it is."""
    if isinstance(value, tuple):
        return tuple(map(capitals, value))
    return value.upper() if isinstance(value, str) else value


def choices(plan: Plan) -> dict[str, list[int]]:
    """The whole numbers that the plan compares each column with."""
    found: dict[str, list[int]] = {}
    for node in _nodes(plan):
        if isinstance(node, In) and isinstance(node.item, Column):
            numbers = [one for one in getattr(node.choices, "items", ()) if type(one) is int]
            found.setdefault(node.item.name, []).extend(numbers)
    return found


def of_calls(plan: Plan, function: str) -> set[str]:
    """The columns that a function is asked of, such as names of their labels."""
    called = (node for node in _nodes(plan) if isinstance(node, Call) and node.name == function)
    return {name for node in called for name in columns(node)}


def of_truth(plan: Plan) -> set[str]:
    """The columns that are compared with true or false."""
    compared = (node for node in _nodes(plan) if isinstance(node, Comparison) and isinstance(node.right, Constant))
    return {name for node in compared if isinstance(node.right.value, bool) for name in columns(node.left)}


def in_networks(plan: Plan) -> set[str]:
    """The columns that are looked for in networks."""
    nodes = _nodes(plan)
    return {node.item.name for node in nodes if isinstance(node, InNetwork) and isinstance(node.item, Column)}
