"""Rows that lack what a column is taken from first, so that what comes after it is read: Falcon's times and addresses.

An event of Falcon Data Replicator says in several columns when it was and whom it spoke to; two say of which
host it is, and newer sensors add its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from copies import Copies, is_ipv4, there

from polysigma.plan.steps import TIME_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.steps import Plan

DAY = 86_400
LATER = 3_000
FEW = 10
ADDRESSES = (("",), ("2001:DB8::5",), ("fe80::1%3",), ("2001:db8::7%3",), ("2001:db8::7%3", "2001:db8::7%4"))


def fallbacks(plan: Plan, rows: Sequence[Mapping[str, Any]], hosts: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """Copies of named hosts, without each of the times, with addresses in each of their columns, and of half a host.

    Then, by themselves so that all windows of them are run, copies that each of the times puts at an edge of a day, and
    others most of an hour later, of few rows all day, so that some window begins or ends in between.
    """
    copies, times = _timed(plan, rows, hosts)
    yield [row for made in (_of_hosts, _of_addresses) for row in made(copies, rows)] + [
        {**row, **dict.fromkeys(times[:gone])} for gone in range(1, len(times)) for row in copies.fresh(rows)
    ]
    for place in range(len(times) if len(times) > 1 else 0):
        for into in (0, DAY - 1):
            yield [
                _moved(row, times, place, into + later)
                for later in (range(0, DAY, LATER) if len(rows) < FEW else (0, LATER))
                for row in copies.fresh(rows)
            ]


def of_starts(plan: Plan, rows: Sequence[Mapping[str, Any]], hosts: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """Copies in which starts of processes alone are at an edge of a day, by each of the times, and others all day."""
    copies, times = _timed(plan, rows, hosts)
    starts = [place for place, row in enumerate(rows) if there(row.get("ProcessStartTime"))]
    for place in range(len(times) if starts and len(starts) < len(rows) else 0):
        for into in (0, DAY - 1):
            fresh = copies.fresh(rows)
            made = [(fresh[start], 0) for start in starts]
            made += [(row, later) for later in range(LATER, DAY, LATER) for row in copies.fresh([rows[starts[0]]])]
            others = [row for number, row in enumerate(fresh) if number not in starts]
            yield others + [_moved(row, times, place, into + later) for row, later in made]


def _timed(plan: Plan, rows: Sequence[Mapping[str, Any]], hosts: Iterable[str]) -> tuple[Copies, list[str]]:
    """A maker of copies, and the columns of times, the first one that is read first."""
    # Not every kind of event has a time of its context.
    copies = Copies(plan, [*rows, {"ContextTimeStamp": None}], hosts)
    return copies, copies.raw(TIME_COLUMN)


def _moved(row: Mapping[str, Any], times: Sequence[str], place: int, into: int) -> dict[str, Any]:
    """A row so many seconds into its day by one of the times, without those that are read before it.

    The last one is in milliseconds, the others in seconds.
    """
    seconds = int(row[times[-1]]) // 1_000 // DAY * DAY + into
    unit = 1_000 if place == len(times) - 1 else 1
    return {**row, **dict.fromkeys(times[:place]), times[place]: str(seconds * unit)}


def _of_hosts(copies: Copies, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from ({**row, "ComputerName": "PC-1"} for row in copies.fresh(rows))
    for name in copies.hosts if len(copies.hosts) > 1 else ():
        fresh = copies.fresh(rows)
        yield from fresh
        for number in range(3):
            yield from ({**row, **{one: f"{row.get(one)}-{number}" for one in copies.hosts}, name: ""} for row in fresh)


def _of_addresses(copies: Copies, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for names in copies.alternatives():
        places = [place for place, row in enumerate(rows) if any(there(row.get(name)) for name in names)]
        # Two addresses of one host, the later one first.
        fresh = copies.fresh(rows)
        for name in names:
            for address in ("99.9.9.9", "52.1.1.1") if any(is_ipv4(row.get(name)) for row in fresh) else ():
                yield from ({**row, name: address} if is_ipv4(row.get(name)) else row for row in fresh)
        text = any(isinstance(rows[place].get(name), str) for place in places for name in names)
        for values in ADDRESSES if text else ():
            for name in names:
                for some in (places, places[-len(values) :]):
                    fresh = copies.fresh(rows)
                    for number, place in enumerate(some):
                        fresh[place] |= {**dict.fromkeys(names), name: values[number % len(values)]}
                    yield from fresh
