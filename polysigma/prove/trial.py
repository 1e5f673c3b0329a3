"""One trial: a rule's query on one platform, run on one scenario, beside the oracle on the same rows.

A trial and its outcome are plain data, so that trials can be run by several processes.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.reference.evaluate import run, search
from polysigma.engines.runners import Data, Window, runner
from polysigma.plan.expressions import TRUE, columns
from polysigma.plan.lookups import lookups_of, rows_of
from polysigma.plan.steps import TIME_COLUMN, Annotate, Bucket, Derive, Group, Ordered, Score, Where
from polysigma.prove.hits import Hit, Reading, alike, lists_differ, near, order_of, read
from polysigma.prove.spelling import spell_step
from polysigma.prove.steps import diverging_step
from polysigma.telemetry import recorded, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from polysigma.engines.reference.values import Record
    from polysigma.engines.runners import Runner, Store
    from polysigma.plan.steps import Plan
    from polysigma.telemetry import Scenario

ROW = "polysigma_row"
"""A column that tells the rows of a rule without steps apart; the query hands it through."""


MOST_WINDOWS = 8
"""Of more windows (that hold different rows) only some are run: those in which the oracle's hits begin, end, or meet an
expectation for the first time, the one after each, and so many others, evenly spread."""

MOST_ROWS = 10_000
"""Where the rows that the rule takes are more, in all windows together, the oracle too is run on evenly spread windows
only, as long as every hit that is expected is in one of these."""


@dataclass(frozen=True)
class Trial:
    """What to run. `plan` is on the platform's columns and derives the time of its rows."""

    rule: str
    platform: str
    target: str
    """What the query is written in, or the dialect of SQL."""
    schema: str
    renderer: str
    hosts: tuple[str, ...]
    plan: Plan
    text: str
    scenario: Scenario
    fields: Plan | None = None
    """By what the hits of a rule without steps are told."""
    flip: frozenset[str] = frozenset()
    keep: Path | None = None
    every_window: bool = False


@dataclass(frozen=True)
class Mismatch:
    """Where the engine first differs from the oracle. `step` says after which step of the plan it did."""

    window: Window | None
    message: str
    expected: Hit | None = None
    found: Hit | None = None
    step: str | None = None

    @property
    def differs(self) -> bool:
        """Whether it is about a hit, not about the order of hits or what is displayed with them."""
        if self.expected and self.found:
            return not alike(self.expected.values, self.found.values)
        return bool(self.expected or self.found)

    def __str__(self) -> str:
        return f"{self.message} ({self.step})" if self.step else self.message


@dataclass
class Outcome:
    """What came of a trial. `matched`: how many rows the rule's search takes; `error`: why the engine did not run."""

    rows: int = 0
    matched: int = 0
    windows: int = 0
    seconds: float = 0.0
    ends: frozenset[int | None] = frozenset()
    """The ends of the windows."""
    hits: list[Hit] = field(default_factory=list)
    oracle: list[Hit] = field(default_factory=list)
    mismatch: Mismatch | None = None
    error: str | None = None
    assumptions: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def perform(trial: Trial) -> Outcome:
    """Runs a trial from the scenario on: its events, the platform's rows, the oracle and the engine."""
    begun = time.perf_counter()
    rows = list(recorded(trial.scenario, trial.renderer))
    outcome = judge(trial, Ground(trial, rows))
    outcome.seconds = time.perf_counter() - begun
    if trial.keep:
        _keep(trial, rows, outcome)
    return outcome


