"""What a site's tuning does to what scenarios expect: which expected hits it hides, and by which entry.

Judged by the naive evaluator on the rows of one platform. A hit that an exclusion hides is an error: whoever excluded
something did not mean that. A hit that a value moves out of reach is what the value is for, and is only said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, Severity
from polysigma.prove.model import Status
from polysigma.prove.prepare import prepare
from polysigma.prove.trial import Ground
from polysigma.telemetry import recorded
from polysigma.telemetry.scenarios import Otherwise
from polysigma.tuning import apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polysigma.catalog import RuleFile
    from polysigma.engines.reference.values import Record
    from polysigma.prove.hits import Hit
    from polysigma.prove.trial import Trial
    from polysigma.telemetry import Scenario
    from polysigma.tuning import Tuning

    Scenarios = dict[tuple[Path, str], Scenario]
    """By the folder of the rule and the name of the scenario."""
    Trials = dict[str, tuple[Path, dict[str, Trial]]]
    """Rule to its folder and to its trials, by the name of the scenario."""

PLATFORMS = (("sysmon_json", "sql"), ("falcon", "logscale"), ("defender", "kql"), ("splunk_cim", "spl"))
"""On whose rows an effect is looked for: the first on which the rule can be evaluated, tuned and not."""


def felt(files: Sequence[RuleFile], tuning: Tuning, names: Iterable[str] = ()) -> tuple[Scenarios, list[Diagnostic]]:
    """The scenarios whose outcome a tuning changes, with what they expect under it, and what there is to say of it.

    `names` are the scenarios to look at, all of them where it is empty. Raises PolysigmaError as `apply` does.
    """
    tuned = apply(files, tuning)
    wanted = frozenset(names)
    left = {entry.detection for entry in tuning.entries}
    changed: Scenarios = {}
    findings: list[Diagnostic] = []
    for platform in PLATFORMS:
        if not left:
            break
        plain = _trials(files, platform, {})
        values = _trials(files, platform, tuned.options())
        final = _trials(tuned.files, platform, tuned.options())
        for rule in sorted(left & plain.keys() & values.keys() & final.keys()):
            left.discard(rule)
            folder, trials = plain[rule]
            effects = [
                _Effect(files, tuning, platform, trial, values[rule][1][name], final[rule][1][name]).settled()
                for name, trial in trials.items()
                if not wanted or name in wanted
            ]
            findings += _findings(tuning, rule, effects)
            for effect in effects:
                if effect.lost or effect.gained:
                    changed[folder, effect.plain.scenario.name] = effect.scenario()
    return changed, findings


def _trials(files: Sequence[RuleFile], platform: tuple[str, str], options: Mapping[str, Any]) -> Trials:
    detections, _ = prepare(list(files), [platform], settings=options)
    return {
        detection.rule: (detection.path.parent, {trial.scenario.name: trial for trial in bench.trials})
        for detection in detections
        for bench in detection.benches
        if bench.trials and bench.verdict.fidelity is not Status.BLIND
    }


@dataclass
class _Effect:
    """One scenario of a rule: as the rule is, with the tuned values, and with the exclusions too."""

    files: Sequence[RuleFile]
    tuning: Tuning
    platform: tuple[str, str]
    plain: Trial
    values: Trial
    final: Trial

    def settled(self) -> _Effect:
        """Itself, once all is known that needs the rows, of which there may be many."""
        _ = (self.lost, self.gained, self.hiding)
        self.__dict__.pop("rows", None)
        return self

    @cached_property
    def rows(self) -> list[Record]:
        return list(recorded(self.plain.scenario, self.plain.renderer))

    def _hits(self, trial: Trial) -> list[Hit]:
        ground = Ground(trial, self.rows)
        return [hit for hits in ground.oracle for hit in hits]

    @cached_property
    def before(self) -> list[Hit]:
        """The hits of the rule as it is."""
        return self._hits(self.plain)

    @cached_property
    def between(self) -> list[Hit]:
        """The hits with the tuned values."""
        return self.before if self.values.plan == self.plain.plan else self._hits(self.values)

    @cached_property
    def after(self) -> list[Hit]:
        """The hits with everything."""
        return self.between if self.final.plan == self.values.plan else self._hits(self.final)

    @cached_property
    def lost(self) -> list[Mapping[str, Any]]:
        """The expected hits that are found without the tuning, and not with it."""
        missing = [one for one in self._expected("hit") if not any(hit.fits(one) for hit in self.after)]
        return [one for one in missing if any(hit.fits(one) for hit in self.before)]

    @cached_property
    def gained(self) -> bool:
        """Whether there is a hit with the tuning that there is not without it."""
        before = {_key(hit) for hit in self.before}
        return any(_key(hit) not in before for hit in self.after)

    def _expected(self, part: str) -> list[Mapping[str, Any]]:
        scenario = self.plain.scenario
        other = scenario.platforms.get(self.platform[0])
        own = getattr(other, part) if other is not None else None
        return list(getattr(scenario, part) if own is None else own)

    def scenario(self) -> Scenario:
        """The scenario without the expectations that the tuning changes; where it changes any, other hits are allowed,
        and a platform that finds something else is held against the evaluator and the other platforms only."""
        scenario = self.plain.scenario
        elsewhere = {
            name: Otherwise(because=other.because, hit=[], miss=[], other_hits=True)
            for name, other in scenario.platforms.items()
        }
        return scenario.model_copy(
            update={
                "hit": [one for one in scenario.hit if one not in self.lost],
                "miss": [one for one in scenario.miss if not any(hit.fits(one) for hit in self.after)],
                "other_hits": True,
                "platforms": elsewhere,
            }
        )

    @cached_property
    def hidden(self) -> list[Mapping[str, Any]]:
        """The lost hits that are found with the values alone: the exclusions hide them."""
        return [one for one in self.lost if any(hit.fits(one) for hit in self.between)]

    @cached_property
    def hiding(self) -> list[tuple[int, ...]]:
        """The exclusions each of which, alone, hides a hit: the entry's number, and its own."""
        found: list[tuple[int, ...]] = []
        for number, entry in self.tuning.of(self.plain.rule) if self.hidden else ():
            for index, exclusion in enumerate(entry.exclude):
                alone = tuple(
                    other.model_copy(update={"exclude": [exclusion] if other is entry else []})
                    for other in self.tuning.entries
                )
                tuned = apply(self.files, replace(self.tuning, entries=alone))
                trials = _trials(tuned.files, self.platform, tuned.options())[self.plain.rule][1]
                hits = self._hits(trials[self.plain.scenario.name])
                if any(not any(hit.fits(one) for hit in hits) for one in self.hidden):
                    found.append((number, index))
        return found


