"""How often a detection of beacons finds timers of many kinds, and how often it takes other traffic for one.

    python benchmarks/beacons.py [RULE] [FLOWS]

Every flow is one host's connections to one address; FLOWS (20) of each kind are made, put through the rule as
`polysigma replay` does, and counted. All numbers come from random generators, none from recorded traffic: they compare
rules and settings with one another, and say nothing of the share of real programs that behave like either column.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from polysigma.convert import compile_rule
from polysigma.engines.sql_text import TABLE
from polysigma.replay import load_events, opened, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RULE = "regular_beacon_to_rare_destination"
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
DRAW = random.Random(20261124)

Flow = list[float]


def renewal(pause: Callable[[], float], span: float) -> Flow:
    return list(itertools.takewhile(lambda moment: moment < span, itertools.accumulate(iter(pause, None))))


def timer(period: float, jitter: float, span: float, connections: Callable[[], int] = lambda: 1) -> Flow:
    """Check-ins by a timer, one in fifty left out, each with some connections two seconds apart on average."""
    moments = []
    for moment in renewal(lambda: period * (1 + DRAW.uniform(-jitter, jitter)), span):
        if DRAW.random() < 0.98:
            pauses = (DRAW.expovariate(0.5) for _ in range(connections() - 1))
            moments += itertools.accumulate(pauses, initial=moment)
    return moments


def tasks() -> int:
    return DRAW.randint(5, 40) if DRAW.random() < 0.03 else 1


def lognormal(mean: float, sigma: float, span: float = DAY) -> Flow:
    return renewal(lambda: DRAW.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma), span)


def poisson(an_hour: float, span: float = DAY) -> Flow:
    return renewal(lambda: DRAW.expovariate(an_hour / HOUR), span)


def visits(an_hour: float, pages: float, think: float, objects: float) -> Flow:
    """Visits at random, each of some pages read for a while, each page of some connections at once."""
    moments: Flow = []
    for visit in poisson(an_hour):
        moment = visit
        for _ in range(1 + int(DRAW.expovariate(1 / pages))):
            moments += [moment + DRAW.expovariate(1) for _ in range(1 + int(DRAW.expovariate(1 / objects)))]
            moment += DRAW.lognormvariate(math.log(think), 1.2)
    return sorted(moment for moment in moments if moment < DAY)


def alternating(on: float, off: float, an_hour: float) -> Flow:
    moments: Flow = []
    moment = 0.0
    while moment < DAY:
        length = DRAW.expovariate(1 / on)
        moments += [moment + at for at in poisson(an_hour, length)]
        moment += length + DRAW.expovariate(1 / off)
    return [moment for moment in moments if moment < DAY]


def beacons() -> Iterator[tuple[str, Callable[[], Flow]]]:
    ways = {"": lambda: 1, ", 1 to 3 connections": lambda: DRAW.randint(1, 3), ", with tasks": tasks}
    for span, periods in ((50 * MINUTE, (5, 30, 60, 120)), (3 * HOUR, (60, 300, 600)), (DAY, (60, 300, 900, 1800))):
        for period, jitter, (name, way) in itertools.product(periods, (0.1, 0.5, 0.9), ways.items()):
            yield (
                f"every {period} s ± {jitter:.0%}{name}, for {span / MINUTE:,.0f} min",
                lambda p=period, j=jitter, s=span, w=way: timer(p, j, s, w),
            )


def others() -> Iterator[tuple[str, Callable[[], Flow]]]:
    for an_hour in (1, 5, 30, 200):
        yield f"at random, {an_hour} an hour", lambda r=an_hour: poisson(r)
    for an_hour, pages, think, objects in itertools.product((2, 10), (3, 20), (20, 60), (1, 4)):
        yield (
            f"{an_hour} visits an hour, {pages} pages, {think} s each, {objects} connections",
            lambda r=an_hour, p=pages, t=think, o=objects: visits(r, p, t, o),
        )
    for on, off, an_hour in ((600, HOUR, 60), (HOUR, 2 * HOUR, 60), (1800, 1800, 20), (HOUR, 10 * HOUR, 300)):
        yield (
            f"{on / 60:.0f} min on, {off / 60:.0f} off, {an_hour} an hour",
            lambda a=on, b=off, r=an_hour: alternating(a, b, r),
        )
    for mean, sigma in itertools.product((60, 300, 1200), (0.6, 0.85, 1.2)):
        yield f"pauses of {mean} s, spread {sigma} (lognormal)", lambda m=mean, s=sigma: lognormal(m, s)


def found(rule: str, kinds: dict[str, list[Flow]]) -> dict[str, int]:
    """How many flows of each kind the rule finds, on any window of its schedule."""
    owner, lines = {}, []
    for number, (kind, flow) in enumerate((kind, flow) for kind, flows in kinds.items() for flow in flows):
        address = f"198.51.{number // 250}.{number % 250 + 1}"
        owner[address] = kind
        for at in flow:
            time = (START + timedelta(seconds=at)).replace(tzinfo=None).isoformat(" ", "milliseconds")
            event = {"EventID": 3, "UtcTime": time, "Computer": "ws-01", "Initiated": "true", "Image": "/usr/bin/any"}
            lines.append((at, json.dumps({**event, "DestinationIp": address, "DestinationPort": "443"})))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.jsonl")
        path.write_text("".join(f"{line}\n" for _, line in sorted(lines)), encoding="utf-8")
        with opened([path]) as inputs:
            compiled = compile_rule(rule, inputs.family.platform, "sql", table=TABLE)
            with load_events(compiled.query, inputs) as events:
                hits = {hit["DestinationIp"] for hit in replay(compiled.plan, compiled.query, events).hits}
    return {kind: sum(owner[address] == kind for address in hits) for kind in kinds}


def main(rule: str = RULE, flows: str = "20") -> None:
    for title, makers in (
        ("timers that are found", dict(beacons())),
        ("other traffic that is taken for one", dict(others())),
    ):
        counts: dict[str, int] = {}
        for name, maker in makers.items():
            counts |= found(rule, {name: [maker() for _ in range(int(flows))]})
        print(f"\n{title}, of {flows}")
        for name, count in counts.items():
            print(f"  {count:3}  {name}")
        print(f"  {sum(counts.values()) / (int(flows) * len(counts)):.1%} of all")


if __name__ == "__main__":
    main(*sys.argv[1:])
