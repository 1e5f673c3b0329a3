"""A plan over time: evaluated at every T, as a scheduler would."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polysigma.engines.reference.evaluate import search, stage_of
from polysigma.plan.steps import TIME_COLUMN, Group, Ordered, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from polysigma.engines.reference.values import Record, Row


Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that the plan gave at T: the window was [T - window, T). `time` is None where all data was one window."""

    time: int | None
    key: Key
    row: Record


def slide(plan: Plan, rows: Iterable[Row], *, whole: bool = False) -> list[Hit]:
    """The hits over all windows, in order of T.

    T runs over the multiples of `plan.schedule.every` from the first after the earliest event to the first after the
    latest one: a time on an edge belongs to the window that begins there. An event is a row that a source matches and
    that has a time. Without a schedule a plan runs once a window, at multiples of its length.

    A key that was reported is silent until `plan.quiet` seconds after the T at which it was; without `quiet` it is
    reported at every T that finds it. `whole` takes all rows as one window, rows without a time too; so does a plan
    without a window. Raises as `evaluate` does.
    """
    stages = [stage_of(step) for step in plan.steps]

    def hits(time: int | None, window: list[Record]) -> list[Hit]:
        for stage in stages:
            window = stage(window)
        return [Hit(time, key_of(plan, row), row) for row in window]

    found = list(search(plan, rows))
    if whole or plan.window is None:
        return hits(None, found)
    timed = [(time, row) for row in found if isinstance(time := row.get(TIME_COLUMN), float)]
    timed.sort(key=lambda pair: pair[0])
    times = [time for time, _ in timed]
    every = plan.schedule.every if plan.schedule else plan.window
    reported: dict[Key, int] = {}
    loud = []
    for time in _edges(times, every):
        low, high = (bisect.bisect_left(times, edge) for edge in (time - plan.window, time))
        for hit in hits(time, [row for _, row in timed[low:high]]) if low < high else ():
            last = reported.get(hit.key)
            if plan.quiet is None or last is None or time - last >= plan.quiet:
                reported[hit.key] = time
                loud.append(hit)
    return loud


def key_of(plan: Plan, row: Record) -> Key:
    """What identifies a hit: the plan's outputs of the role key, else the columns of the last group, else all of it."""
    names: Sequence[str] = [name for output in plan.outputs if output.role == "key" for name in output.columns]
    if not names:
        groups = [step for step in plan.steps if isinstance(step, Group | Ordered)]
        names = groups[-1].by if groups else sorted(row)
    values = (row.get(name) for name in names)
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _edges(times: Sequence[float], every: int) -> range:
    if not times:
        return range(0)
    first, last = (math.floor(time / every) + 1 for time in (times[0], times[-1]))
    return range(first * every, last * every + 1, every)
