"""Rows made for a plan's own constants: what a scenario finds, again and again with another value in one column.

A list of thirty ports or networks does not become thirty scenarios. Here the rows of a scenario that has hits are
repeated for every constant that the plan compares a column with, on hosts of their own, and for every column without a
value. What the plan makes of them is the oracle's to say.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from polysigma.plan.expressions import Column, Comparison, Constant, Expression, In, InNetwork, TextMatch, columns, walk
from polysigma.plan.steps import Annotate, Derive, Group, Score, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.steps import Plan

ADDRESSES = ("::ffff:192.0.2.1", "::FFFF:10.1.2.3", "2001:DB8::1", "fe80::1%3")
"""Addresses in spellings that every platform reads alike."""
HEXADECIMAL = ("::ffff:c000:201", "::ffff:a01:203")
"""IPv4-mapped addresses that LogScale is declared to leave as they are."""


def probes(
    plan: Plan, rows: Sequence[Mapping[str, Any]], hosts: Iterable[str], *, hexadecimal: bool = True
) -> list[dict[str, Any]]:
    """The rows, then a copy of them for each value of each column that the plan tells from others."""
    made = [dict(row) for row in rows]
    raw = {name for row in rows for name in row}
    derived = {name: value for source in plan.sources for name, value in source.derived}
    for step in plan.steps:
        if isinstance(step, Derive):
            derived |= {name: value for name, value in step.columns if columns(value)}
    key = [name for host in hosts for name in _raw(host, derived, raw)]
    number = 0
    for column, value in _values(plan):
        if value in HEXADECIMAL and not hexadecimal:
            continue
        for name in _raw(column, derived, raw):
            number += 1
            made += [_on(number, key, {**row, name: value}) for row in rows if _there(row.get(name))]
    for name in sorted({one for column in _read(plan) for one in _raw(column, derived, raw)}):
        number += 1
        made += [_on(number, key, {**row, name: ""}) for row in rows if isinstance(row.get(name), str)]
        made += [_on(number, key, {**row, name: None}) for row in rows if not isinstance(row.get(name), str)]
    return made


def _there(value: object) -> bool:
    return value is not None and value != ""


def _on(number: int, key: Sequence[str], row: dict[str, Any]) -> dict[str, Any]:
    """The row on a host of its own; a host without a name keeps none."""
    return {**row, **{name: f"{row[name]}-{number}" for name in key if _there(row.get(name))}}


def _raw(
    column: str, derived: Mapping[str, Expression], raw: set[str], seen: frozenset[str] = frozenset()
) -> list[str]:
    """The columns of rows that a column is made of."""
    if column in derived and column not in seen:
        inner = (_raw(one, derived, raw, seen | {column}) for one in columns(derived[column]))
        return list(dict.fromkeys(name for names in inner for name in names))
    return [column] if column in raw else []


def _expressions(plan: Plan) -> Iterator[Expression]:
    for source in plan.sources:
        yield from (source.condition, *(value for _, value in source.derived))
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


def _read(plan: Plan) -> set[str]:
    """The columns without which a row is not found, or in no group. What is only measured is left out.

    A row may hold an empty text there, or a data model fill it, which LogScale and tstats count as a value.
    """
    by = {name for step in plan.steps if isinstance(step, Group | Annotate) for name in step.by}
    return by | {name for source in plan.sources for name in columns(source.condition)}


def _values(plan: Plan) -> Iterator[tuple[str, Any]]:
    """Each column that is compared, with each of the values."""
    done = set()
    for expression in _expressions(plan):
        for node in walk(expression):
            for pair in _compared(node):
                if pair not in done:
                    done.add(pair)
                    yield pair


def _compared(node: Expression) -> Iterator[tuple[str, Any]]:
    match node:
        case In(item=item, choices=choices):
            yield from ((name, value) for name in columns(item) for value in getattr(choices, "items", ()))
        case Comparison(left=left, right=Constant(value=value)) if not isinstance(value, bool):
            yield from ((name, value) for name in columns(left))
        case TextMatch(item=item, parts=parts):
            text = "".join(part if isinstance(part, str) else "x" for part in parts)
            yield from ((name, text) for name in columns(item))
        case InNetwork(item=item, networks=networks):
            for name in columns(item) if isinstance(item, Column) else ():
                for network in map(ipaddress.ip_network, networks):
                    first, last = network[0], network[-1]
                    yield from ((name, str(one)) for one in (first, last))
                    # The neighbours, where there are any.
                    if int(first):
                        yield name, str(first - 1)
                    if int(last) + 1 < 2**last.max_prefixlen:
                        yield name, str(last + 1)
                yield from ((name, address) for address in (*ADDRESSES, *HEXADECIMAL))
        case _:
            return
