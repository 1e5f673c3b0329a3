"""A rule on its own scenarios, all of them in one table of events: each a stretch of time of its own."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysigma.catalog import read_rules
from polysigma.convert import compile_rule, platforms
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.sql_text import TABLE
from polysigma.plan.metadata import read_metadata
from polysigma.replay import load_events, opened
from polysigma.telemetry import RENDERERS, SCENARIOS, load_scenarios, recorded, write_rows
from polysigma.tune.curves import fits, measure
from polysigma.tune.evaluated import Evaluated
from polysigma.tune.sweep import Sweep
from sigma.pipelines.polysigma import platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polysigma.plan.metadata import ParameterModel, ParameterValue
    from polysigma.replay import Hit
    from polysigma.telemetry import Scenario
    from polysigma.tune.curves import Events
    from polysigma.tune.model import Curve
    from polysigma.tuning import Tuning
    from sigma.backends.polysigma.compiler import Compiled

SHAPE, PLATFORM = "sysmon", "sysmon_json"
"""What the events are rendered as, unless these cannot answer the rule."""
_WEEK = timedelta(days=7)


def parameters_of(reference: str, set_to: Mapping[str, Any] | None = None) -> dict[str, tuple[ParameterModel, Any]]:
    """The parameters of the one rule behind a reference, each with the value that it has: the rule's, or another."""
    files, findings = read_rules([reference])
    if findings:
        raise PolysigmaError(*findings)
    maps = [value["polysigma"] for file in files for _, value in file.maps if "polysigma" in value]
    found: dict[str, tuple[ParameterModel, ParameterValue]] = {}
    for one in maps[:1]:
        for name, model in read_metadata(one).parameters.items():
            found[name] = (model, (set_to or {}).get(name, model.value))
    return found


@dataclass(frozen=True, slots=True)
class Expected:
    """What scenarios expect, told apart by when it happens."""

    scenarios: tuple[Scenario, ...]
    keys: frozenset[str]
    """What identifies a hit: the numbers of an expected hit change with a parameter, the hit stays the same."""
    window: int

    @property
    def malicious(self) -> int:
        return sum(len(self._named(scenario)) for scenario in self.scenarios)

    def found(self, hits: Iterable[Hit]) -> int:
        by = self._by_scenario(hits)
        return sum(
            any(fits(hit, one) for hit in by[number])
            for number, scenario in enumerate(self.scenarios)
            for one in self._named(scenario)
        )

    def false(self, hits: Iterable[Hit]) -> int:
        by = self._by_scenario(hits)
        return sum(
            not any(fits(hit, one) for one in self._named(scenario))
            for number, scenario in enumerate(self.scenarios)
            for hit in by[number]
        )

    def _named(self, scenario: Scenario) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for one in scenario.hit:
            key = {name: value for name, value in one.items() if name in self.keys}
            if key and key not in found:
                found.append(key)
        return found

    def _by_scenario(self, hits: Iterable[Hit]) -> list[list[Hit]]:
        parts: list[list[Hit]] = [[] for _ in self.scenarios]
        for hit in hits:
            end = datetime.fromisoformat(str(hit["window_end"])).timestamp()
            number = next(at for at, one in enumerate(self.scenarios) if end <= one.end + self.window + 86400)
            parts[number].append(hit)
        return parts


def apart(scenarios: Sequence[Scenario], window: int) -> list[Scenario]:
    """The scenarios one after the other, so far apart that no window looks at two of them; weekdays stay."""
    moved: list[Scenario] = []
    start = datetime(2026, 3, 2, tzinfo=UTC)
    for scenario in scenarios:
        shift = -(-(start - scenario.start) // _WEEK) * _WEEK
        one = scenario.model_copy(update={"start": scenario.start + shift})
        moved.append(one)
        start = datetime.fromtimestamp(one.end + 2 * window, UTC) + timedelta(days=3)
    return moved


def where(reference: str) -> tuple[str, str]:
    """The platform on which a rule is tried, and the language: Sysmon's, or the first on which the rule can be said.

    Raises PolysigmaError with what `PLATFORM` says where there is none.
    """
    refused: PolysigmaError | None = None
    for name, target in [(PLATFORM, "sql"), *((name, targets[0]) for name, targets in platforms().items())]:
        if name in RENDERERS:
            try:
                compile_rule(reference, name, target, accept_blind=name == PLATFORM)
            except PolysigmaError as error:
                if not all(finding.code.startswith("refused") for finding in error.findings):
                    raise
                refused = refused or error
            else:
                return name, target
    assert refused is not None
    raise refused


def compiled_there(
    reference: str,
    at: tuple[str, str],
    values: Mapping[str, ParameterValue],
    tuning: Tuning | None = None,
    said: list[Diagnostic] | None = None,
) -> Compiled:
    """The rule as it is tried: on a platform and in a language as `where` gives them."""
    table = TABLE if at[1] == "sql" else None
    return compile_rule(reference, *at, values, table=table, tuning=tuning, said=said)


@contextmanager
def on_scenarios(reference: str, at: tuple[str, str], compiled: Compiled) -> Iterator[tuple[Events, Expected, float]]:
    """A rule, compiled for a platform, ready to be tried on its scenarios: the events, what they expect, and how many
    days they last.

    Raises PolysigmaError where the rule has no scenarios, or no windows.
    """
    files, findings = read_rules([reference])
    if findings:
        raise PolysigmaError(*findings)
    path = files[0].path.with_name(SCENARIOS)
    window = compiled.plan.window
    if window is None:
        message = f"{compiled.plan.name} is a rule on single events: it has no parameters"
        raise PolysigmaError(Diagnostic("no-window", message, file=reference))
    scenarios = apart(load_scenarios(path), window)
    keys = frozenset(output.canonical for output in compiled.plan.outputs if output.role == "key")
    expected = Expected(tuple(scenarios), keys, window)
    days = sum(scenario.span for scenario in scenarios) / 86400
    shape = SHAPE if at[0] == PLATFORM else at[0]
    rows = (row for scenario in scenarios for row in recorded(scenario, shape))
    if at[0] != PLATFORM:
        yield Evaluated(compiled.plan, list(rows), platform(at[0])), expected, days
        return
    with tempfile.TemporaryDirectory(prefix="polysigma-") as folder:
        data = Path(folder) / "events.jsonl"
        write_rows(data, rows)
        with (
            opened([data], SHAPE) as inputs,
            load_events(compiled.query, inputs) as events,
            Sweep(compiled.plan, compiled.query, events.connection) as sweep,
        ):
            yield sweep, expected, days


def curves_on_scenarios(
    reference: str, *, progress: Callable[[float], None] | None = None
) -> tuple[list[Curve], float]:
    """The curves of a rule's parameters on its scenarios, and how many days the scenarios last in all."""
    parameters = parameters_of(reference)
    if not parameters:
        return [], 0.0
    at = where(reference)

    def compiling(values: Mapping[str, ParameterValue]) -> Compiled:
        return compiled_there(reference, at, values)

    with on_scenarios(reference, at, compiling({})) as (events, expected, days):
        return measure(events, compiling, parameters, days, expected, progress=progress), days
