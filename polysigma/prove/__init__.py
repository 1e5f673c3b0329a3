"""`polysigma prove`: that a detection finds the same things on every platform, shown by running every query.

Each rule is converted, its queries are validated, and run on every scenario of the rule, rendered as each platform
would hold it. What a query finds is held against what the scenario expects, against a naive evaluation of the plan on
the same rows, window by window, and against what the other platforms find.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from polysigma.garbage import seldom_collected
from polysigma.prove.judgement import pronounce
from polysigma.prove.model import Case, Difference, Proof, Status, Verdict, shown_elsewhere
from polysigma.prove.prepare import prepare
from polysigma.prove.trial import Outcome, Trial, perform
from polysigma.prove.tuned import felt
from polysigma.tuning import apply, as_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polysigma.catalog import RuleFile
    from polysigma.diagnostics import Diagnostic
    from polysigma.prove.prepare import Detection
    from polysigma.telemetry import Scenario
    from polysigma.tuning import Tuning

__all__ = ["Case", "Difference", "Outcome", "Proof", "Status", "Trial", "Verdict", "perform", "prove"]

_FEW = 6
"""So few trials are done before another process has started."""


def prove(
    files: list[RuleFile],
    wanted: list[tuple[str, str]],
    *,
    scenarios: Iterable[str] = (),
    keep: Path | None = None,
    assumptions: bool = False,
    every_window: bool = False,
    tuning: Tuning | None = None,
    dialect: str | None = None,
    workers: int = 1,
    progress: Callable[[str, float], None] | None = None,
) -> Proof:
    """Proves every rule of some files on the platforms (and targets) that are wanted.

    `scenarios` names those to run, all where it is empty. `keep` is a folder for rows, queries and hits. `assumptions`
    tries the alternative of everything that an engine takes for granted; `every_window` leaves no window out (see
    `polysigma.prove.trial.MOST_WINDOWS`). `tuning` is a site's: the tuned rules are proven, and what it hides of what
    scenarios expect is a finding. `dialect` is that of SQL, DuckDB's where it is None. With more than one of `workers`
    trials are run by processes. Raises PolysigmaError for a scenario that is not there, and for a tuning that does not
    fit.
    """
    begun = time.perf_counter()
    tell = progress or (lambda _what, _part: None)
    said: list[Diagnostic] = []
    instead: Mapping[tuple[Path, str], Scenario] = {}
    settings: dict[str, Any] = {}
    if tuning is not None:
        tell("try the tuning", 0.0)
        names = list(scenarios)
        scenarios = names
        instead, said = felt(files, tuning, names)
        tuned = apply(files, tuning)
        files, settings = tuned.files, tuned.options()
        said = [*as_errors(tuned.findings), *said]
    if dialect:
        settings = {**settings, "dialect": dialect}
    detections, findings = prepare(
        files,
        wanted,
        names=scenarios,
        keep=keep,
        settings=settings,
        instead=instead,
        progress=lambda platform: tell(f"convert for {platform}", 0.0),
    )
    findings = [*said, *findings]
    trials = {_key(trial): replace(trial, every_window=every_window) for trial in _trials(detections)}
    outcomes: dict[tuple[str, str, str], Outcome] = {}
    for trial, outcome in _performed(list(trials.values()), workers):
        outcomes[_key(trial)] = outcome
        tell("run", len(outcomes) / len(trials))
    for detection in detections:
        own = {key[1:]: outcome for key, outcome in outcomes.items() if key[0] == detection.rule}
        findings += pronounce(detection, own)
    if assumptions:
        _flip(detections, outcomes, workers, tell)
    verdicts = [bench.verdict for detection in detections for bench in detection.benches]
    for verdict in verdicts:
        verdict.elsewhere = shown_elsewhere(verdict, verdicts)
    return Proof(verdicts, findings, time.perf_counter() - begun, assumptions)


def _key(trial: Trial) -> tuple[str, str, str]:
    return trial.rule, trial.platform, trial.scenario.name


def _trials(detections: Iterable[Detection]) -> Iterator[Trial]:
    return (trial for detection in detections for bench in detection.benches for trial in bench.trials)


def _performed(trials: Sequence[Trial], workers: int) -> Iterator[tuple[Trial, Outcome]]:
    """Every trial with its outcome, as they come. Those of one query go together: engines plan it once for them."""
    by_query: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        by_query.setdefault((trial.rule, trial.platform), []).append(trial)
    # The long ones are begun first.
    ordered = sorted(by_query.values(), key=lambda together: -sum(map(_length, together)))
    if workers < 2 or len(trials) <= _FEW:
        for together in ordered:
            yield from zip(together, _perform_all(together), strict=True)
        return
    # A fork would copy the threads of DuckDB half.
    with ProcessPoolExecutor(min(workers, len(ordered)), mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_perform_all, together): together for together in ordered}
        for done in as_completed(running):
            yield from zip(running[done], done.result(), strict=True)


def _perform_all(trials: Sequence[Trial]) -> list[Outcome]:
    with seldom_collected():
        return [perform(trial) for trial in trials]


def _length(trial: Trial) -> float:
    """How long a trial will take, about: by hosts, kinds of traffic and time."""
    scenario = trial.scenario
    return scenario.span * len(scenario.hosts) * len(scenario.traffic)


def _flip(
    detections: Sequence[Detection],
    outcomes: dict[tuple[str, str, str], Outcome],
    workers: int,
    tell: Callable[[str, float], None],
) -> None:
    """Notes for every verdict the assumptions that it hangs on: with the alternative there is a difference."""
    flipped = []
    for detection in detections:
        for bench in detection.benches:
            can = bench.runner.flips() if bench.runner else frozenset()
            for trial in bench.trials:
                before = outcomes[_key(trial)]
                if before.error or before.mismatch:
                    continue
                flipped += [replace(trial, flip=frozenset({name}), keep=None) for name in before.assumptions & can]
    found: dict[tuple[str, str], dict[str, str]] = {}
    for number, (trial, outcome) in enumerate(_performed(flipped, workers), start=1):
        (name,) = trial.flip
        problem = outcome.error or (str(outcome.mismatch) if outcome.mismatch else None)
        if problem:
            found.setdefault((trial.rule, trial.platform), {}).setdefault(name, f"{trial.scenario.name}: {problem}")
        tell("flip assumptions", number / len(flipped))
    for detection in detections:
        for bench in detection.benches:
            hangs = found.get((detection.rule, bench.verdict.platform), {})
            bench.verdict.hangs = dict(sorted(hangs.items()))
