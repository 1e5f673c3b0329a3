"""A rule on a site's own history: alerts for each value of its parameters, who raises them, what could be excluded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from polysigma.catalog import read_rules
from polysigma.convert import compile_rule
from polysigma.diagnostics import PolysigmaError
from polysigma.engines.sql_text import TABLE
from polysigma.plan.metadata import read_metadata
from polysigma.replay import load_events, opened, replay
from polysigma.tune.curves import fits, measure
from polysigma.tune.labels import Labels
from polysigma.tune.proposals import Proposal, candidates, collected
from polysigma.tune.scenarios import compiled_there, on_scenarios, parameters_of, where
from polysigma.tune.sweep import Sweep
from polysigma.tuning import Entry, Exclusion, Tuning
from polysigma.tuning.breadth import wide
from polysigma.tuning.filters import base_rules, documents_of, fields_of
from polysigma.tuning.model import today

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from polysigma.diagnostics import Diagnostic
    from polysigma.engines.ingest import Events
    from polysigma.plan.steps import Plan
    from polysigma.replay import Hit
    from polysigma.tune.model import Curve
    from sigma.backends.polysigma.compiler import Compiled

TALKERS = 10
"""How many of each kind are shown."""


@dataclass(slots=True)
class Study:
    """What a rule does on a site's data, as it is tuned now."""

    rule: str
    title: str
    events: int
    days: float
    """On which there are events that the rule looks at; a day at least."""
    alerts: int
    curves: list[Curve] = field(default_factory=list)
    talkers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Field of the hits to its values with most alerts."""
    proposals: list[Proposal] = field(default_factory=list)
    known: int | None = None
    found: int | None = None
    """Of the hits that are known to be malicious, how many the rule finds as it is tuned now."""
    missed: list[dict[str, Any]] = field(default_factory=list)
    """Those that it does not find."""
    findings: list[Diagnostic] = field(default_factory=list)
    on_scenarios: bool = False
    """Whether the events are those of the rule's scenarios, and what is known what they expect."""

    def as_dict(self) -> dict[str, Any]:
        """The study as JSON-ready data."""
        return {
            "version": 1,
            "rule": self.rule,
            "on": "scenarios" if self.on_scenarios else "data",
            "events": self.events,
            "days": round(self.days, 3),
            "alerts": self.alerts,
            "alerts_a_day": round(self.alerts / self.days, 4),
            "known": self.known,
            "found": self.found,
            "missed": self.missed,
            "curves": [curve.as_dict() for curve in self.curves],
            "talkers": {
                name: [{"value": value, "alerts": count} for value, count in values]
                for name, values in self.talkers.items()
            },
            "proposals": [{"number": number, **one.as_dict()} for number, one in enumerate(self.proposals, start=1)],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def study(
    reference: str,
    data: Sequence[str | Path],
    *,
    shape: str | None = None,
    tuning: Tuning | None = None,
    labels: Labels | None = None,
    only: Sequence[str] = (),
    proposals: int = 10,
    progress: Callable[[str, float], None] | None = None,
) -> Study:
    """Replays a rule on data (as `replay` takes it) and tries what could be changed about it.

    `only` names parameters, all where it is empty; `proposals` is how many exclusions are tried at most. Raises
    PolysigmaError for data or rules that cannot be read, and for a parameter that the rule does not have.
    """
    tell = progress or (lambda _what, _part: None)
    labels = labels or Labels()
    with opened(data, shape) as inputs:
        said: list[Diagnostic] = []

        def compiling(values: Mapping[str, Any], with_tuning: Tuning | None = tuning) -> Compiled:
            return compile_rule(
                reference, inputs.family.platform, "sql", values, table=TABLE, tuning=with_tuning, said=said
            )

        base = compiling({})
        name = base.plan.name
        parameters = _parameters(reference, name, tuning, only)
        findings = list(said)
        with (
            load_events(base.query, inputs, progress=lambda part: tell("reading events", part)) as events,
            Sweep(base.plan, base.query, events.connection) as sweep,
        ):
            days = sweep.days
            done = replay(base.plan, base.query, events, progress=lambda part: tell("looking at windows", part))
            hits = list(done.hits)
            named = labels.named(hits)
            result = Study(
                rule=name,
                title=base.plan.title,
                events=events.rows,
                days=days,
                alerts=len(hits),
                talkers=_talkers(base.plan, hits),
                known=labels.malicious,
                found=len(named) if labels.malicious else None,
                missed=[dict(one) for one in labels.bad if one not in named],
                findings=[*findings, *done.findings],
            )
            result.curves = measure(
                sweep, compiling, parameters, days, labels, progress=lambda part: tell("trying values", part)
            )
            trying = _Trial(reference, name, events, tuning, compiling, hits, named, days)
            result.proposals = trying.proposals(base.plan, proposals, lambda part: tell("trying exclusions", part))
    return result


def study_scenarios(
    reference: str,
    *,
    tuning: Tuning | None = None,
    only: Sequence[str] = (),
    progress: Callable[[str, float], None] | None = None,
) -> Study:
    """What the values of a rule's parameters do on its own scenarios. Raises as `study` and `on_scenarios` do."""
    tell = progress or (lambda _what, _part: None)
    said: list[Diagnostic] = []
    at = where(reference)

    def compiling(values: Mapping[str, Any]) -> Compiled:
        return compiled_there(reference, at, values, tuning, said)

    base = compiling({})
    findings = list(said)
    parameters = _parameters(reference, base.plan.name, tuning, only)
    tell("making events", 0.0)
    with on_scenarios(reference, at, base) as (events, expected, days):
        hits = events.hits(base.plan)
        return Study(
            rule=base.plan.name,
            title=base.plan.title,
            events=events.matched,
            days=days,
            alerts=len(hits),
            known=expected.malicious,
            found=expected.found(hits),
            findings=findings,
            curves=measure(
                events, compiling, parameters, days, expected, progress=lambda part: tell("trying values", part)
            ),
            on_scenarios=True,
        )


def _parameters(reference: str, name: str, tuning: Tuning | None, only: Sequence[str]) -> dict[str, Any]:
    set_to = {key: value for _, entry in tuning.of(name) for key, value in entry.parameters.items()} if tuning else {}
    found = parameters_of(reference, set_to)
    unknown = [one for one in only if one not in found]
    if unknown:
        from polysigma.diagnostics import Diagnostic
        from polysigma.plan.typing import near

        message = f"{name} has no parameter {unknown[0]!r}"
        raise PolysigmaError(Diagnostic("unknown-parameter", message, near(unknown[0], found)))
    return {one: found[one] for one in only or found}


def _talkers(plan: Plan, hits: Sequence[Hit]) -> dict[str, list[tuple[str, int]]]:
    names = dict.fromkeys(one.canonical for one in plan.outputs if one.role == "key" or one.type == "list")
    found: dict[str, list[tuple[str, int]]] = {}
    for name in names:
        values = (hit.get(name) for hit in hits)
        items = (item for value in values for item in (value if isinstance(value, list) else [value]))
        counts = Counter(str(item) for item in items if item is not None)
        found[name] = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TALKERS]
    return found


