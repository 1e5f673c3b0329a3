"""Rows made for a plan's own constants: what a scenario finds, again and again with another value in one column.

A list of thirty ports or networks does not become thirty scenarios. Here the rows of a scenario that has hits are
repeated for every constant that the plan compares a column with, on hosts of their own, and for every column without a
value. What the plan makes of them is the oracle's to say.
"""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from polysigma.plan.expressions import (
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
from polysigma.plan.steps import TIME_COLUMN, Annotate, Derive, Group, Score, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.steps import Plan, Source

GRID = 16
"""Places of a scenario between which edges are looked for."""
ADDRESSES = ("::ffff:192.0.2.1", "::FFFF:10.1.2.3", "2001:DB8::1", "fe80::1%3")
"""Addresses in spellings that every platform reads alike."""
HEXADECIMAL = ("::ffff:c000:201", "::ffff:a01:203", "::ffff:34ff:34ff")
"""IPv4-mapped addresses that LogScale is declared to leave as they are."""
SPELLINGS = (("2001:db8::1", "2001:0DB8:0:0::1"), ("192.0.2.1", "::ffff:c000:201"), ("192.0.2.1", "::FFFF:192.0.2.1"))
"""Two spellings of one address each."""

SPELLED = (
    ("203.0.113.{}", "::FFFF:203.0.113.{}"),
    ("52.255.255.{}", "::ffff:34ff:ff{:02x}"),
    ("2001:db8::{}", "2001:0DB8:0:0::{:04}"),
)
"""Addresses by their last number in two spellings each; LogScale reads only the first pair as the same."""


def probes(
    plan: Plan,
    rows: Sequence[Mapping[str, Any]],
    hosts: Iterable[str],
    *,
    hexadecimal: bool = True,
    empty: bool = True,
) -> list[dict[str, Any]]:
    """Copies of the rows for each value of each column that the plan tells from others: in all rows, or the last.

    The rows are as many as are just enough for a hit, so that the last one decides where values are counted. Further
    copies have no value in a column, the value in another of the columns that a derived one is made of, or every second
    one in other letters. `hexadecimal` and `empty` are for platforms that are declared to read such addresses, and text
    that is empty where it is only measured, otherwise.
    """
    copies = Copies(plan, rows, hosts)
    choices = _choices(plan)
    made = [dict(row) for row in rows]

    def last(name: str, value: Callable[[Any], Any]) -> None:
        *before, row = copies.fresh(rows)
        made.extend([*before, {**row, name: value(row.get(name))}])

    for column, value in _values(plan):
        if value("") in HEXADECIMAL and not hexadecimal:
            continue
        for name in copies.raw(column):
            made += [{**row, name: value(row[name])} for row in copies.fresh(rows) if _there(row.get(name))]
            if _there(rows[-1].get(name)):
                last(name, value)
    measured = {one for column in _measured(plan) for one in copies.raw(column)} - set(copies.keys)
    for name in sorted(measured) if empty else ():
        value = next((value for row in rows if (value := row.get(name))), None)
        if isinstance(value, str):
            # LogScale is not asked to take an empty text for no number: no event has one.
            nothing = None if value.isdigit() else ""
            made += [{**row, name: nothing} for row in copies.fresh(rows)]
            last(name, partial(_constant, nothing))
    for name in sorted({one for column in _read(plan) for one in copies.raw(column)}):
        made += [{**row, name: _nothing(row.get(name))} for row in copies.fresh(rows)]
        last(name, _nothing)
        # One row more, without the value, and with others in what is counted.
        beside = {other: _other(value) for other in measured if other != name and (value := rows[-1].get(other))}
        fresh = copies.fresh(rows)
        made += [*fresh, {**fresh[-1], **beside, name: _nothing(rows[-1].get(name))}]
    for name in sorted({one for column in _named(plan) for one in copies.raw(column)}):
        for number, row in enumerate(copies.fresh(rows)):
            text = row.get(name)
            made.append({**row, name: text.swapcase()} if isinstance(text, str) and number % 2 else row)
    # Two keys that only their addresses tell apart, so that the last column of an order decides.
    twins = copies.fresh(rows)
    by = {column for step in plan.steps if isinstance(step, Group) for column in step.by}
    grouped = sorted({name for column in by for name in copies.raw(column)})
    made += twins
    for row in twins:
        changed = {name: "52.1.1.1" for name in copies.keys if _is_ipv4(row.get(name))}
        made += [{**row, **changed}] if changed else []
        later = {name: after for name in grouped if (after := _next(row.get(name), choices.get(name, [])))}
        made += [{**row, **dict.fromkeys(changed, "1.1.1.1"), **later}] if changed and later else []
    made += _of_other_kinds(plan, rows, copies)
    made += _with_long_lists(plan, rows, copies, choices)
    for name in sorted({one for column in _in_networks(plan) for one in copies.raw(column)}) if hexadecimal else ():
        for spellings in SPELLINGS if _there(rows[-1].get(name)) else ():
            fresh = copies.fresh(rows)
            made += [{**row, name: spellings[number % 2]} for number, row in enumerate([*fresh, fresh[-1]])]
    for names in copies.alternatives():
        for name in names:
            for other in names:
                if name != other and any(_there(row.get(name)) for row in rows):
                    made += [{**row, name: None, other: row.get(name)} for row in copies.fresh(rows)]
        # A value that the plan asks for in one of them, that of the row in another, and none in all of them.
        texts = {one: {value("") for column, value in _values(plan) if column == one} for one in names}
        for name, other in [(name, other) for name in names for other in names if name != other]:
            for value in texts.get(name, ()):
                for row in copies.fresh(rows):
                    own = next((text for one in names if (text := row.get(one)) in texts.get(one, ())), None)
                    made.append({**row, **dict.fromkeys(names), name: value, other: own})
        made += [{**row, **{name: _nothing(row.get(name)) for name in names}} for row in copies.fresh(rows)]
    for name in copies.hosts if len(copies.hosts) > 1 else ():
        # Two hosts that only this column tells apart, the later name first.
        fresh = copies.fresh(rows)
        made += [{**row, name: f"{row[name]}~"} for row in fresh if _there(row.get(name))] + fresh
    for name in copies.keys:
        # Keys that only a number of a list tells apart.
        fresh = copies.fresh(rows)
        numbers = {one for column, value in _values(plan) if column == name and type(one := value("")) is int}
        made += [{**row, name: one} for one in sorted(numbers) for row in fresh if _there(row.get(name))]
        # The same addresses in two spellings, the last of them in both.
        for spelled in SPELLED[: 3 if hexadecimal else 1] if all(_is_ipv4(row.get(name)) for row in rows) else ():
            fresh = copies.fresh(rows)
            for number, row in enumerate([*fresh, fresh[-1]]):
                made.append({**row, name: spelled[number % 2].format(int(row[name].split(".")[3]))})
    return made


def _of_other_kinds(plan: Plan, rows: Sequence[Mapping[str, Any]], copies: Copies) -> Iterator[dict[str, Any]]:
    """Copies that are events of another kind, and such that say of which kind they are where the rows do not."""
    taken: dict[str, list[Any]] = {}
    for source in plan.sources:
        for name, values in _kinds(source):
            taken.setdefault(name, []).extend(values)
    for name, values in taken.items():
        said = any(_there(row.get(name)) for row in rows)
        for value in dict.fromkeys((*(() if said else values), _none_of(values))):
            # Splunk tells the events of a data model by their tags.
            tags = {"tag": []} if value not in values and "tag" in rows[0] else {}
            yield from ({**row, name: value, **tags} for row in copies.fresh(rows))


def _with_long_lists(
    plan: Plan, rows: Sequence[Mapping[str, Any]], copies: Copies, choices: Mapping[str, Sequence[int]]
) -> Iterator[dict[str, Any]]:
    """Copies in which there is more than is shown of each column that is listed, and of all at once."""
    lists = [one for step in plan.steps if isinstance(step, Group | Annotate) for one in step.measures]
    limited = [(one.value, int(one.constant)) for one in lists if one.value is not None and one.constant]
    names = sorted({name for value, _ in limited for column in columns(value) for name in copies.raw(column)})
    for some in [[name] for name in names] + ([names] if len(names) > 1 else []):
        fresh = copies.fresh(rows if len(rows) <= GRID * 2 else rows[-1:])
        more = max(most for _, most in limited) + 2
        for place, row in enumerate(fresh):
            for number in range(place * more, place * more + more):
                yield {**row, **{name: _varied(row.get(name), number, choices.get(name, ())) for name in some}}


def _varied(value: Any, number: int, choices: Sequence[int]) -> Any:
    """Another value for each number, of the ones that the plan knows where it compares numbers."""
    if not _there(value) or isinstance(value, bool):
        return value
    if _is_ipv4(value):
        return f"52.250.{number // 250}.{number % 250}"
    if choices and str(value).isdigit():
        return type(value)(choices[number % len(choices)])
    return f"{number}{value}" if isinstance(value, str) and not value.isdigit() else type(value)(int(value) + number)


def _next(value: Any, choices: Sequence[int]) -> Any:
    """The next number that the plan knows, or the next number; None for what is no number."""
    if isinstance(value, bool) or not str(value).isdigit():
        return None
    return type(value)(next((one for one in sorted(choices) if one > int(value)), int(value) + 1))


def _none_of(values: Sequence[Any]) -> Any:
    """A value like some others that none of them is."""
    return f"{values[0]}x" if isinstance(values[0], str) else max(values) + 1000


def _choices(plan: Plan) -> dict[str, list[int]]:
    """The whole numbers that the plan compares each column with."""
    found: dict[str, list[int]] = {}
    for expression in _expressions(plan):
        for node in walk(expression):
            if isinstance(node, In) and isinstance(node.item, Column):
                numbers = [one for one in getattr(node.choices, "items", ()) if type(one) is int]
                found.setdefault(node.item.name, []).extend(numbers)
    return found


def _in_networks(plan: Plan) -> set[str]:
    nodes = (node for expression in _expressions(plan) for node in walk(expression))
    return {node.item.name for node in nodes if isinstance(node, InNetwork) and isinstance(node.item, Column)}


class Copies:
    """Copies of rows, each on hosts of its own; where the plan counts over hosts, to peers of their own too."""

    def __init__(self, plan: Plan, rows: Iterable[Mapping[str, Any]], hosts: Iterable[str]) -> None:
        self._columns = {name for row in rows for name in row}
        # Each search derives a column in its own way.
        self._derived: dict[str, list[list[str]]] = {}
        for name, value in (pair for source in plan.sources for pair in source.derived):
            self._derived.setdefault(name, []).append(list(dict.fromkeys(columns(value))))
        for step in plan.steps:
            if isinstance(step, Derive):
                self._derived |= {name: [list(columns(value))] for name, value in step.columns if columns(value)}
        hosts = set(hosts)
        self.hosts = [name for host in sorted(hosts) for name in self.raw(host)]
        over = [step.by for step in plan.steps if isinstance(step, Annotate) and not hosts & set(step.by)]
        self._peers = [name for by in over for column in by for name in self.raw(column)]
        self.keys = sorted({name for column in _read(plan) for name in self.raw(column)})
        self._number = 0

    def raw(self, column: str) -> list[str]:
        """The columns of rows that a column is made of."""
        return _raw(column, self._derived, self._columns)

    def alternatives(self) -> list[list[str]]:
        """Columns that one derived column, which is no time, is made of, where they are several."""
        made = (names for name, ways in self._derived.items() if name != TIME_COLUMN for names in ways)
        found = [[name for name in names if name not in self._derived] for names in made]
        return [names for names in found if len(names) > 1]

    def fresh(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A copy of the rows; a host without a name keeps none."""
        self._number += 1
        made = []
        for row in rows:
            copy = dict(row)
            for name in self.hosts:
                if _there(copy.get(name)):
                    copy[name] = f"{copy[name]}-{self._number}"
            for name in self._peers:
                if _is_ipv4(copy.get(name)):
                    copy[name] = f"52.{self._number // 250}.{self._number % 250}.{copy[name].split('.')[3]}"
            made.append(copy)
        return made


def edges(rows: Sequence[Mapping[str, Any]], find: Callable[[Sequence[Mapping[str, Any]]], Hashable]) -> list[int]:
    """How many of the first rows make a difference, and one fewer, by what `find` says of them; all of them last.

    Looked for between a few places, and where these differ between them: what comes and goes in between is not seen.
    """
    found: dict[int, Hashable] = {}

    def at(count: int) -> Hashable:
        if count not in found:
            found[count] = find(rows[:count])
        return found[count]

    chosen = {len(rows)}
    stretches = list(pairwise(sorted({len(rows) * part // GRID for part in range(GRID + 1)})))
    while stretches:
        first, last = stretches.pop()
        if at(first) == at(last):
            continue
        if last - first == 1:
            chosen |= {first, last}
            continue
        middle = (first + last) // 2
        stretches += [(first, middle), (middle, last)]
    return sorted(chosen - {0})


def _is_ipv4(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+(\.\d+){3}", value) is not None


def _there(value: object) -> bool:
    return value is not None and value != ""


def _nothing(value: object) -> str | None:
    """No value, as rows have it: an empty text for a text."""
    return "" if isinstance(value, str) else None


def _raw(
    column: str, derived: Mapping[str, list[list[str]]], raw: set[str], seen: frozenset[str] = frozenset()
) -> list[str]:
    """The columns of rows that a column is made of."""
    if column in derived and column not in seen:
        inner = (_raw(one, derived, raw, seen | {column}) for names in derived[column] for one in names)
        return list(dict.fromkeys(name for names in inner for name in names))
    return [column] if column in raw else []


def _expressions(plan: Plan) -> Iterator[Expression]:
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


def _read(plan: Plan) -> set[str]:
    """The columns without which a row is not found, or in no group."""
    by = {name for step in plan.steps if isinstance(step, Group | Annotate) for name in step.by}
    return by | {name for source in plan.sources for name in columns(source.condition)}


def _measured(plan: Plan) -> set[str]:
    """The columns that are counted, added up or listed."""
    measures = (one for step in plan.steps if isinstance(step, Group | Annotate) for one in step.measures)
    return {name for one in measures if one.value is not None for name in columns(one.value)}


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    return f"{value}x" if isinstance(value, str) and not value.isdigit() else value


def _named(plan: Plan) -> set[str]:
    """Every column that the plan groups by or tests."""
    tested = {name for expression in _expressions(plan) for name in columns(expression)}
    return (tested | _read(plan)) - _of_events(plan)


def _of_events(plan: Plan) -> set[str]:
    """The columns that a product writes in one way: those that say what kind of event a row is, and prescribed values.

    Prescribed values, such as `direction` in Splunk's data model, are what claims compare with regard to case; packaged
    rules never do.
    """
    kinds = {name for source in plan.sources for test in source.event for name in columns(test)}
    nodes = (node for source in plan.sources for node in walk(source.condition))
    return kinds | {name for node in nodes if getattr(node, "cased", False) for name in columns(node)}


def _values(plan: Plan) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Each column that is compared, with each of the values that it is to have, made from that of the row."""
    done = set()
    constant = _of_events(plan)
    for expression in _expressions(plan):
        for node in walk(expression):
            for column, value in _compared(node):
                if column in constant and _in_capitals(value):
                    continue
                if (column, value) in done:
                    continue
                done.add((column, value))
                if isinstance(value, tuple):
                    yield from ((column, partial(_filled, value, fill)) for fill in _FILLS)
                elif column in constant:
                    yield column, partial(_of_kind, plan, column, value)
                else:
                    yield column, partial(_constant, value)
            if isinstance(node, Or):
                yield from _one_of(node)


def _in_capitals(value: Any) -> bool:
    text = "".join(part for part in value if isinstance(part, str)) if isinstance(value, tuple) else value
    return isinstance(text, str) and text.upper() == text != text.lower()


def _constant(value: Any, _: Any) -> Any:
    return value


def _of_kind(plan: Plan, column: str, value: Any, old: Any) -> Any:
    """Another value of an event filter, if all searches that take the old one take it: they go together."""
    listed = [set(values) for source in plan.sources for name, values in _kinds(source) if name == column]
    return value if all(value in values for values in listed if old in values or str(old) in map(str, values)) else old


def _kinds(source: Source) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The columns by which a search tells kinds of events, with the values that it takes."""
    for node in (node for test in source.event for node in walk(test)):
        if isinstance(node, In) and isinstance(node.item, Column):
            yield node.item.name, getattr(node.choices, "items", ())


_FILLS: tuple[Callable[[str], str], ...] = (str, lambda _: "x", lambda old: old.split(".")[0])
"""What stands for the first wildcard of a pattern: what the row has, nothing of it, its first label."""


def _filled(parts: Sequence[str | Wildcard], fill: Callable[[str], str], old: Any) -> str:
    fills = iter((fill(str(old)),))
    return "".join(part if isinstance(part, str) else next(fills, "x") for part in parts)


def _one_of(node: Or) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Of texts any of which will do, each one alone: the others are taken out of what the row has."""
    texts = [item for item in node.items if isinstance(item, TextMatch)]
    words = sorted({part for item in texts for part in item.parts if isinstance(part, str)}, key=len, reverse=True)
    if len(texts) < 2:
        return
    others = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
    for item in texts:
        for cased in (item.parts, tuple(part if isinstance(part, Wildcard) else part.upper() for part in item.parts)):
            yield from ((name, partial(_filled, cased, partial(others.sub, " "))) for name in columns(item.item))


def _compared(node: Expression) -> Iterator[tuple[str, Any]]:
    match node:
        case In(item=item, choices=choices):
            for value in getattr(choices, "items", ()):
                yield from ((name, one) for name in columns(item) for one in _spelled(value))
        case Comparison(left=left, right=Constant(value=value)) if not isinstance(value, bool):
            yield from ((name, one) for name in columns(left) for one in _spelled(value))
        case TextMatch(item=item, parts=parts):
            upper = tuple(part if isinstance(part, Wildcard) else part.upper() for part in parts)
            yield from ((name, one) for name in columns(item) for one in dict.fromkeys((parts, upper)))
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


def _spelled(value: Any) -> Iterable[Any]:
    """A text in its own and in capital letters."""
    return dict.fromkeys((value, value.upper())) if isinstance(value, str) else (value,)
