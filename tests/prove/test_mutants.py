"""A query with one small fault in it finds something else in some scenario, or is told here why it finds the same."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from probes import probes
from query_mutants import Mutant, mutants

from polysigma.catalog import read_rules
from polysigma.convert import pairs
from polysigma.diagnostics import PolysigmaError
from polysigma.engines.runners import runner
from polysigma.prove.prepare import prepare
from polysigma.prove.trial import ROW, Ground, compare
from polysigma.telemetry import generate, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.prove.trial import Trial

PLATFORMS = ("falcon", "splunk_sysmon")
"""Those whose engines are ours: planning a query costs DuckDB seconds for each mutant."""
RULES = ("botnet_node_beaconing",)
"""The rules whose survivors have been gone through. Those of the others have not."""
SURVIVORS = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))["survivor"]
MOST = int(os.environ.get("POLYSIGMA_MUTANTS", "12"))
"""Mutants of one query that are tried: chosen by their digest, of each kind in turn. 0 is all of them."""


PROBED = 1
"""Scenarios that are repeated with other values."""
MOST_ROWS = 2_000
"""Scenarios of more rows are left to `prove`: a mutant that survives is run on all of them."""


class Stand:
    """The scenarios of a rule on a platform, with what the oracle finds in them: those that tell most stand first."""

    def __init__(self, trials: list[Trial]) -> None:
        self.text = trials[0].text
        self.engine = runner(trials[0].target)
        self.grounds = []
        for trial in trials:
            ground = Ground(trial, list(render(generate(trial.scenario), trial.renderer)))
            if len(ground.data.rows) <= MOST_ROWS and trial.platform not in trial.scenario.platforms:
                self.grounds.append((trial, ground, ground.oracle))
        self.grounds += self._probed(trials)
        self.grounds.sort(key=lambda item: len(item[1].data.rows))

    def _probed(self, trials: list[Trial]) -> Iterator[tuple[Trial, Ground, list]]:
        """The smallest scenarios with hits, with every value that the plan tells from others."""
        having = [(trial, ground) for trial, ground, oracle in self.grounds if any(oracle)]
        for trial, ground in sorted(having, key=lambda item: len(item[1].data.rows))[:PROBED]:
            hosts = {name for one in trial.plan.outputs if one.canonical in trial.hosts for name in one.columns}
            rows = [{name: value for name, value in row.items() if name != ROW} for row in ground.data.rows]
            probed = Ground(trial, probes(trial.plan, rows, hosts, hexadecimal=trial.target != "logscale"))
            yield trial, probed, probed.oracle

    def killed(self, text: str) -> bool:
        """Whether some scenario tells the text from the right one."""
        for place, (_, ground, oracle) in enumerate(self.grounds):
            if self._differs(ground, oracle, text):
                self.grounds.insert(0, self.grounds.pop(place))
                return True
        return False

    def _differs(self, ground: Ground, oracle, text: str) -> bool:
        try:
            with self.engine.store(ground.data, self.text) as store:
                for window, expected, result in zip(
                    ground.distinct, oracle, store.run(text, ground.distinct), strict=True
                ):
                    hits = [ground.hit(row, window, self.engine) for row in result.rows]
                    if result.incomplete or compare(ground.plan, window, hits, expected):
                        return True
        except (PolysigmaError, ValueError, AssertionError):
            return True
        return False


def chosen(found: Iterable[Mutant]) -> list[Mutant]:
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in sorted(found, key=lambda one: hashlib.sha256(one.text.encode()).hexdigest()):
        kinds[mutant.kind].append(mutant)
    turns = [(turn, kind, mutant) for kind, listed in kinds.items() for turn, mutant in enumerate(listed)]
    ordered = [mutant for _, _, mutant in sorted(turns, key=lambda item: item[:2])]
    return ordered[:MOST] if MOST else ordered


def excused(rule: str, platform: str, mutant: Mutant) -> bool:
    return any(
        entry.get("rule", rule) == rule
        and platform in entry.get("platforms", (platform,))
        and all(words in str(mutant) for words in entry["mutant"])
        for entry in SURVIVORS
    )


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", RULES)
def test_every_mutant_of_a_query_is_told_from_it_or_known_to_be_the_same(name, platform):
    files, _ = read_rules([name])
    detections, _ = prepare(files, pairs([platform], None))
    for detection in detections:
        (bench,) = detection.benches
        if not bench.trials:
            continue
        stand = Stand(bench.trials)
        assert not stand.killed(stand.text)
        left = [
            mutant for mutant in chosen(mutants(bench.trials[0].target, stand.text)) if not stand.killed(mutant.text)
        ]
        unexplained = [str(mutant) for mutant in left if not excused(name, platform, mutant)]
        assert not unexplained, "\n".join(unexplained)
