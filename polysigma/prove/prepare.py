"""From rules and their scenarios to trials."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from polysigma.convert import Conversion, convert
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.runners import Runner, runner
from polysigma.fidelity import FidelityLevel
from polysigma.plan.steps import TIME_COLUMN
from polysigma.prove.events import shown
from polysigma.prove.model import Difference, Status, Verdict
from polysigma.prove.trial import Trial
from polysigma.telemetry import RENDERERS, SCENARIOS, load_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from polysigma.catalog import RuleFile
    from polysigma.plan.steps import Plan, Source
    from polysigma.platform import Platform
    from polysigma.telemetry import Scenario

_FIDELITY = {
    FidelityLevel.EXACT: Status.EXACT,
    FidelityLevel.APPROXIMATE: Status.APPROXIMATE,
    FidelityLevel.BLIND: Status.BLIND,
}


@dataclass(slots=True)
class Bench:
    """A verdict that is still open: what to run for it."""

    verdict: Verdict
    trials: list[Trial] = field(default_factory=list)
    keys: frozenset[str] = frozenset()
    """The canonical names of what identifies a hit."""
    runner: Runner | None = None


@dataclass(slots=True)
class Detection:
    """A rule with its scenarios and its benches, a platform each."""

    rule: str
    path: Path
    scenarios: list[Scenario]
    benches: list[Bench] = field(default_factory=list)
    retuned: frozenset[str] = frozenset()
    """The scenarios whose outcome a site's tuning changes: they need not show any more what they show of a platform."""


def prepare(
    files: list[RuleFile],
    wanted: list[tuple[str, str]],
    *,
    names: Iterable[str] = (),
    keep: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    instead: Mapping[tuple[Path, str], Scenario] | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Detection], list[Diagnostic]]:
    """Every rule of the files with what is to be run for it, and what is wrong with rules and scenario files.

    `names` are the scenarios to run, all of them where it is empty; `instead` are some to take in the place of others,
    by folder and name; `settings` are more options of the conversion. Raises PolysigmaError for a scenario that no
    rule has.
    """
    findings: list[Diagnostic] = []
    scenarios: dict[Path, list[Scenario]] = {}
    detections: dict[tuple[Path, str], Detection] = {}
    options = {"form": "rule", "accept": "blind", "table": "events", **(settings or {})}
    parts = _parts(files)
    refused: dict[tuple[str, str], Diagnostic] = {}
    for converted in convert(files, wanted, options=options, progress=progress):
        result = converted
        if isinstance(result, Diagnostic):
            findings.append(result)
            continue
        if result.finding and result.rule in parts:
            # Said of the rule that it is a part of, whose own finding is only that the part is missing.
            refused[result.platform, result.rule] = result.finding
            continue
        if result.finding:
            result = replace(result, finding=_true_finding(result, parts, refused))
        folder = result.path.parent
        if folder not in scenarios:
            scenarios[folder], faults = _scenarios(folder / SCENARIOS)
            findings += faults
            scenarios[folder] = [(instead or {}).get((folder, one.name), one) for one in scenarios[folder]]
        chosen = [one for one in scenarios[folder] if not names or one.name in names]
        key = (result.path, result.rule)
        retuned = frozenset(name for place, name in instead or () if place == folder)
        detection = detections.setdefault(key, Detection(result.rule, result.path, chosen, retuned=retuned))
        language = options.get("dialect", "sql") if result.target == "sql" else result.target
        fields = _fields(result, files, scenarios[folder])
        detection.benches.append(_bench(result, language, chosen, keep, fields))
    known = {one.name for found in scenarios.values() for one in found}
    unknown = sorted(set(names) - known)
    if unknown:
        hint = f"there are {', '.join(sorted(known))}" if known else None
        raise PolysigmaError(Diagnostic("unknown-scenario", f"no scenario is called {', '.join(unknown)}", hint))
    return list(detections.values()), findings


def _parts(files: Iterable[RuleFile]) -> dict[str, tuple[str, ...]]:
    """The rules that others refer to, each by the names of those that do."""
    found: dict[str, tuple[str, ...]] = {}
    for file in files:
        for _, value in file.maps:
            correlation = value.get("correlation")
            rules = correlation.get("rules") if isinstance(correlation, dict) else None
            for name in rules if isinstance(rules, list) else ():
                found[str(name)] = (*found.get(str(name), ()), str(value.get("name")))
    return found


def _true_finding(
    result: Conversion, parts: Mapping[str, tuple[str, ...]], refused: Mapping[tuple[str, str], Diagnostic]
) -> Diagnostic | None:
    """Why a rule was not converted: what was said of a part of it, if anything."""
    own = (name for name, users in parts.items() if result.rule in users)
    return next((refused[result.platform, name] for name in own if (result.platform, name) in refused), result.finding)


