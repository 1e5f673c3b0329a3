"""Rows made for a plan's own constants: what a scenario finds, again and again with another value in one column.

A list of thirty ports or networks does not become thirty scenarios. Here the rows of a scenario that has hits are
repeated for every constant that the plan compares a column with, on hosts of their own, and for every column without a
value. What the plan makes of them is the oracle's to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count, repeat
from typing import TYPE_CHECKING, Any

from copies import GRID, Copies, is_ipv4, nothing, there
from opened import Opened
from plan_values import (
    OTHERWISE,
    choices,
    constant,
    expressions,
    in_networks,
    kinds,
    measured,
    named,
    needed,
    of_calls,
    of_truth,
    values,
)
from ways import met, variations

from polysigma.engines.reference.evaluate import search
from polysigma.plan.expressions import columns
from polysigma.plan.steps import TIME_COLUMN, Annotate, Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.steps import Plan

SPELLINGS = (
    ("2001:db8::{:x}", "2001:0DB8:0:0::{:04X}"),
    ("52.250.254.{}", "::ffff:34fa:fe{:02x}"),
    ("192.0.2.{}", "::FFFF:192.0.2.{}"),
    ("host{}", "HOST{}"),
)
"""Addresses by their last number in two spellings each."""

NINE_GROUPS = ("1:2:3:4:5:6:7:8:{}", "01:2:3:4:5:6:7:8:{}")
"""Texts that are no address, and therefore two."""

SPELLED = (
    ("203.0.113.{}", "::FFFF:203.0.113.{}"),
    ("52.255.255.{}", "::ffff:34ff:ff{:02x}"),
    ("2001:db8::{}", "2001:0DB8:0:0::{:04}"),
    ("host{}", "HOST{}"),
)
"""Addresses by their last number in two spellings each; LogScale reads only the first pair as the same."""


def probes(
    plan: Plan,
    rows: Sequence[Mapping[str, Any]],
    hosts: Iterable[str],
    *,
    unread: frozenset[str] = frozenset(),
    empty: bool = True,
) -> list[dict[str, Any]]:
    """Copies of the rows for each value of each column that the plan tells from others: in all rows, or the last.

    The rows are as many as are just enough for a hit, so that the last one decides where values are counted. Further
    copies have no value in a column, the value in another of the columns that a derived one is made of, or every second
    one in other letters. `unread` are addresses, and `empty` says whether text that is empty where it is only measured,
    that a platform is not asked to read as the others do.
    """
    opened = Opened(plan)
    rows = list(map(opened.open, rows))
    base = _Base(opened.plan, rows, Copies(opened.plan, rows, hosts), unread, empty)
    makers = (_compared, _measured, _missing, _in_capitals, _twins, _of_other_kinds, _in_branches, _with_long_lists)
    makers += (_of_later, _spelled, _of_alternatives, _of_hosts, _of_keys, _turned)
    return list(map(opened.close, (*rows, *(row for maker in makers for row in maker(base)))))


def nowhere(plan: Plan, rows: Sequence[Mapping[str, Any]], hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Copies of the rows without each value that is needed, where the plan looks beyond one host; none elsewhere.

    Among the other rows what has no value would be common to many hosts, and left out for that.
    """
    copies = Copies(plan, rows, hosts)
    if not any(isinstance(step, Annotate) and not set(copies.hosts) & set(step.by) for step in plan.steps):
        return []
    base = _Base(plan, rows, copies, frozenset(), empty=True)
    return [row for name in base.raw(needed(plan)) for row in base.all(name, nothing)]


def sources_of(plan: Plan, rows: Iterable[Mapping[str, Any]]) -> list[tuple[int, ...]]:
    """The numbers of the searches of a plan that find each row."""
    alone = [replace(plan, sources=(source,)) for source in plan.sources]
    return [tuple(number for number, one in enumerate(alone) if any(search(one, [row]))) for row in rows]


