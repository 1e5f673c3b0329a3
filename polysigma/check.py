"""`polysigma check`: everything that can be found wrong with rules without running them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from polysigma.blanks import blanks
from polysigma.catalog import RuleFile, packaged_names, read_rules, resolve
from polysigma.convert import Conversion, convert, pairs
from polysigma.diagnostics import Diagnostic, PolysigmaError, Severity
from polysigma.plan.faults import PlanError
from polysigma.plan.types import Type
from polysigma.tuning import apply, as_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from polysigma.plan.superset import Threshold
    from polysigma.source import Document
    from polysigma.tuning import Tuning


def check(
    references: Iterable[str], *, tuning: Tuning | None = None, progress: Callable[[str], None] | None = None
) -> tuple[list[Diagnostic], list[RuleFile]]:
    """Every finding about the rules behind some references, in order of file and line, and the files that were read.

    YAML, Sigma, the `polysigma` map with its expressions, the superset property, ids and names that must be unique
    (also against the package's own rules), references, and the query of every platform: its columns must be known to
    the platform's schema, and CQL must pass the linter. A platform that cannot say a rule is no finding. What stands
    beside a rule is checked with it: its guide, its hunts and atomic tests, the lock on what it means, and whether its
    scenarios can be read.

    Of a detection that has blanks left (see `polysigma.new`), only those are named.

    A site's `tuning` is checked against the rules: whether it fits them, whether it leaves out too much, whether it
    hides a hit that scenarios expect, and whether the tuned rules give valid queries.
    """
    from polysigma.guide import check_beside

    asked, findings = read_rules(references)
    unfinished = blanks(dict.fromkeys(file.path.parent for file in asked))
    findings += [finding for found in unfinished.values() for finding in found]
    finished = [file for file in asked if file.path.parent not in unfinished]
    files, beside = check_beside(finished)
    findings += beside
    findings += _scenarios(finished)
    findings += _maps(files)
    findings += _identities(files)
    options: dict[str, Any] = {}
    if tuning is not None:
        files, options, said = _tuned(files, tuning)
        findings += said
    if files:
        findings += _queries(files, options, progress)
    unique = dict.fromkeys(findings)
    return sorted(unique, key=_place), asked


def _tuned(files: list[RuleFile], tuning: Tuning) -> tuple[list[RuleFile], dict[str, Any], list[Diagnostic]]:
    """The rules as tuned, the options of their conversion, and what is wrong with the tuning."""
    from polysigma.prove.tuned import felt

    try:
        tuned = apply(files, tuning)
        _, findings = felt(files, tuning)
    except PolysigmaError as error:
        return files, {}, list(error.findings)
    return tuned.files, tuned.options(), [*as_errors(tuned.findings), *findings]


def _scenarios(files: Iterable[RuleFile]) -> list[Diagnostic]:
    """What is wrong with the scenarios beside rules, as far as they need not be run."""
    from polysigma.telemetry import SCENARIOS, load_scenarios

    findings: list[Diagnostic] = []
    for path in dict.fromkeys(file.path.with_name(SCENARIOS) for file in files):
        try:
            if path.is_file():
                load_scenarios(path)
        except PolysigmaError as error:
            findings += error.findings
    return findings


def _place(finding: Diagnostic) -> tuple[str, int, int, str]:
    at = finding.at
    return finding.file or "", at.line if at else 0, at.column if at else 0, finding.code


# The polysigma map.


def _maps(files: list[RuleFile]) -> list[Diagnostic]:
    findings: list[Diagnostic] = []
    fields = _fields_by_rule(files)
    for file in files:
        for document, value in file.maps:
            if "polysigma" not in value:
                continue
            if "correlation" not in value:
                error = document.error("misplaced-map", "a `polysigma` map stands on a correlation", "polysigma")
                findings += error.findings
                continue
            findings += _map(document, value, fields)
    return findings


def _fields_by_rule(files: list[RuleFile]) -> dict[str, dict[str, Type]]:
    """The canonical fields that a correlation over each base rule may name, by the rule's name and id."""
    from polysigma import schemas
    from polysigma.plan.steps import TIME_COLUMN
    from polysigma.plan.types import Type

    taxonomy = schemas.load("sigma")
    found: dict[str, dict[str, Type]] = {}
    for file in files:
        for _, value in file.maps:
            logsource = value.get("logsource")
            category = logsource.get("category") if isinstance(logsource, dict) else None
            columns = dict(taxonomy.tables.get(str(category), {}))
            for key in (value.get("name"), value.get("id")):
                if isinstance(key, str) and columns:
                    found[key] = {**columns, TIME_COLUMN: Type.TIME}
    return found


def _map(document: Document, value: Mapping[str, Any], fields: Mapping[str, dict[str, Type]]) -> list[Diagnostic]:
    from polysigma.plan.build import build
    from polysigma.plan.durations import parse_duration
    from polysigma.plan.metadata import read_metadata
    from polysigma.plan.steps import RULE_COLUMN
    from polysigma.plan.superset import implies
    from polysigma.plan.swallowed import swallowed

    lost = [fault.located(document) for fault in swallowed(document, ("polysigma",))]
    if lost:
        return lost
    correlation = value["correlation"] if isinstance(value["correlation"], dict) else {}
    window = parse_duration(str(correlation.get("timespan")))
    rules = correlation.get("rules")
    names = [str(name) for name in rules] if isinstance(rules, list) else []
    if window is None or not names or any(name not in fields for name in names):
        return []  # pySigma, or the check of references, says what is wrong here
    shared = dict(fields[names[0]])
    for name in names[1:]:
        shared = {column: kind for column, kind in shared.items() if fields[name].get(column) is kind}
    try:
        if len(names) > 1:
            shared[RULE_COLUMN] = Type.TEXT
        shared |= _aliases(correlation, names, fields)
        built = build(read_metadata(value["polysigma"]), shared, window, rules=tuple(names))
    except PlanError as error:
        return list(error.below("polysigma").located(document).findings)
    threshold = _threshold(correlation)
    if threshold is None:
        return []
    verdict = implies(built.steps, threshold)
    if verdict.holds:
        return []
    message = f"a hit of the steps need not meet the portable correlation: {verdict.reason}"
    hint = "other tools read the correlation only: lower its condition, or ask for more in a `where`"
    return list(document.error("not-a-superset", message, "correlation", "condition", hint=hint).findings)


def _aliases(
    correlation: Mapping[str, Any], names: list[str], fields: Mapping[str, dict[str, Type]]
) -> dict[str, Type]:
    """The names under which a correlation knows fields that its rules call differently, with their types."""
    found = {}
    for alias, mapping in (correlation.get("aliases") or {}).items():
        kinds = {fields[name].get(mapping.get(name, alias)) for name in names}
        kind = kinds.pop() if len(kinds) == 1 else None
        found[str(alias)] = kind or Type.TEXT
    return found


def _threshold(correlation: Mapping[str, Any]) -> Threshold | None:
    """The portable threshold where it can be held against steps: at least so many events, or different values."""
    from polysigma.plan.superset import Threshold

    condition, group_by = correlation.get("condition"), correlation.get("group-by") or ()
    named = correlation.get("rules")
    rules = tuple(str(name) for name in named) if isinstance(named, list) else ()
    kind = correlation.get("type")
    if condition is None and kind in {"temporal", "temporal_ordered"}:
        condition = {"gte": len(rules)}
    if not isinstance(condition, dict) or not isinstance(group_by, list | tuple):
        return None
    if isinstance(condition.get("gte"), int):
        least = condition["gte"]
    elif isinstance(condition.get("gt"), int):
        least = condition["gt"] + 1
    else:
        return None
    keys = tuple(str(key) for key in group_by)
    match kind:
        case "temporal" | "temporal_ordered":
            return Threshold("rules", keys, least, rules=rules, ordered=kind == "temporal_ordered")
        case "event_count":
            return Threshold("events", keys, least)
        case "value_count":
            field = condition.get("field")
            fields = tuple(str(one) for one in field) if isinstance(field, list) else (str(field),)
            return Threshold("values", keys, least, fields)
        case _:
            return None


# Identities.


def _identities(files: list[RuleFile]) -> list[Diagnostic]:
    """Ids and names that are missing, malformed, or taken: pySigma finds rules by them, across files."""
    findings: list[Diagnostic] = []
    seen: dict[tuple[str, str], str] = _packaged_identities(files)
    for file in files:
        for document, value in file.maps:
            if not {"detection", "correlation", "filter"} & value.keys():
                hint = "a rule has `detection`, a correlation `correlation`, a filter `filter`"
                findings += document.error("not-sigma", "is not a Sigma document", hint=hint).findings
                continue
            findings += _id_finding(document, value)
            for kind in ("id", "name"):
                text = value.get(kind)
                if not isinstance(text, str):
                    continue
                key = (kind, text.lower() if kind == "id" else text)
                if key in seen:
                    message = f"the {kind} {text!r} is taken by {seen[key]}"
                    note = "pySigma would silently use the last rule of that name" if kind == "name" else None
                    findings += document.error(f"duplicate-{kind}", message, kind, hint=note).findings
                else:
                    at = document.at(kind)
                    seen[key] = f"{document.file}:{at.line if at else 1}"
    return findings


def _id_finding(document: Document, value: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    text = value.get("id")
    if text is None:
        return document.error("missing-id", "has no `id`", hint=f"id: {uuid.uuid4()}").findings
    try:
        uuid.UUID(str(text))
    except ValueError:
        return document.error("malformed-id", f"{text!r} is not a UUID", "id", hint=f"id: {uuid.uuid4()}").findings
    return ()


def _packaged_identities(files: list[RuleFile]) -> dict[tuple[str, str], str]:
    """The ids and names of the package's own rules, those of the files under check left out."""
    own = {file.path.resolve() for file in files}
    paths = [path for name in packaged_names() for path in resolve(name) if path.resolve() not in own]
    packaged, _ = read_rules(str(path) for path in paths)
    found: dict[tuple[str, str], str] = {}
    for file in packaged:
        for _, value in file.maps:
            for kind in ("id", "name"):
                taken = value.get(kind)
                if isinstance(taken, str):
                    found[kind, taken.lower() if kind == "id" else taken] = f"the packaged {file.path.parent.name}"
    return found


# Queries.


def _queries(
    files: list[RuleFile], options: Mapping[str, Any], progress: Callable[[str], None] | None
) -> list[Diagnostic]:
    findings: list[Diagnostic] = []
    for result in convert(files, pairs((), None), options={"accept": "blind", **options}, progress=progress):
        if isinstance(result, Diagnostic):
            findings.append(result)
        elif result.finding is None:
            findings += _query(result)
        elif not result.finding.code.startswith("refused"):
            findings.append(result.finding)
    return findings


def _query(result: Conversion) -> list[Diagnostic]:
    findings = []
    for compiled in result.compiled:
        for column in compiled.unknown_columns:
            message = f"the query for {result.platform} reads {column!r}, which is not in the platform's schema"
            findings.append(Diagnostic("unknown-platform-column", message, file=str(result.path)))
        if result.target == "logscale":
            findings += _linted(result, compiled.query)
        if result.target == "spl":
            findings += _parsed(result, compiled.query)
        if result.target == "kql":
            findings += _bound(result, compiled.query)
    return findings


def _bound(result: Conversion, query: str) -> list[Diagnostic]:
    """What Microsoft's binder has against a query, where it is installed (extra `kql-validate`)."""
    from polysigma.engines.kql.validate import unavailable, validate
    from sigma.pipelines.polysigma import platform

    if unavailable() is not None:
        return []
    found = validate(query, platform(result.platform).schema_name)
    return [
        Diagnostic(
            "invalid-query", f"the query for {result.platform} is not valid KQL: {finding}", file=str(result.path)
        )
        for finding in found
        if finding.severity is Severity.ERROR
    ]


def _parsed(result: Conversion, query: str) -> list[Diagnostic]:
    from polysigma.engines.spl import SplError, parse

    try:
        parse(query)
    except SplError as error:
        message = f"the query for {result.platform} is not valid SPL: {error}"
        return [Diagnostic("invalid-query", message, file=str(result.path))]
    return []


def _linted(result: Conversion, query: str) -> list[Diagnostic]:
    from polysigma.cql import lint

    found = [finding for finding in lint(query) if finding.severity is Severity.ERROR]
    return [
        Diagnostic(
            "invalid-query", f"the query for {result.platform} is not valid CQL: {finding}", file=str(result.path)
        )
        for finding in found
    ]
