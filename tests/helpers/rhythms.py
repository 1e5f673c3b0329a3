"""Connections at times that are made for what a detection measures of them: at either side of each of its thresholds.

What counts is when connections are made, and that no other value of a row shows: each rhythm goes to an address of its
own. What is to be found in them is the oracle's to say.
"""

from __future__ import annotations

from itertools import accumulate, repeat
from random import Random
from typing import TYPE_CHECKING, Any

from polysigma.telemetry import Scenario
from polysigma.telemetry.sysmon import LOGGING_DELAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HOSTS = ("ws-01", "ws-02", "ws-03", "ws-04")


def clock(period: float, count: int, start: float = 55.0) -> list[float]:
    """So many pauses of one length, from a moment shortly before the end of a minute and of a slot."""
    return [start + period * number for number in range(count + 1)]


def paused(pauses: Iterable[float], start: float = 55.0) -> list[float]:
    """Times with the given pauses between them."""
    return [round(at, 3) for at in accumulate(pauses, initial=start)]


def counted(counts: Sequence[int], seed: int, last: float | None = None) -> list[float]:
    """So many connections in each minute, at any of its seconds, the first at once; and one more where it is said."""
    draw = Random(seed)
    times = [60 * minute + second for minute, count in enumerate(counts) for second in draw.sample(range(60), count)]
    first = min(times)
    return sorted([0 if at == first else at for at in times] + ([last] if last is not None else []))


def _of_pauses() -> list[list[float]]:
    """Times of which the pauses tell."""
    minute = clock(60, 30)
    found = [
        # Slots that two connections share, and two of which the second is just in the next one.
        sorted(
            [*minute, *(at + gap for at, gap in zip(minute[3:], (9.9, 9.95, 9.999, 10, 10.05, 10.1), strict=False))]
        ),
        # A pause of five times the mean, and one that is longer, and ones within the range of other factors.
        *(
            paused([*[period] * 5, 9 * period + more, *[period] * 4])
            for period, more in ((240, 0), (240, 0.001), (240, 1), (240, -1))
        ),
        *(paused([*repeat(180, 6), long, *repeat(180, 6)]) for long in (1200, 1500)),
        # A clock whose evidence is 12, from ten connections, and two further of just less.
        sorted([*clock(400, 6), 56, 57, 58]),
        sorted([*clock(400, 6), 56, 57]),
        sorted([*paused([400, 405, 395, 400, 400, 400]), 56, 57, 58]),
        # As even as they are to be, to the last binary digit, and a little less.
        *(paused(70 + off * way for off in (*[34] * 13, 9, 37, most) for way in (1, -1)) for most in (49, 49.5)),
        # So little empty that pauses tell nothing, and a little more.
        *(clock(period, int(1860 // period)) for period in (24, 24.9, 25, 25.1, 27, 30)),
        # Nothing empty at all.
        clock(20, 93),
    ]
    draw = Random(3)
    found.append(paused(round(180 * (1 + draw.uniform(-1, 1)), 3) for _ in range(36)))
    return found


def _of_connections() -> list[list[float]]:
    """Times of which the connections a minute tell."""
    return [
        # Two a minute from the first to the last; one fewer; three in two minutes; five in two.
        counted([1, *[2] * 29], 1, last=1800),
        counted([1, *[2] * 28, 1], 2, last=1800),
        counted([1, 2] * 20, 3),
        counted([2, 3] * 16, 4),
        # Less and less even.
        counted([1, 2, 3, 3] * 12, 5),
        counted([1, 3, 3] * 20, 6),
        counted([1, 3, 3, 1, 3] * 16, 7),
        # More even than chance can tell: from the end of one minute to the beginning of another.
        sorted([57, 58, 59, *(60 + at for at in counted([3] * 31, 9)), *(60 * 32 + at for at in (0, 1, 2))]),
        # A minute of work.
        counted([3] * 20 + [30] + [3] * 15, 11),
    ]


def regular_beacon() -> Scenario:
    """Every rhythm at once, each to an address of its own; some to two ports or from several hosts."""
    rhythms = (*_of_pauses(), *_of_connections())
    traffic = [_exact(f"203.0.113.{number}", 443, times, HOSTS[:1]) for number, times in enumerate(rhythms, 1)]
    # Two ports of one address, as numbers in another order than as texts; and as many hosts of each as may be.
    few = clock(300, 9)
    for port, hosts in ((9000, HOSTS[:2]), (10000, HOSTS[1:])):
        traffic.append(_exact("198.51.100.10", port, few, hosts))
    traffic += [_exact("198.51.100.9", 9000, few, HOSTS), _exact("198.51.100.11", 9000, few, HOSTS[:1])]
    # A pause that is too long to be measured, or not, and work, beside another host, and another port, at other times.
    lone = paused([*[240] * 5, 2161, *[240] * 4], start=20055)
    long = paused([*[240] * 8, 1000, *[240] * 8])
    work = counted([3] * 20 + [30] + [3] * 15, 11)
    beside = ((lone, (20055, 40055)), (lone, (55, 20055)), (long, clock(60, 14)), (work, [600] * 60))
    for number, (times, others) in enumerate(beside):
        for turn, (host, port) in enumerate(((HOSTS[1], 443), (HOSTS[0], 444))):
            to = f"198.51.100.{20 + 2 * number + turn}"
            traffic += [_exact(to, 443, times, HOSTS[:1]), _exact(to, port, others, [host])]
    # More programs in a minute than are kept of it, in several slots; and one in three slots before another one.
    for number, programs in ((12, {15: "a", 16: "b", 35: "c", 36: "d"}), (13, {5: "m", 25: "m", 56: "z"})):
        to = f"198.51.100.{number}"
        traffic.append(_exact(to, 443, clock(300, 14), HOSTS[:1], image="C:\\Temp\\m.exe"))
        traffic += [_exact(to, 443, [at], HOSTS[:1], image=f"C:\\Temp\\{name}.exe") for at, name in programs.items()]
    return Scenario.model_validate({"name": "rhythms", "hosts": list(HOSTS), "traffic": traffic})


def _exact(to: str, port: int, at: Sequence[float], hosts: Sequence[str], **more: str) -> dict[str, Any]:
    return {"kind": "exact", "to": to, "port": port, "at": list(at), "hosts": list(hosts), **more}


def punctual(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows as if events of Sysmon's came to Splunk at once, so that times lie where they do on other platforms."""
    for row in rows:
        yield {**row, "_time": row["_time"] - LOGGING_DELAY} if {"_time", "UtcTime"} <= set(row) else {**row}


RHYTHMS = {"regular_beacon_to_rare_destination": regular_beacon}
"""By detection, the scenario that is made for its thresholds."""
