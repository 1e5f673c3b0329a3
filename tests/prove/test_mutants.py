"""A query with one small fault in it finds something else in some scenario, or is told here why it finds the same."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Sized
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from copies import Copies, edges, fewest
from fallbacks import fallbacks, of_starts
from plan_values import NO_ADDRESSES, OTHERWISE
from probes import nowhere, probes, sources_of
from query_mutants import Mutant, mutants
from rhythms import RHYTHMS, punctual
from survivors import GONE_THROUGH, excused, faults, too_loose

from polysigma.catalog import packaged_names, read_rules
from polysigma.convert import pairs
from polysigma.diagnostics import PolysigmaError
from polysigma.engines.reference.evaluate import run, search
from polysigma.plan.steps import TIME_COLUMN, Score
from polysigma.plan.types import Type
from polysigma.prove.prepare import prepare
from polysigma.prove.trial import ROW, Ground, compare
from polysigma.telemetry import generate, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.steps import Plan
    from polysigma.prove.prepare import Bench
    from polysigma.prove.trial import Trial

PLATFORMS = tuple(platform for platform, _ in pairs([], None))
MOST = {
    "falcon": 0,
    "splunk_sysmon": 24,
    "splunk_cim": 12,
    "sysmon_json": 12,
    "fdr": 12,
    "defender": 12,
    "sentinel": 12,
    "asim": 12,
}
"""Mutants of one query that are tried: chosen by their digest, of each kind in turn. 0 is all of them."""
MOST_OF = {("regular_beacon_to_rare_destination", "falcon"): 150}
"""The same for one query, whose mutants, all of which have been tried, take minutes."""

UNREAD = {
    "logscale": frozenset({*OTHERWISE, "::ffff:300.1.1.1"}),
    "spl": frozenset(text for text in NO_ADDRESSES if ":" in text or "%" in text),
}
"""What languages write in their own way: IPv6 addresses as no sensor writes them, and texts that are no address."""
PROBED = 2
"""Scenarios that are repeated with other values."""
MOST_TAKEN = 1_200
"""Rows of a scenario of which edges are looked for."""
MOST_REPEATED = 40
"""Rows of a further scenario that are repeated, unless a search finds no others."""
MOST_ROWS = 2_000
"""Scenarios of more rows are left to `prove`; so many rows are made of the edges of the others."""


class Outcome(Enum):
    """What became of a mutant; a stillborn one is refused by the engine, and nobody can take it for the query."""

    KILLED = "killed"
    STILLBORN = "stillborn"
    SURVIVES = "survives"


class Stand:
    """What a query is tried on: the scenarios of its rule, and copies of them at every edge and with other values.

    The oracle says what is to be found in them, never the query.
    """

    def __init__(self, bench: Bench) -> None:
        trials = bench.trials
        self.text = trials[0].text
        self.target = bench.verdict.target
        self.engine = bench.runner
        outputs = trials[0].plan.outputs
        self._rhythms = RHYTHMS.get(trials[0].rule)
        self._lists = [name for one in outputs if one.type is Type.LIST for name in one.columns]
        alike, otherwise = [], []
        for trial in trials:
            ground = Ground(trial, list(render(generate(trial.scenario), trial.renderer)))
            if len(ground.data.rows) <= MOST_ROWS:
                (otherwise if trial.platform in trial.scenario.platforms else alike).append(ground)
        # What a platform finds otherwise than the others is left to `prove`, unless it finds nothing else.
        self.grounds = alike if any(any(ground.oracle) for ground in alike) else alike + otherwise
        self.grounds.sort(key=lambda ground: len(ground.data.rows))
        self.grounds = [*self._made(trials), *self.grounds]
        if self._rhythms is not None:
            own = self._rhythms()
            rows = list(punctual(render(generate(own), trials[0].renderer)))
            self.grounds.append(Ground(replace(trials[0], scenario=own), rows))
        self._columns: dict[int, set[object]] = {}
        self._kills: Counter[int] = Counter()

    def _made(self, trials: list[Trial]) -> Iterator[Ground]:
        """The edges of all scenarios with hits; then the fewest rows that hit, with other values.

        Of a detection with rhythms of its own, which are at its edges, only the first scenario is repeated.
        """
        having = [(ground, self._bare(ground)) for ground in self.grounds if any(ground.oracle)]
        having = [one for one in having if len(one[1]) <= MOST_TAKEN] or having[:1]
        plan = trials[0].plan
        hosts = [name for one in plan.outputs if one.canonical in trials[0].hosts for name in one.columns]
        copies = Copies(plan, [row for _, rows in having for row in rows], hosts)
        made: list[dict[str, Any]] = []
        least = []
        for ground, rows in having if self._rhythms is None else having[:1]:
            ordered = [rows[number] for number in ground.data.ordered[1]]
            counts = edges(ordered, partial(self._told, ground))
            for count in counts if self._rhythms is None else ():
                if len(made) + count <= MOST_ROWS:
                    made += copies.fresh(ordered[:count])
            parts = [ordered[: next(count for count in counts if self._hits(ground, ordered[:count]))]]
            parts += [alone for alone in alone_of(plan, ordered) if self._hits(ground, alone)]
            least += [fewest(part, partial(self._hits, ground)) for part in parts]
        for number in range(len(plan.sources)):
            if not any(number in found for rows in least for found in sources_of(plan, rows)):
                least += self._raising(having, number)
        if made:
            yield Ground(trials[0], made)
        # An accelerated data model has its own word for what is empty, such as unknown.
        unread, empty = UNREAD.get(self.target, frozenset()), "| tstats" not in self.text
        for rows in repeated(plan, least):
            yield Ground(trials[0], probes(plan, rows, hosts, unread=unread, empty=empty))
            if alone := nowhere(plan, rows, hosts):
                yield Ground(trials[0], alone)
            for make in (fallbacks, of_starts) if trials[0].platform == "fdr" else ():
                yield from (Ground(trials[0], lacking) for lacking in make(plan, rows, hosts))

    def _raising(self, having: Sequence[tuple[Ground, list[dict[str, Any]]]], number: int) -> Iterator[list[Any]]:
        """The fewest rows of a scenario in which what one search finds raises a score; alone it hits nothing."""
        for ground, rows in having:
            found = {id(row): sources for row, sources in zip(rows, sources_of(ground.plan, rows), strict=True)}

            def raises(some: Sequence[Mapping[str, Any]], ground: Ground = ground, found: Any = found) -> bool:
                others = [row for row in some if number not in found[id(row)]]
                return len(others) < len(some) and self._told(ground, some) != self._told(ground, others)

            ordered = [rows[place] for place in ground.data.ordered[1]]
            if raises(ordered):
                yield fewest(ordered, raises)
                return

    def _hits(self, ground: Ground, rows: Sequence[Mapping[str, Any]]) -> bool:
        return any(self._told(ground, rows))

    @staticmethod
    def _bare(ground: Ground) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != ROW} for row in ground.data.rows]

    @staticmethod
    def _told(ground: Ground, rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
        """The hits in some rows, in every window that is run, by their scores and by what is true of them."""
        scores = {step.name for step in ground.plan.steps if isinstance(step, Score)}
        matched = list(search(ground.plan, rows))
        found = []
        for window in (window for window, hits in zip(ground.distinct, ground.oracle, strict=True) if hits):
            first, beyond = window or (-inf, inf)
            inside = [row for row in matched if window is None or first <= (row.get(TIME_COLUMN) or -inf) < beyond]
            hits = run(ground.plan.steps, inside) if inside else []
            found.append(
                tuple(
                    repr([pair for pair in hit.items() if pair[0] in scores or isinstance(pair[1], bool)])
                    for hit in hits
                )
            )
        return tuple(found)

    def _worth(self, ground: Ground) -> float:
        """How many mutants it has killed for what a run on it costs: those that are worth most are tried first."""
        return (self._kills[id(ground)] + 1) / (200 + len(ground.data.rows)) / (1 + len(ground.distinct))

    def outcome(self, text: str) -> Outcome:
        """Whether some ground tells the text from the right one, or the engine refuses it."""
        for ground in sorted(self.grounds, key=self._worth, reverse=True):
            if id(ground) not in self._columns:
                assert not self._differs(ground, self.text), "the query itself differs from the oracle"
            try:
                differs = self._differs(ground, text)
            except (PolysigmaError, ValueError, AssertionError, KeyError, TypeError, duckdb.Error):
                return Outcome.STILLBORN
            if differs:
                self._kills[id(ground)] += 1
                return Outcome.KILLED
        return Outcome.SURVIVES

    def _differs(self, ground: Ground, text: str) -> bool:
        shown: set[object] = set()
        with self.engine.store(ground.data, self.text) as store:
            results = store.run(text, ground.distinct)
            for window, expected, result in zip(ground.distinct, ground.oracle, results, strict=True):
                hits = [ground.hit(row, window, self.engine) for row in result.rows]
                if result.incomplete or compare(ground.plan, window, hits, expected):
                    return True
                shown |= {(window, hit.key, _filled(row)) for hit, row in zip(hits, result.rows, strict=True)}
                shown |= {f"{len(items)} {name}" for hit in hits for name, items in hit.lists}
                shown |= {f"{self._length(row.get(name))} in {name}" for row in result.rows for name in self._lists}
        return shown != self._columns.setdefault(id(ground), shown)

    def _length(self, value: Any) -> int:
        """How many items a list has as it is shown: one that comes twice, twice."""
        items = self.engine.value(value, Type.LIST)
        return len(items) if isinstance(items, Sized) else 0


def alone_of(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The rows that each search of a plan finds, where these are not all of those that some search finds."""
    found = sources_of(plan, rows)
    for number in range(len(plan.sources)) if len({one for one in found if one}) > 1 else ():
        yield [row for row, sources in zip(rows, found, strict=True) if number in sources]


