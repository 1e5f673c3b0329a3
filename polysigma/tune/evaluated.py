"""A rule that Sysmon's events cannot answer, on its scenarios: its plan is evaluated on another platform's rows.

A firewall's log, for example. There is no SQL for these rows, so the naive evaluator finds the hits, window by window.
It is the one that proofs hold every query against; slow, and a scenario has few rows.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from math import floor
from typing import TYPE_CHECKING, Any

from polysigma.engines.reference.evaluate import run, search
from polysigma.plan.steps import TIME_COLUMN
from polysigma.plan.types import Type
from polysigma.prove.prepare import timed
from polysigma.replay import loud, schedule_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polysigma.engines.reference.values import Record, Row
    from polysigma.plan.steps import Plan, Source
    from polysigma.platform import Platform
    from polysigma.replay import Hit


class Evaluated:
    """Rows of a platform, ready to be asked for the hits of variants of a plan, as `Sweep` is."""

    def __init__(self, plan: Plan, rows: Sequence[Row], platform: Platform) -> None:
        self.rows = rows
        self.platform = platform
        self._found: dict[tuple[Source, ...], list[tuple[float, Record]]] = {}
        self.matched = len(self._taken(timed(plan, platform)))

    def hits(self, plan: Plan) -> list[Hit]:
        """The hits of a plan, window after window, a key once in its quiet period."""
        shown = replace(plan, outputs=tuple(one for one in plan.outputs if one.type is not Type.LIST))
        return list(loud(shown, self._windows(timed(plan, self.platform))))

    def _windows(self, plan: Plan) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The end of each window that has rows, and what the steps make of them."""
        found = self._taken(plan)
        times = [time for time, _ in found]
        every, window = schedule_of(plan), plan.window or 0
        first, last = ((floor(time / every) + 1) for time in (times[0], times[-1])) if times else (1, 0)
        before: tuple[int, int] | None = None
        for end in range(first * every, last * every + 1, every):
            inside = bisect_left(times, end - window), bisect_left(times, end)
            if inside[0] < inside[1]:
                if inside != before:  # two windows with the same rows find the same
                    made = run(plan.steps, [dict(row) for _, row in found[slice(*inside)]])
                    before = inside
                yield end, list(made)

    def _taken(self, plan: Plan) -> list[tuple[float, Record]]:
        """The rows that the searches take, by their time; searched once for plans that differ in their steps only."""
        if plan.sources not in self._found:
            found = ((row.get(TIME_COLUMN), row) for row in search(plan, self.rows))
            taken = [(time, row) for time, row in found if isinstance(time, float)]
            self._found[plan.sources] = sorted(taken, key=lambda pair: pair[0])
        return self._found[plan.sources]