class Ground:
    """The rows of a platform in a scenario, cut into windows, and what the oracle finds in each."""

    def __init__(self, trial: Trial, rows: Sequence[Mapping[str, Any]]) -> None:
        self.plan = trial.plan
        self.fields = trial.fields
        self.reading = Reading(trial.fields or trial.plan, trial.scenario.directory, trial.hosts)
        if not trial.plan.steps:
            rows = [{**row, ROW: number} for number, row in enumerate(rows)]
        lookups = {name: rows_of(items) for name, items in lookups_of(trial.plan).items()}
        self.data = Data(trial.schema, rows, times_of(trial.plan, rows), lookups)
        self.windows, self.distinct = windows_of(trial.plan, self.data)
        self.matched = list(search(trial.plan, rows))
        if not trial.every_window:
            self._choose(trial)

    def between(self, window: Window | None) -> list[Record]:
        """The rows that the oracle's searches find in a window."""
        return _between(self.matched, window)

    def _choose(self, trial: Trial) -> None:
        """Leaves out windows where there are many: see `MOST_WINDOWS`."""
        if len(self.distinct) <= MOST_WINDOWS:
            return
        expected = [*trial.scenario.hit, *trial.scenario.miss]
        spread = _spread(len(self.distinct), MOST_WINDOWS)
        some = self._hits([self.distinct[number] for number in spread]) if self._taken() > MOST_ROWS else []
        found = [hit for hits in some for hit in hits]
        if some and all(any(hit.fits(one) for hit in found) for one in trial.scenario.hit):
            self.oracle = some
        else:
            spread = _telling(self.oracle, expected, spread)
            self.oracle = [self.oracle[number] for number in spread]
        self.distinct = [self.distinct[number] for number in spread]
        kept = set(self.distinct)
        self.windows = [(window, same) for window, same in self.windows if same in kept]

    def _taken(self) -> int:
        """How many rows the rule takes, in all windows together: a row that is in several windows counts for each."""
        times = sorted(at for row in self.matched if isinstance(at := row.get(TIME_COLUMN), float))
        bounds = (window for window in self.distinct if window)
        return sum(bisect_left(times, end) - bisect_left(times, start) for start, end in bounds)

    @cached_property
    def oracle(self) -> list[list[Hit]]:
        """The hits of each distinct window. Lists have no limit here."""
        return self._hits(self.distinct)

    def _hits(self, windows: Sequence[Window | None]) -> list[list[Hit]]:
        """Steps that look at one row at a time are taken once, for all windows."""
        steps = without_limits(self.plan).steps
        alone = next((at for at, step in enumerate(steps) if not isinstance(step, _ALONE)), len(steps))
        rows = run(steps[:alone], self.matched)
        return [[self.hit(row, window) for row in run(steps[alone:], _between(rows, window))] for window in windows]

    def hit(self, row: Mapping[str, Any], window: Window | None, engine: Runner | None = None) -> Hit:
        """The hit that a row of the oracle's, or of an engine's, is."""
        end = window[1] if window else None
        if not self.plan.outputs:
            return self._event(int(str(row.get(ROW, -1))))
        if engine is None:
            return self.reading.hit(row, end)
        return self.reading.hit(row, end, lambda value, kind: read(engine.value(value, kind), kind))

    def _event(self, number: int) -> Hit:
        """A row that a rule without steps takes: it is itself and no other, and is told by its fields."""
        key = ((ROW, number),)
        record = next(search(self.fields, [self.data.rows[number]]), None) if self.fields and number >= 0 else None
        return replace(self.reading.hit(record, None), key=key, values=()) if record else Hit(None, key, (), ())

    def spread(self, found: Sequence[Sequence[Hit]]) -> list[Hit]:
        """The hits of all windows from those of the distinct ones."""
        by_window = dict(zip(self.distinct, found, strict=True))
        spread = []
        for window, same in self.windows:
            end = window[1] if window else None
            spread += [replace(hit, end=end) for hit in by_window[same]]
        return spread


def _spread(count: int, most: int) -> list[int]:
    """So many numbers below `count`, evenly spread, the last one among them."""
    return sorted({count - 1 - round(step * (count - 1) / (most - 1)) for step in range(most)})


def _telling(
    oracle: Sequence[Sequence[Hit]], expected: Sequence[Mapping[str, Any]], spread: Sequence[int]
) -> list[int]:
    """The windows in which a key is hit for the first or the last time, or an expectation is met first, and others."""
    chosen: set[int] = set()
    runs: dict[Any, list[int]] = {}
    for number, hits in enumerate(oracle):
        for hit in hits:
            runs.setdefault(hit.key, []).append(number)
    for numbers in runs.values():
        chosen |= {numbers[0], numbers[-1]}
    for one in expected:
        met = next((number for number, hits in enumerate(oracle) if any(hit.fits(one) for hit in hits)), None)
        chosen |= {met} if met is not None else set()
    chosen |= {number + 1 for number in chosen if number + 1 < len(oracle)}
    return sorted(chosen | set(spread))


_ALONE = Where | Derive | Score | Bucket


def _between(rows: Sequence[Record], window: Window | None) -> list[Record]:
    if window is None:
        return list(rows)
    start, end = window
    return [row for row in rows if isinstance(at := row.get(TIME_COLUMN), float) and start <= at < end]


def judge(trial: Trial, ground: Ground) -> Outcome:
    """What the engine makes of the query, held against the oracle."""
    outcome = Outcome(len(ground.data.rows), len(ground.matched), len(ground.windows))
    outcome.oracle = ground.spread(ground.oracle)
    outcome.ends = frozenset(window[1] if window else None for window, _ in ground.windows)
    try:
        engine = runner(trial.target)
        with engine.store(ground.data, trial.text) as store:
            outcome.hits = ground.spread(_executed(trial, ground, engine, store, outcome))
            if outcome.mismatch and outcome.mismatch.differs and not trial.flip:
                step = diverging_step(ground, outcome.mismatch.window, trial.text, engine, store)
                outcome.mismatch = replace(outcome.mismatch, step=step)
    except PolysigmaError as error:
        outcome.error = "; ".join(str(one) for one in error.findings)
    return outcome