def repeated(plan: Plan, least: list[list[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    """The fewest rows that hit, those of the next scenario, and the fewest for each search that none of these has."""
    seen: set[int] = set()
    for place, rows in enumerate(sorted(least, key=len)):
        sources = {number for found in sources_of(plan, rows) for number in found}
        if not sources <= seen or (place < PROBED and len(rows) <= MOST_REPEATED):
            seen |= sources
            yield rows


def _filled(row: Mapping[str, Any]) -> frozenset[object]:
    """The columns that have a value in a row: what people are shown; and when the event was that Defender alerts on."""
    filled = frozenset(name for name, value in row.items() if value not in (None, "", []))
    return filled | {row["Timestamp"]} if "Timestamp" in filled else filled


def chosen(found: Iterable[Mutant], most: int) -> list[Mutant]:
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in sorted(found, key=lambda one: hashlib.sha256(one.text.encode()).hexdigest()):
        kinds[mutant.kind].append(mutant)
    turns = [(turn, kind, mutant) for kind, listed in kinds.items() for turn, mutant in enumerate(listed)]
    ordered = [mutant for _, _, mutant in sorted(turns, key=lambda item: item[:2])]
    return ordered[:most] if most else ordered


@dataclass(frozen=True)
class Tried:
    """What became of the mutants of one query."""

    rule: str
    platform: str
    ends: tuple[tuple[Mutant, Outcome], ...]

    def of(self, outcome: Outcome) -> list[Mutant]:
        return [mutant for mutant, end in self.ends if end is outcome]

    def faults(self) -> list[str]:
        """The survivors that nothing explains, and the explanations that mutants that were killed belie."""
        left = [mutant for mutant in self.of(Outcome.SURVIVES) if not excused(self.rule, self.platform, mutant)]
        return [*map(str, left), *too_loose(self.rule, self.platform, self.of(Outcome.KILLED))]


def bench_of(name: str, platform: str) -> Bench:
    files, _ = read_rules([name])
    (detection,), _ = prepare(files, pairs([platform], None))
    (bench,) = detection.benches
    return bench


def tried(name: str, platform: str, most: int) -> Tried:
    """Runs the mutants of the query of a detection, at most so many; none where the platform has no query."""
    bench = bench_of(name, platform)
    if not bench.trials:
        return Tried(name, platform, ())
    stand = Stand(bench)
    picked = chosen(mutants(stand.target, stand.text), most)
    return Tried(name, platform, tuple((mutant, stand.outcome(mutant.text)) for mutant in picked))


def test_some_mutants_of_a_query_are_told_from_it():
    found = tried("telnet_ssh_spray", "falcon", 10)
    assert not found.faults()
    assert len(found.of(Outcome.KILLED)) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "platform"),
    [
        pytest.param(name, platform, marks=pytest.mark.xdist_group(f"mutants of {name} on {platform}"))
        for platform, names in GONE_THROUGH.items()
        for name in names
    ],
)
def test_every_mutant_of_a_query_is_told_from_it_or_known_to_be_the_same(name, platform):
    found = tried(name, platform, MOST_OF.get((name, platform), MOST[platform]))
    assert not found.faults(), "\n".join(found.faults())
    assert len(found.of(Outcome.KILLED)) >= len(found.of(Outcome.STILLBORN))


@pytest.mark.skipif("POLYSIGMA_MUTANTS" not in os.environ, reason="POLYSIGMA_MUTANTS is not set: takes hours")
@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", packaged_names())
def test_every_mutant_of_every_query(name, platform):
    found = tried(name, platform, int(os.environ["POLYSIGMA_MUTANTS"]))
    assert not found.faults(), "\n".join(found.faults())


@pytest.mark.slow
def test_every_fault_that_is_said_to_survive_is_one_of_each_of_its_queries():
    unmatched = {(fault, platform) for fault in faults() for platform in fault.platforms if platform in GONE_THROUGH}
    for platform, names in GONE_THROUGH.items():
        for name in names:
            bench = bench_of(name, platform)
            made = mutants(bench.verdict.target, bench.trials[0].text)
            listed = [one for one, where in unmatched if where == platform and one.of(name, platform)]
            unmatched -= {(one, platform) for one in listed if any(map(one.matches, made))}
    assert not [f"{fault} ({platform})" for fault, platform in unmatched]