def _findings(tuning: Tuning, rule: str, effects: Sequence[_Effect]) -> Iterator[Diagnostic]:
    """What there is to say of a rule: exclusions that hide expected hits, and what the values move out of reach."""
    document = tuning.document
    hiding: dict[tuple[int, ...], list[_Effect]] = {}
    for effect in effects:
        for place in effect.hiding or ([()] if effect.hidden else []):
            hiding.setdefault(place, []).append(effect)
    for place, which in hiding.items():
        example = ", ".join(f"{name} {value}" for name, value in which[0].hidden[0].items())
        message = f"hides hits that scenarios of {rule} expect ({_named(which)}), such as {example}"
        hint = "name the program or the address more narrowly, so that a bot is not among what is left out"
        path: tuple[int | str, ...] = (_entry(tuning, rule, "exclude"), "exclude")
        if place:
            exclusion = tuning.entries[place[0]].exclude[place[1]]
            path = (place[0], "exclude", place[1], "where" if exclusion.where else "file")
        yield Diagnostic("hidden-hit", message, hint, document.file, document.at(*path))
    moved = [effect for effect in effects if len(effect.hidden) < len(effect.lost)]
    if moved:
        message = f"with these values {rule} no longer finds what scenarios expect ({_named(moved)})"
        hint = "scenarios that stand just above a threshold fail when it is raised: see that no other does"
        path = (_entry(tuning, rule, "parameters"), "parameters")
        yield Diagnostic("tuned-away", message, hint, document.file, document.at(*path), Severity.WARNING)


def _named(effects: Sequence[_Effect]) -> str:
    names = [effect.plain.scenario.name for effect in effects]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


_NAMED = 5


def _entry(tuning: Tuning, rule: str, part: str) -> int:
    entries = tuning.of(rule)
    return next((number for number, entry in entries if getattr(entry, part)), entries[0][0])


def _key(hit: Hit) -> tuple[Any, ...]:
    return (hit.end, hit.key)