def _executed(trial: Trial, ground: Ground, engine: Runner, store: Store, outcome: Outcome) -> list[list[Hit]]:
    """The hits of each distinct window; notes in the outcome what is to be said about them."""
    found: list[list[Hit]] = []
    results = store.run(trial.text, ground.distinct, trial.flip)
    for window, expected, result in zip(ground.distinct, ground.oracle, results, strict=True):
        hits = [ground.hit(row, window, engine) for row in result.rows]
        found.append(hits)
        outcome.assumptions |= result.assumptions
        outcome.warnings = tuple(dict.fromkeys((*outcome.warnings, *result.warnings)))
        if outcome.mismatch is None:
            outcome.mismatch = compare(trial.plan, window, hits, expected)
        if outcome.mismatch is None and result.incomplete:
            outcome.mismatch = Mismatch(window, "the result is incomplete: " + "; ".join(result.warnings))
    return found


def compare(plan: Plan, window: Window | None, found: Sequence[Hit], expected: Sequence[Hit]) -> Mismatch | None:
    """The first difference of an engine's hits in one window from the oracle's; None where they are equal."""
    left = list(expected)
    by_key: dict[Any, list[Hit]] = {}
    for hit in left:
        by_key.setdefault(hit.key, []).append(hit)
    for hit in found:
        same = by_key.get(hit.key)
        if not same:
            return Mismatch(window, f"finds {hit.said()}, which the oracle does not find", None, hit)
        partner = next((one for one in same if alike(one.values, hit.values)), same[0])
        same.remove(partner)
        if not alike(partner.values, hit.values):
            return Mismatch(window, f"{_numbers(hit, partner)} in {hit.said()}", partner, hit)
        lists = lists_differ(plan, hit, partner)
        if lists:
            return Mismatch(window, f"{lists} in {hit.said()}", partner, hit)
    missing = next((one for same in by_key.values() for one in same), None)
    if missing:
        return Mismatch(window, f"does not find {missing.said()}", missing, None)
    if not _one_order(order_of(plan, found), order_of(plan, expected)):
        return Mismatch(window, "gives the hits in another order", step=_said_last(plan))
    return None


def _one_order(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(near(one, other) for some, others in pairs for one, other in zip(some, others, strict=True))


def _said_last(plan: Plan) -> str:
    return f"after step {len(plan.steps)}: {spell_step(plan.steps[-1])}"


def _numbers(found: Hit, expected: Hit) -> str:
    return ", ".join(
        f"{name} is {value} where the oracle has {other}"
        for (name, value), (_, other) in zip(found.values, expected.values, strict=True)
        if not near(value, other)
    )


def times_of(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """When each row happened, by the claims: for a row that no source takes by its event filter, by the first one's."""
    times: list[float | None] = [None] * len(rows)
    if plan.window is None:
        return times
    first = replace(plan.sources[0], event=(), condition=TRUE)
    others = () if len(plan.sources) == 1 else reversed(plan.sources)
    for source in (first, *(replace(source, condition=TRUE) for source in others)):
        clock = dict(source.derived)[TIME_COLUMN]
        read = {*columns(clock), *(name for test in source.event for name in columns(test))}
        only = replace(plan, sources=(replace(source, derived=((TIME_COLUMN, clock),)),))
        numbered = ({ROW: at, **{name: row[name] for name in read if name in row}} for at, row in enumerate(rows))
        for row in search(only, numbered):
            at = row.get(TIME_COLUMN)
            times[int(str(row[ROW]))] = at if isinstance(at, float) else None
    return times


def windows_of(plan: Plan, data: Data) -> tuple[list[tuple[Window | None, Window | None]], list[Window | None]]:
    """Every window of the schedule over the rows, each with the first one that holds the same rows, and these."""
    if plan.window is None:
        return [(None, None)], [None]
    every = plan.schedule.every if plan.schedule else plan.window
    times, _ = data.ordered
    if not times:
        return [], []
    windows: list[tuple[Window | None, Window | None]] = []
    seen: dict[tuple[int, int], Window] = {}
    for slot in range(math.floor(times[0] / every) + 1, math.floor(times[-1] / every) + 2):
        window = (slot * every - plan.window, slot * every)
        first, end = data.span(window)
        windows.append((window, seen.setdefault((first, end) if first < end else (0, 0), window)))
    return windows, list(seen.values())


def without_limits(plan: Plan) -> Plan:
    """The plan with all values in its display lists."""

    def wide(step: Any) -> Any:
        if not isinstance(step, Group | Ordered | Annotate):
            return step
        measures = tuple(
            replace(measure, constant=2**31) if measure.function == "collect" else measure for measure in step.measures
        )
        return replace(step, measures=measures)

    return replace(plan, steps=tuple(wide(step) for step in plan.steps))


def _keep(trial: Trial, rows: Sequence[Mapping[str, Any]], outcome: Outcome) -> None:
    """The rows, the query and the hits, for others to ingest and to compare with."""
    import json

    assert trial.keep is not None
    folder = trial.keep / trial.rule / trial.scenario.name
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / f"{trial.platform}.json.gz", map(dict, rows))
    hits = [hit.as_dict() for hit in outcome.hits]
    (folder / f"{trial.platform}.hits.json").write_text(json.dumps(hits, indent=1) + "\n", encoding="utf-8")
