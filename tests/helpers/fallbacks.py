"""Rows that lack what a column is taken from first, so that what comes after it is read: Falcon's times and addresses.

An event of Falcon Data Replicator says in several columns when it was and whom it spoke to; two say of which
host it is, and newer sensors add its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from copies import Copies, there

from polysigma.plan.steps import TIME_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.steps import Plan

HOUR = 3600
ADDRESSES = (("",), ("2001:DB8::5",), ("fe80::1%3",), ("2001:db8::7%3",), ("2001:db8::7%3", "2001:db8::7%4"))


def fallbacks(plan: Plan, rows: Sequence[Mapping[str, Any]], hosts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Copies of named hosts, without each of the times, with addresses in each of their columns, and of half a host."""
    copies = Copies(plan, rows, hosts)
    yield from ({**row, "ComputerName": "PC-1"} for row in copies.fresh(rows))
    yield from _of_times(copies, rows, copies.raw(TIME_COLUMN))
    for names in copies.alternatives():
        places = [place for place, row in enumerate(rows) if any(there(row.get(name)) for name in names)]
        text = any(isinstance(rows[place].get(name), str) for place in places for name in names)
        for values in ADDRESSES if text else ():
            for name in names:
                for some in (places, places[-len(values) :]):
                    fresh = copies.fresh(rows)
                    for number, place in enumerate(some):
                        fresh[place] |= {**dict.fromkeys(names), name: values[number % len(values)]}
                    yield from fresh
    for name in copies.hosts if len(copies.hosts) > 1 else ():
        fresh = copies.fresh(rows)
        yield from fresh
        for number in range(3):
            yield from ({**row, **{one: f"{row.get(one)}-{number}" for one in copies.hosts}, name: ""} for row in fresh)


def _of_times(copies: Copies, rows: Sequence[Mapping[str, Any]], times: list[str]) -> Iterator[dict[str, Any]]:
    """Without the first of the times, without the first two and so on; then the last of them alone, on the hour."""
    for gone in range(1, len(times)):
        yield from ({**row, **dict.fromkeys(times[:gone])} for row in copies.fresh(rows))
        for row in copies.fresh(rows):
            # Of two the first decides: it is an hour earlier.
            found = row.get(times[gone])
            before = {times[gone - 1]: f"{float(found) - HOUR:.3f}"} if there(found) and gone + 1 < len(times) else {}
            yield {**row, **before}
    for row in copies.fresh(rows) if len(times) > 1 else ():
        last = int(row[times[-1]])
        yield {**row, **dict.fromkeys(times[:-1]), times[-1]: str(last - last % (HOUR * 1000))}