def _scenarios(path: Path) -> tuple[list[Scenario], list[Diagnostic]]:
    if not path.is_file():
        hint = "a rule is proven on scenarios: networks, what must hit and what must not"
        return [], [Diagnostic("no-scenarios", f"there is no {SCENARIOS} beside the rule", hint, str(path.parent))]
    try:
        return load_scenarios(path), []
    except PolysigmaError as error:
        return [], list(error.findings)


def _fields(result: Conversion, files: Iterable[RuleFile], scenarios: Iterable[Scenario]) -> Plan | None:
    """By which fields the hits of a rule without steps are told: see `polysigma.prove.events`."""
    if len(result.compiled) != 1 or result.compiled[0].plan.outputs:
        return None
    said = [one for scenario in scenarios for one in (*scenario.hit, *scenario.miss)]
    said += [
        one
        for scenario in scenarios
        for other in scenario.platforms.values()
        for one in (*(other.hit or ()), *(other.miss or ()))
    ]
    names = {name for one in said for name in one}
    documents = (value for file in files if file.path == result.path for _, value in file.maps if "detection" in value)
    of_rule = (one for one in documents if result.rule in (one.get("name"), str(one.get("id")), one.get("title")))
    document = next(of_rule, None)
    return shown(document, sorted(names), result.platform, result.target) if document else None


def _bench(
    result: Conversion, language: str, scenarios: list[Scenario], keep: Path | None, fields: Plan | None
) -> Bench:
    from sigma.pipelines.polysigma import platform as claims_of

    claims = claims_of(result.platform)
    verdict = Verdict(result.rule, result.title, str(result.path), result.platform, result.target, Status.NOT_EXECUTED)
    bench = Bench(verdict)
    if result.finding is not None:
        verdict.reasons = (result.finding.message,)
        if result.finding.code.startswith("refused"):
            verdict.fidelity = Status.REFUSED
        else:
            verdict.general.append(Difference("query", f"{result.finding.code} {result.finding.message}"))
        return bench
    if len(result.compiled) != 1:
        verdict.reasons = (f"the rule gives {len(result.compiled)} queries",)
        return bench
    compiled = result.compiled[0]
    if keep:
        _keep_query(keep, result, compiled.query)
    renderer = next((name for name in (claims.id, claims.schema_name) if name in RENDERERS), None)
    try:
        engine = bench.runner = runner(language)
    except PolysigmaError as error:
        verdict.reasons = tuple(one.message for one in error.findings)
        return bench
    verdict.engine = engine.engine
    invalid = engine.findings(compiled.query, claims.schema_name)
    verdict.general += [Difference("query", f"the query is not valid: {finding}") for finding in invalid]
    if renderer is None:
        verdict.reasons = (f"there is no telemetry of {claims.title} here",)
        return bench
    verdict.fidelity = _FIDELITY[compiled.fidelity]
    verdict.reasons = tuple(dict.fromkeys(loss.reason for loss in compiled.losses))
    verdict.unshown = {loss.reason: loss.unshown for loss in compiled.losses if loss.unshown}
    outputs = (fields or compiled.plan).outputs
    bench.keys = frozenset(output.canonical for output in outputs if output.role == "key")
    plan = timed(compiled.plan, claims)
    hosts = {claims.host.field, *(one.host.field for one in claims.categories.values() if one.host)}
    bench.trials = [
        Trial(
            rule=result.rule,
            platform=result.platform,
            target=language,
            schema=claims.schema_name,
            renderer=renderer,
            hosts=tuple(sorted(hosts)),
            plan=plan,
            fields=fields,
            text=compiled.query,
            scenario=scenario,
            keep=keep,
        )
        for scenario in scenarios
    ]
    return bench


def timed(plan: Plan, claims: Platform) -> Plan:
    """The plan with the time of each row, also where its query leaves that to the platform's scheduler."""
    from polysigma import schemas
    from polysigma.plan.expressions import columns
    from polysigma.plan.parser import parse_expression

    if plan.window is None or all(_has_time(source) for source in plan.sources):
        return plan
    time = parse_expression(claims.time.expression)
    types: Mapping[str, Any] = schemas.load(claims.schema_name).columns()
    kinds = {name: types[name] for name in columns(time) if name in types}
    return replace(
        plan,
        sources=tuple(
            source
            if _has_time(source)
            else replace(source, derived=(*source.derived, (TIME_COLUMN, time)), types={**kinds, **source.types})
            for source in plan.sources
        ),
    )


def _has_time(source: Source) -> bool:
    return any(name == TIME_COLUMN for name, _ in source.derived)


def _keep_query(keep: Path, result: Conversion, text: str) -> None:
    from polysigma.convert import SUFFIXES

    folder = keep / result.rule
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.platform}{SUFFIXES[result.target]}").write_text(text, encoding="utf-8")