@dataclass(slots=True)
class _Trial:
    """Exclusions, tried one by one on the events of a rule."""

    reference: str
    name: str
    events: Events
    tuning: Tuning | None
    compiling: Callable[..., Compiled]
    hits: list[Hit]
    named: list[Mapping[str, Any]]
    """The hits known to be malicious that are among these."""
    days: float

    def proposals(self, plan: Plan, most: int, progress: Callable[[float], None]) -> list[Proposal]:
        """Those that remove alerts, the best first; of several that remove the same, the narrowest."""
        if not self.hits or not most:
            return []
        files, _ = read_rules([self.reference])
        documents = documents_of(files)
        rules = base_rules(self.name, documents)
        fields = fields_of(rules[0]) if rules else {}
        keys = [one.canonical for one in plan.outputs if one.role == "key" and one.canonical in fields]
        lists = collected(_measures(documents, self.name), fields)
        tried = candidates(self.hits, list(dict.fromkeys(keys)), lists, 2 * most)
        before = {self._key(plan, hit) for hit in self.hits}
        found: list[tuple[frozenset[Any], Proposal]] = []
        for number, one in enumerate(sorted(tried, key=lambda one: (one.width, -one.about)), start=1):
            progress(number / len(tried))
            left = self._with(one.where)
            if left is None:
                continue
            gone = frozenset(before - {self._key(plan, hit) for hit in left})
            if gone and all(gone != other for other, _ in found):
                found.append((gone, self._proposal(plan, one.where, left, gone)))
        ordered = sorted(found, key=lambda pair: (len(pair[1].loses), -pair[1].removes))
        return [proposal for _, proposal in ordered if proposal.removes > 0][:most]

    def _key(self, plan: Plan, hit: Hit) -> tuple[str, ...]:
        keys = dict.fromkeys(one.canonical for one in plan.outputs if one.role == "key")
        return tuple(str(hit.get(name)).casefold() for name in keys)

    def _with(self, where: Mapping[str, Any]) -> list[Hit] | None:
        """The hits that are left; None where the exclusion is too wide, or cannot be said of these events."""
        exclusion = Exclusion(where=dict(where), reason="a proposal", owner="polysigma", expires=today())
        if list(wide(exclusion)):
            return None
        try:
            compiled = self.compiling({}, _added(self.tuning, self.name, exclusion))
            with Sweep(compiled.plan, compiled.query, self.events.connection) as sweep:
                return sweep.hits(compiled.plan)
        except PolysigmaError as error:
            if all(finding.code.startswith("refused") for finding in error.findings):
                return None
            raise

    def _proposal(
        self, plan: Plan, where: Mapping[str, Any], left: Sequence[Hit], gone: frozenset[tuple[str, ...]]
    ) -> Proposal:
        removes = len(self.hits) - len(left)
        hosts = {str(hit.get("Computer")) for hit in self.hits if self._key(plan, hit) in gone}
        return Proposal(
            where=dict(where),
            removes=removes,
            removes_a_day=round(removes / self.days, 4),
            hosts=len(hosts),
            loses=[dict(one) for one in self.named if not any(fits(hit, one) for hit in left)],
        )


def _added(tuning: Tuning | None, name: str, exclusion: Exclusion) -> Tuning:
    """The tuning with one more exclusion."""
    entry = Entry(detection=name, exclude=[exclusion])
    if tuning is None:
        from polysigma.source import Document

        return Tuning(Document([], None, "[]\n", 0), (entry,))
    return replace(tuning, entries=(*tuning.entries, entry))


def _measures(documents: Sequence[Mapping[str, Any]], name: str) -> list[tuple[str, str]]:
    """The measures of a rule's steps, in their order."""
    value = next((one for one in documents if one.get("name") == name), {})
    if "polysigma" not in value:
        return []
    steps = read_metadata(value["polysigma"]).steps
    groups = [group for step in steps for group in (step.group, step.annotate) if group]
    return [(measure, str(text)) for group in groups for measure, text in group.measures.items()]