@dataclass(frozen=True)
class _Base:
    """What is copied: a plan, and rows that it finds."""

    plan: Plan
    rows: Sequence[Mapping[str, Any]]
    copies: Copies
    unread: frozenset[str]
    empty: bool

    @cached_property
    def sources(self) -> list[tuple[int, ...]]:
        """The searches that find each row."""
        return sources_of(self.plan, self.rows)

    @property
    def reads_spellings(self) -> bool:
        """Whether the platform reads an IPv6 address in whatever spelling."""
        return not self.unread & set(OTHERWISE)

    @cached_property
    def choices(self) -> dict[str, list[int]]:
        """The whole numbers that the plan compares each column of rows with."""
        found: dict[str, list[int]] = {}
        for column, numbers in choices(self.plan).items():
            for name in self.copies.raw(column):
                found.setdefault(name, []).extend(numbers)
        return found

    @cached_property
    def measured(self) -> list[str]:
        """The columns of rows that are counted, added up or listed, and are no key."""
        found = {one for column in measured(self.plan) for one in self.copies.raw(column)}
        return sorted(found - set(self.copies.keys))

    @cached_property
    def paths(self) -> list[str]:
        """The columns of rows that are measured, and of whose values the base name is asked for."""
        measures = set(self.raw(measured(self.plan)))
        return [name for name in self.raw(of_calls(self.plan, "base_name")) if name in measures]

    @cached_property
    def grouped(self) -> list[str]:
        """The columns of rows that are keys of groups."""
        return self.raw(column for step in self.plan.steps if isinstance(step, Group) for column in step.by)

    def raw(self, names: Iterable[str]) -> list[str]:
        """The columns of rows that some columns are made of, by name."""
        return sorted({one for column in names for one in self.copies.raw(column)})

    def all(self, name: str, value: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:
        """A copy with another value in every row that has one; rows of another kind, which lack it, stay."""
        for row in self.copies.fresh(self.rows):
            yield {**row, name: value(row[name])} if there(row.get(name)) else row

    def lasts(self, name: str) -> Iterable[int]:
        """The places of the last row of each kind that has a column."""
        return {found: place for place, found in enumerate(self.sources) if name in self.rows[place]}.values()

    def last(self, name: str, value: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:
        """Copies with another value in the last row of each kind that has the column."""
        for place in self.lasts(name):
            fresh = self.copies.fresh(self.rows)
            fresh[place] = {**fresh[place], name: value(fresh[place][name])}
            yield from fresh


def _compared(base: _Base) -> Iterator[dict[str, Any]]:
    """Each value that the plan compares a column with."""
    for column, value in values(base.plan):
        if value("") in base.unread:
            continue
        for name in base.copies.raw(column):
            text = str(value("")) or "x"
            if not any(map(str.isalnum, text)) and text != "::" and there(base.rows[-1].get(name)):
                # What has no letter is one more of what is counted.
                fresh = base.copies.fresh(base.rows)
                yield from (*fresh, {**fresh[-1], name: value(fresh[-1][name])})
            # Of many rows the last decides, or, for a key, all of them.
            few = len(base.rows) <= GRID
            if few or name in base.grouped:
                yield from base.all(name, value)
            if few or name not in base.grouped:
                yield from base.last(name, value)


def _measured(base: _Base) -> Iterator[dict[str, Any]]:
    """Nothing in what is measured."""
    for name in base.measured if base.empty else ():
        value = next((value for row in base.rows if (value := row.get(name))), None)
        if value is not None and not isinstance(value, bool):
            number = str(value).isdigit()
            # LogScale is not asked to take an empty text for no number: no event has one.
            nones = [None] * number + [""] * (not number or (isinstance(value, str) and base.reads_spellings))
            for none in (partial(constant, one) for one in nones):
                yield from base.all(name, none)
                yield from base.last(name, none)
                # One row more.
                for place in base.lasts(name):
                    fresh = base.copies.fresh(base.rows)
                    yield from (*fresh, {**fresh[place], name: none(None)})


def _missing(base: _Base) -> Iterator[dict[str, Any]]:
    """No value in a column that a row is found or grouped by."""
    for name in base.raw(needed(base.plan)):
        yield from base.all(name, nothing)
        yield from base.last(name, nothing)
        # One row more of each kind, without the value, and with others in what is counted.
        for place in base.lasts(name):
            row = base.rows[place]
            others = [other for other in base.measured if other != name and there(row.get(other))]
            beside = {other: _other(row[other], base.choices.get(other, [])) for other in others}
            # Of programs by whose name rows are grouped the path is counted: another one of the same name.
            paths = [other for other in base.paths if other != name and other not in beside and there(row.get(other))]
            beside |= {other: _elsewhere(row[other]) for other in paths}
            fresh = base.copies.fresh(base.rows)
            yield from (*fresh, {**fresh[place], **beside, name: nothing(row.get(name))})


def _in_capitals(base: _Base) -> Iterator[dict[str, Any]]:
    """Every second row in other letters; a row that is enough alone, in both."""
    for name in base.raw(named(base.plan)):
        fresh = base.copies.fresh(base.rows)
        for number, row in enumerate(fresh if len(fresh) > 1 else fresh * 2):
            text = row.get(name)
            yield {**row, name: text.swapcase()} if isinstance(text, str) and number % 2 else row
        # Of several searches the last row of each.
        if len(set(base.sources)) > 1 and any(isinstance(row.get(name), str) for row in base.rows):
            yield from base.last(name, lambda value: value.swapcase() if isinstance(value, str) else value)


def _twins(base: _Base) -> Iterator[dict[str, Any]]:
    """Two keys that only their addresses tell apart, so that the last column of an order decides."""
    twins = base.copies.fresh(base.rows)
    yield from twins
    for row in twins:
        changed = {name: "52.1.1.1" for name in base.copies.keys if is_ipv4(row.get(name))}
        if changed:
            yield {**row, **changed}
            later = {
                name: after for name in base.grouped if (after := _next(row.get(name), base.choices.get(name, [])))
            }
            if later:
                yield {**row, **dict.fromkeys(changed, "1.1.1.1"), **later}
    # Of several addresses, which may be no key but counted, and of numbers beside them, one at a time; the later first.
    addresses = [name for name in base.copies.keys if any(is_ipv4(row.get(name)) for row in base.rows)]
    for name in base.grouped if len(addresses) > 1 else ():
        fresh = base.copies.fresh(base.rows)
        for known in (base.choices.get(name, []), ()):
            yield from ({**row, name: _later(row.get(name), known)} for row in fresh)
        yield from fresh


def _of_other_kinds(base: _Base) -> Iterator[dict[str, Any]]:
    """Copies that are events of another kind, or of none, and such that say of which where the rows do not."""
    taken: dict[str, list[Any]] = {}
    for source in base.plan.sources:
        for name, listed in kinds(source):
            taken.setdefault(name, []).extend(listed)
    # Splunk tells the events of a data model by their tags: by all of them.
    tags = set().union(*(row.get("tag", ()) for row in base.rows))
    for name, listed in taken.items():
        said = any(there(row.get(name)) for row in base.rows)
        for value in dict.fromkeys((*(() if said else listed), _none_of(listed), nothing(listed[0]))):
            if value in listed or not tags:
                yield from ({**row, name: value} for row in base.copies.fresh(base.rows))
                continue
            for gone in (tags, *({tag} for tag in sorted(tags))):
                for row in base.copies.fresh(base.rows):
                    kept = [tag for tag in row.get("tag", ()) if tag not in gone]
                    yield {**row, name: value, "tag": kept} if gone & set(row.get("tag", ())) else row
    # What each search takes of its own: they do not all know the same channels.
    own = [dict(kinds(source)) for source in base.plan.sources]
    for name, listed in taken.items():
        for value in dict.fromkeys(listed) if any(there(row.get(name)) for row in base.rows) else ():
            for row, sources in zip(base.copies.fresh(base.rows), base.sources, strict=True):
                took = sources and all(value in own[number].get(name, ()) for number in sources)
                yield {**row, name: value} if took and "tag" not in row else row
    # Of several searches the rows of one at a time.
    for found in dict.fromkeys(base.sources) if len(set(base.sources)) > 1 else ():
        for name, listed in dict.fromkeys(pair for number in found for pair in kinds(base.plan.sources[number])):
            for row, sources in zip(base.copies.fresh(base.rows), base.sources, strict=True):
                yield {**row, name: _none_of(listed)} if sources == found and "tag" not in row else row


def _of_later(base: _Base) -> Iterator[dict[str, Any]]:
    """One row more of each kind, a moment later in the same second, as it is and without each value that is needed."""
    for time in base.raw({TIME_COLUMN}):
        for place in base.lasts(time):
            fresh = base.copies.fresh(base.rows)
            later = {**fresh[place], time: re.sub(r"\.\d+Z$", ".999Z", str(fresh[place][time]))}
            if later[time] == fresh[place][time]:
                continue
            yield from (*fresh, later)
            for name in base.raw(needed(base.plan)):
                if name != time and there(later.get(name)) and name not in base.copies.hosts:
                    again = base.copies.fresh(base.rows)
                    yield from (*again, {**again[place], time: later[time], name: nothing(later[name])})
        # What is in every second hour at its beginning, or at its end: one bucket that is hardly off takes both hours.
        for odd in (True, False):
            yield from ({**row, time: _at_edge(row.get(time), odd=odd)} for row in base.copies.fresh(base.rows))


def _at_edge(value: Any, *, odd: bool) -> Any:
    """A time in an odd hour at its first moment, or one in an even hour at its last; of text, to the millisecond."""
    if not isinstance(value, str):
        return value
    if found := re.fullmatch(r"(\d{10})(\.?)\d{3}", value):
        seconds = int(found[1])
        first = seconds - seconds % 3600
        edge = f"{first}{found[2]}000" if odd else f"{first + 3599}{found[2]}999"
        return edge if seconds // 3600 % 2 == odd else value
    found = re.fullmatch(r"(.*[T ](\d\d)):\d\d:\d\d\.\d{3}(\D?)", value)
    edge = "00:00.000" if odd else "59:59.999"
    return f"{found[1]}:{edge}{found[3]}" if found and int(found[2]) % 2 == odd else value


def _in_branches(base: _Base) -> Iterator[dict[str, Any]]:
    """All the values that one branch of a condition asks for, and all but one, in the rows that it is for."""
    conditions = [(number, source.condition) for number, source in enumerate(base.plan.sources)]
    searched = {condition for _, condition in conditions}
    conditions += [(-1, one) for one in expressions(base.plan) if one not in searched]
    done = set()
    for number, condition in conditions:
        for way, elsewhere in variations(condition):
            names = {column: base.copies.raw(column) for column in {*way, *elsewhere}}
            for others, text in ((frozenset[str](), "x"), (elsewhere, "x"), (elsewhere, "")):
                key = (number, repr(sorted(way.items())), bool(others) and text)
                if key in done:
                    continue
                done.add(key)
                for place, row in enumerate(base.copies.fresh(base.rows)):
                    if number >= 0 and number not in base.sources[place]:
                        yield row
                        continue
                    plain = {
                        name: text for column in others for name in names[column] if isinstance(row.get(name), str)
                    }
                    yield {**row, **plain, **met(way, row, names)}


def _with_long_lists(base: _Base) -> Iterator[dict[str, Any]]:
    """Copies in which there is more than is shown of each column that is listed, of all, and of all in one row."""
    lists = [one for step in base.plan.steps if isinstance(step, Group | Annotate) for one in step.measures]
    limited = [(one.value, int(one.constant)) for one in lists if one.value is not None and one.constant]
    names = base.raw(column for value, _ in limited for column in columns(value))
    for some in [[name] for name in names] + ([names] if len(names) > 1 else []):
        fresh = base.copies.fresh(base.rows if len(base.rows) <= GRID * 2 else base.rows[-1:])
        more = max(most for _, most in limited) + 2
        for place, row in enumerate(fresh):
            for number in range(place * more, place * more + more):
                yield {**row, **{name: _varied(row.get(name), number, base.choices.get(name, ())) for name in some}}
    by = [base.raw(step.by) for step in base.plan.steps if isinstance(step, Group)]
    own = [name for name in names if not any(name in each for each in by)]
    # What a key is made of alone: the path of a program by whose name rows are grouped.
    for some in ([own] if own else []) + [[name] for name in names if name not in own]:
        for most in sorted({most for _, most in limited}):
            yield from _of_groups(base, some, [name for name in by[0] if name not in by[-1]], most)


def _of_groups(base: _Base, listed: list[str], inner: list[str], most: int) -> Iterator[dict[str, Any]]:
    """Copies in which lists of groups, such as hours, are cut and that of all is not, and such with values often.

    Grouped by `inner` and then without it, so that its values are groups of which one list is made.
    """

    def other(row: dict[str, Any], number: int, names: list[str]) -> dict[str, Any]:
        return {**row, **{name: _varied(row.get(name), number, base.choices.get(name, ())) for name in names}}

    # In the last row alone: one more than there is room for, and the same as often as there is room, and another one.
    for numbers in (range(most + 1), (*[0] * most, 1)):
        *fresh, last = base.copies.fresh(base.rows)
        yield from (*fresh, *(other(last, number, listed) for number in numbers))
        # Each in a group of its own, at the first and at the last time.
        *fresh, last = base.copies.fresh(base.rows)
        yield from (*fresh, last)
        for place, number in enumerate(numbers) if inner else ():
            for row in (fresh[0], last) if fresh else (last,):
                yield other(other(row, place, inner), number, listed)
    # As many as there is room for, twice, and then others.
    fresh = base.copies.fresh(base.rows)
    for place, row in enumerate(fresh if GRID <= len(fresh) <= GRID * 2 else ()):
        begin = most if place >= len(fresh) * 2 / 3 else 0
        yield from (other(row, number, listed) for number in range(begin, begin + most))


def _spelled(base: _Base) -> Iterator[dict[str, Any]]:
    """An address in two spellings by turns, in one row more than there are; a row more of a name that ends in a dot."""
    for name in base.raw(of_calls(base.plan, "labels")):
        fresh = base.copies.fresh(base.rows)
        yield from (*fresh, {**fresh[-1], name: f"{fresh[-1].get(name)}."})
    last = count(101)
    for name in base.raw(in_networks(base.plan)) if base.reads_spellings else ():
        places = [place for place in base.lasts(name) if there(base.rows[place].get(name))]
        others = () if base.unread else (NINE_GROUPS,)
        for spellings in (*SPELLINGS, *others) if places else ():
            # Each time another address: where hosts of an address are counted, it is to be one host's.
            one, other = map(str.format, spellings, repeat(next(last)))
            fresh = base.copies.fresh(base.rows)
            for turn, row in enumerate([*fresh, fresh[max(places)]]):
                yield {**row, name: other if turn % 2 else one} if there(row.get(name)) else row
            # In the last row of each kind, and in one row more.
            for place in places:
                one, other = map(str.format, spellings, repeat(next(last)))
                fresh = base.copies.fresh(base.rows)
                row = fresh[place]
                fresh[place] = {**row, name: one}
                yield from (*fresh, {**row, name: other})


def _of_alternatives(base: _Base) -> Iterator[dict[str, Any]]:
    """Values in other columns of those that one derived column is made of."""
    for names in base.copies.alternatives():
        pairs = [(name, other) for name in names for other in names if name != other]
        for name, other in pairs:
            if any(there(row.get(name)) for row in base.rows):
                yield from ({**row, name: None, other: row.get(name)} for row in base.copies.fresh(base.rows))
        # A value that the plan asks for in one of them, that of the row in another, and none in all of them.
        texts = {one: {value("") for column, value in values(base.plan) if column == one} for one in names}
        for name, other in pairs:
            for value in texts.get(name, ()):
                for row in base.copies.fresh(base.rows):
                    own = next((text for one in names if (text := row.get(one)) in texts.get(one, ())), None)
                    yield {**row, **dict.fromkeys(names), name: value, other: own}
        yield from ({**row, **{name: nothing(row.get(name)) for name in names}} for row in base.copies.fresh(base.rows))


def _of_hosts(base: _Base) -> Iterator[dict[str, Any]]:
    """Two hosts that only one column tells apart, and two other keys of text, the later name first."""
    hosts = base.copies.hosts
    others = [name for name in base.grouped if name not in hosts and any(_is_text(row.get(name)) for row in base.rows)]
    for name in (*(hosts if len(hosts) > 1 else ()), *others):
        fresh = base.copies.fresh(base.rows)
        named = [name in hosts or _is_text(row.get(name)) for row in fresh]
        for row, changed in zip(fresh, named, strict=True):
            yield {**row, name: f"{row[name]}~"} if changed and there(row.get(name)) else row
        yield from fresh


def _of_keys(base: _Base) -> Iterator[dict[str, Any]]:
    """Keys that only a number of a list tells apart, one key more, and an address in two spellings."""
    for name in base.copies.keys:
        fresh = base.copies.fresh(base.rows)
        numbers = {one for column, value in values(base.plan) if column == name and type(one := value("")) is int}
        for number in sorted(numbers):
            yield from ({**row, name: number} if there(row.get(name)) else row for row in fresh)
        for place in base.lasts(name):
            fresh = base.copies.fresh(base.rows)
            yield from (*fresh, {**fresh[place], name: _other(fresh[place][name])})
        if not any(is_ipv4(row.get(name)) for row in base.rows):
            continue
        for spelled in SPELLED if base.reads_spellings else SPELLED[:1]:
            fresh = base.copies.fresh(base.rows)
            for number, row in enumerate([*fresh, fresh[-1]]):
                if is_ipv4(row.get(name)):
                    yield {**row, name: spelled[number % 2].format(int(row[name].split(".")[3]))}
                else:
                    yield row


def _turned(base: _Base) -> Iterator[dict[str, Any]]:
    """The other of the two values of a column that is true or false, such as who opened a connection."""
    for name in base.raw(of_truth(base.plan)):
        if any(_otherwise(row.get(name)) != row.get(name) for row in base.rows):
            yield from base.last(name, _otherwise)
            yield from base.all(name, _otherwise)


def _otherwise(value: Any) -> Any:
    """False for true, and true for false, also as text; any other value as it is."""
    return not value if isinstance(value, bool) else {"true": "false", "false": "true"}.get(value, value)


def _elsewhere(value: Any) -> Any:
    """The path of a program of the same name in another folder; what is no path as it is."""
    return re.sub(r"(?=[/\\][^/\\]*$)", "x", value) if isinstance(value, str) else value


def _varied(value: Any, number: int, known: Sequence[int]) -> Any:
    """Another value for each number, of the ones that the plan knows where it compares numbers."""
    if not there(value) or isinstance(value, bool):
        return value
    if is_ipv4(value):
        return f"52.250.{number // 250}.{number % 250}"
    if len(known) > 1 and str(value).isdigit():
        return type(value)(known[number % len(known)])
    return f"{number}{value}" if isinstance(value, str) and not value.isdigit() else type(value)(int(value) + number)


def _next(value: Any, known: Sequence[int]) -> Any:
    """The next number that the plan knows, or the next number; None for what is no number."""
    if isinstance(value, bool) or not str(value).isdigit():
        return None
    return type(value)(next((one for one in sorted(known) if one > int(value)), int(value) + 1))


def _later(value: Any, known: Sequence[int]) -> Any:
    """A value that comes later, of numbers and addresses; any other as it is."""
    if is_ipv4(value):
        return f"{value.rpartition('.')[0]}.9"
    return value if (after := _next(value, known)) is None else after


def _none_of(listed: Sequence[Any]) -> Any:
    """A value like some others that none of them is."""
    return f"{listed[0]}x" if isinstance(listed[0], str) else max(listed) + 1000


def _is_text(value: Any) -> bool:
    """Whether a value is text that is neither a number nor an address."""
    return isinstance(value, str) and there(value) and not value.isdigit() and not is_ipv4(value)


def _other(value: Any, known: Sequence[int] = ()) -> Any:
    """Another value of the same kind: of numbers the next one that the plan knows, or the same where it knows none."""
    if isinstance(value, str) and not value.isdigit():
        return f"{value}x"
    return _next(value, known) if known else value
