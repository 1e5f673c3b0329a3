"""Times at which programs connect to one address: timers as bots have them, and what else a host does.

Everything is drawn from generators. `SEEN` are the families that the rule's defaults were chosen on;
`HELD_OUT` are others, of other distributions, that were written afterwards and only looked at to report.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Flow = list[float]
    Pause = Callable[[], float]
    Kinds = dict[str, Callable[[], Flow]]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
DRAW = random.Random(20261124)

WATCHED = (
    (50 * MINUTE, (5, 10, 30, 60, 120, 240)),
    (3 * HOUR, (20, 60, 300, 600, 900)),
    (DAY, (60, 300, 900, 1800, 3600)),
    (3 * DAY, (120, 600, 1200)),
)
"""For how long timers are watched, and their periods in seconds: at least ten check-ins each."""


def renewal(pause: Pause, span: float) -> Flow:
    return list(itertools.takewhile(lambda moment: moment < span, itertools.accumulate(iter(pause, None))))


def several(moments: Flow, connections: Callable[[], int], apart: float = 2) -> Flow:
    """Each check-in as some connections, so many seconds apart on average."""
    return sorted(
        at
        for moment in moments
        for at in itertools.accumulate((DRAW.expovariate(1 / apart) for _ in range(connections() - 1)), initial=moment)
    )


def missed(moments: Flow, share: float = 0.02) -> Flow:
    return [moment for moment in moments if DRAW.random() >= share]


def tasks() -> int:
    return DRAW.randint(5, 40) if DRAW.random() < 0.03 else 1


def awake(moments: Flow) -> Flow:
    """What is left on a host that is on from about nine to about six, and sleeps once for a while in between."""
    spans = []
    for day in range(int(max(moments, default=0) // DAY) + 1):
        begin, end = (day * DAY + hour * HOUR + DRAW.uniform(-HOUR, HOUR) for hour in (9, 18))
        sleep = DRAW.uniform(begin + HOUR, end - HOUR)
        spans += [(begin, sleep), (sleep + DRAW.uniform(0.3, 1.2) * HOUR, end)]
    return [moment for moment in moments if any(begin <= moment < end for begin, end in spans)]


def uniform(period: float, jitter: float) -> Pause:
    return lambda: period * (1 + DRAW.uniform(-jitter, jitter))


def normal(period: float, deviation: float) -> Pause:
    return lambda: max(period / 20, DRAW.gauss(period, period * deviation))


def lognormal(mean: float, sigma: float) -> Pause:
    return lambda: DRAW.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)


def weibull(mean: float, shape: float) -> Pause:
    scale = mean / math.gamma(1 + 1 / shape)
    return lambda: DRAW.weibullvariate(scale, shape)


def by_the_clock(period: float, late: float, span: float) -> Flow:
    """A schedule that does not drift: each time late by chance, by up to a share of the period."""
    return sorted((turn + DRAW.uniform(0, late)) * period for turn in range(int(span / period)))


def backing_off(period: float, span: float) -> Flow:
    """One in twenty check-ins fails, and is tried again three times, with longer pauses each time."""
    moments, moment = [], DRAW.uniform(0, period)
    while moment < span:
        moments.append(moment)
        if DRAW.random() < 0.05:
            moments += itertools.accumulate((0.2 * period, 0.4 * period, 0.6 * period), initial=moment)
            moment += 1.2 * period
        moment += period * DRAW.uniform(0.9, 1.1)
    return sorted({one for one in moments if one < span})


def seen_timers() -> Iterator[tuple[str, Callable[[], Flow]]]:
    for span, periods in WATCHED:
        for period in periods:
            name = f"every {period} s for {span / HOUR:.1f} h"
            for jitter in (0.1, 0.3, 0.5, 0.9):
                yield f"± {jitter:.0%}, {name}", lambda p=period, j=jitter, s=span: missed(renewal(uniform(p, j), s))
                yield (
                    f"normal, {jitter / 2:.0%}, {name}",
                    lambda p=period, j=jitter, s=span: renewal(normal(p, j / 2), s),
                )
            for jitter in (0.1, 0.5):
                for way, one in (
                    ("1 to 3 connections", lambda: DRAW.randint(1, 3)),
                    ("tasks", tasks),
                    ("2", lambda: 2),
                ):
                    yield (
                        f"± {jitter:.0%}, {way}, {name}",
                        lambda p=period, j=jitter, s=span, w=one: several(missed(renewal(uniform(p, j), s)), w),
                    )
                if span >= DAY and period <= 1800:
                    yield (
                        f"± {jitter:.0%}, host asleep, {name}",
                        lambda p=period, j=jitter, s=span: awake(renewal(uniform(p, j), s)),
                    )
            for sigma in (0.1, 0.4):
                yield f"lognormal, {sigma}, {name}", lambda p=period, d=sigma, s=span: renewal(lognormal(p, d), s)
            yield f"backing off, {name}", lambda p=period, s=span: backing_off(p, s)


def held_out_timers() -> Iterator[tuple[str, Callable[[], Flow]]]:
    for span, periods in WATCHED:
        for period in periods:
            name = f"every {period} s for {span / HOUR:.1f} h"
            for shape in (2.2, 4):
                yield f"Weibull, {shape}, {name}", lambda p=period, k=shape, s=span: missed(renewal(weibull(p, k), s))
            yield (
                f"one pause or twice that, {name}",
                lambda p=period, s=span: renewal(lambda: p * DRAW.choice((0.67, 1.33)), s),
            )
            yield (
                f"the lower the likelier, {name}",
                lambda p=period, s=span: renewal(lambda: DRAW.triangular(0.5 * p, 1.8 * p, 0.6 * p), s),
            )
            for late in (0.1, 0.5):
                yield (
                    f"by the clock, late by {late:.0%}, {name}",
                    lambda p=period, d=late, s=span: by_the_clock(p, d, s),
                )
            yield (
                f"one in eight check-ins missed, {name}",
                lambda p=period, s=span: missed(renewal(uniform(p, 0.2), s), 0.125),
            )
            yield (
                f"each failing twice at once, {name}",
                lambda p=period, s=span: several(renewal(uniform(p, 0.3), s), lambda: 3, 0.5),
            )
            yield (
                f"one visit of the operator, {name}",
                lambda p=period, s=span: sorted(
                    renewal(uniform(p, 0.25), s) + [s / 2 + at for at in renewal(lambda: DRAW.expovariate(0.1), s / 25)]
                ),
            )
            if span > DAY and period <= 1800:
                yield (
                    f"host asleep, 1 or 2 connections, {name}",
                    lambda p=period, s=span: several(awake(renewal(uniform(p, 0.4), s)), lambda: DRAW.randint(1, 2)),
                )


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


def exciting(an_hour: float, share: float, after: float) -> Flow:
    """A connection causes another with some chance, some seconds later on average, and that one another."""
    waiting, moments = poisson(an_hour), []
    while waiting:
        moments.append(heapq.heappop(waiting))
        if DRAW.random() < share:
            heapq.heappush(waiting, moments[-1] + DRAW.expovariate(1 / after))
    return [moment for moment in moments if moment < DAY]


def by_daylight(an_hour: float) -> Flow:
    """At random, with a rate that rises and falls over the day."""
    return [at for at in poisson(2 * an_hour) if DRAW.random() < (1 - math.cos(2 * math.pi * at / DAY)) / 2]


def seen_others() -> Iterator[tuple[str, Callable[[], Flow]]]:
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
        yield f"pauses of {mean} s, spread {sigma} (lognormal)", lambda m=mean, s=sigma: renewal(lognormal(m, s), DAY)
    for mean, shape in itertools.product((60, 300, 1200), (0.5, 0.8)):
        yield f"pauses of {mean} s (Weibull, {shape})", lambda m=mean, k=shape: renewal(weibull(m, k), DAY)
    for an_hour, share, after in itertools.product((1, 6, 20), (0.5, 0.8), (10, 120)):
        yield (
            f"{an_hour} an hour, each causes {share} more after {after} s",
            lambda r=an_hour, n=share, t=after: exciting(r, n, t),
        )


def held_out_others() -> Iterator[tuple[str, Callable[[], Flow]]]:
    for an_hour in (2, 10, 60, 400):
        yield f"by daylight, {an_hour} an hour", lambda r=an_hour: by_daylight(r)
    for an_hour, pages, think, objects in ((1, 5, 15, 2), (4, 12, 35, 3), (6, 2, 120, 1), (0.5, 80, 40, 1)):
        yield (
            f"awake, {an_hour} visits an hour, {pages} pages, {think} s each, {objects} connections",
            lambda r=an_hour, p=pages, t=think, o=objects: awake(visits(r, p, t, o)),
        )
    for least, steep in itertools.product((2, 20, 100), (0.7, 1.1, 1.5)):
        yield (
            f"pauses of at least {least} s, heavy tail {steep} (Pareto)",
            lambda m=least, a=steep: renewal(lambda: m * DRAW.paretovariate(a), DAY),
        )
    for mean, shape in itertools.product((30, 150, 900), (0.4, 0.7, 1)):
        yield (
            f"pauses of {mean} s (gamma, {shape})",
            lambda m=mean, k=shape: renewal(lambda: DRAW.gammavariate(k, m / k), DAY),
        )
    for on, off, an_hour in ((300, HOUR, 200), (2 * HOUR, 4 * HOUR, 12), (900, 1800, 60)):
        yield (
            f"awake, {on / 60:.0f} min on, {off / 60:.0f} off, {an_hour} an hour",
            lambda a=on, b=off, r=an_hour: awake(alternating(a, b, r)),
        )
    for mean in (40, 400):
        yield (
            f"pauses of {mean} s or twenty times that",
            lambda m=mean: renewal(lambda: DRAW.expovariate(1 / m) * DRAW.choice((0.5, 0.5, 0.5, 10)), DAY),
        )


SEEN: tuple[Kinds, Kinds] = dict(seen_timers()), dict(seen_others())
HELD_OUT: tuple[Kinds, Kinds] = dict(held_out_timers()), dict(held_out_others())


def over_addresses(moments: Flow, addresses: int) -> list[Flow]:
    """Connections to a name with some addresses, asked for again every five minutes."""
    flows: list[Flow] = [[] for _ in range(addresses)]
    chosen, until = flows[0], 0.0
    for moment in moments:
        if moment >= until:
            chosen, until = DRAW.choice(flows), moment + 5 * MINUTE
        chosen.append(moment)
    return flows


SOFTWARE: dict[str, tuple[float, Callable[[], Flow], int]] = {
    "mail looked for every 5 or 10 minutes": (0.3, lambda: renewal(uniform(DRAW.choice((300, 600)), 0.05), DAY), 2),
    "a page that polls every half minute for some hours": (
        0.2,
        lambda: [9 * HOUR + at for at in renewal(uniform(30, 0.1), DRAW.uniform(1, 4) * HOUR)],
        4,
    ),
    "an updater every hour": (0.5, lambda: several(renewal(uniform(HOUR, 0.1), DAY), lambda: DRAW.randint(1, 3)), 3),
    "telemetry after some use": (1, lambda: exciting(2, 0.5, 600), 4),
    "push that connects again when it was cut": (0.3, lambda: renewal(lognormal(1200, 1), DAY), 2),
    "a widget every quarter of an hour": (0.2, lambda: renewal(uniform(900, 0.02), DAY), 4),
}
"""Programs with a timer: on what share of hosts, when they connect if the host is on, and to how many addresses."""


def ordinary_day() -> dict[str, list[Flow]]:
    """What one person's host connects to within a day, by program, one flow for each address; "use" has no timer."""
    use: list[Flow] = []
    for _ in range(DRAW.randint(25, 50)):
        way = DRAW.random()
        if way < 0.6:
            made = visits(DRAW.uniform(0.1, 1.5), DRAW.uniform(1, 8), DRAW.uniform(10, 60), DRAW.uniform(1, 4))
        elif way < 0.8:
            made = exciting(DRAW.uniform(0.2, 6), DRAW.uniform(0.3, 0.85), DRAW.uniform(5, 300))
        elif way < 0.9:
            made = alternating(DRAW.uniform(300, 3600), DRAW.uniform(3600, 20_000), DRAW.uniform(20, 300))
        else:
            made = renewal(weibull(DRAW.uniform(60, 2000), DRAW.uniform(0.4, 0.9)), DAY)
        use.append(awake(made))
    timed = {
        name: over_addresses(awake(make()), addresses)
        for name, (share, make, addresses) in SOFTWARE.items()
        if DRAW.random() < share
    }
    return {"use": use, **timed}
