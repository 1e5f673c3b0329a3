"""`polysigma convert`: rules to queries, for one platform or all, errors collected with their places."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polysigma.catalog import RuleFile, read_rules
from polysigma.diagnostics import Diagnostic, PolysigmaError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from sigma.collection import SigmaCollection
    from sigma.exceptions import SigmaError

    from polysigma.source import Document
    from polysigma.tuning import Tuning
    from sigma.backends.polysigma.backend import PolysigmaBackend
    from sigma.backends.polysigma.compiler import Compiled

SUFFIXES = {"logscale": ".logscale", "sql": ".sql", "kql": ".kql", "spl": ".spl"}
"""The ending of a query's file, by target."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """One rule on one platform: what was compiled, or the finding that says why not."""

    rule: str
    title: str
    path: Path
    platform: str
    target: str
    compiled: tuple[Compiled, ...]
    finding: Diagnostic | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rules as pySigma sees them, and the document that each came from."""

    collection: SigmaCollection
    documents: Mapping[int, Document]
    findings: tuple[Diagnostic, ...]

    def document(self, rule: Any) -> Document | None:
        """The document of a rule of the collection."""
        return self.documents.get(id(rule))


ALIASES = {"sentinel_asim": "asim"}
"""Other names of platforms. pySigma knows `sentinel_asim` as a pipeline of the official Kusto backend, which ours must
not displace; here it is ours that is meant."""


def platforms() -> dict[str, tuple[str, ...]]:
    """Every platform there is a pipeline for, with the targets that it serves, the usual one first."""
    from sigma.pipelines.polysigma import pipelines

    return {name: _targets(name) for name in pipelines}


def _targets(platform_name: str) -> tuple[str, ...]:
    from sigma.backends.polysigma import backends
    from sigma.pipelines.polysigma import platform

    return tuple(target for target in platform(platform_name).targets if target in backends)


def pairs(names: Iterable[str], target: str | None) -> list[tuple[str, str]]:
    """The platform and target pairs that were asked for; every platform where none is named.

    Raises PolysigmaError for an unknown platform, or one that the target does not serve.
    """
    from difflib import get_close_matches

    from sigma.pipelines.polysigma import pipelines as known

    found = []
    for asked in names or known:
        name = ALIASES.get(asked, asked)
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise PolysigmaError(Diagnostic("unknown-platform", f"there is no platform {name!r}", hint))
        targets = _targets(name)  # read only for platforms that are asked for
        if target is None:
            found.append((name, targets[0]))
        elif target in targets:
            found.append((name, target))
        elif names:
            message = f"the platform {name} is not served by the target {target!r}"
            raise PolysigmaError(Diagnostic("unknown-target", message, f"its targets: {', '.join(targets)}"))
    if not found:
        raise PolysigmaError(Diagnostic("unknown-target", f"no platform is served by the target {target!r}"))
    return found


def load(files: Iterable[RuleFile], *, again: bool = True) -> Loaded:
    """The rules of some files as one pySigma collection; each broken rule is left out and reported.

    `again` keeps the files as they are, to be loaded once more: what pySigma is given becomes a part of its rules.
    """
    from sigma.collection import SigmaCollection
    from sigma.exceptions import SigmaError, SigmaRuleLocation

    documents: dict[int, Document] = {}
    findings: list[Diagnostic] = []
    rules: list[Any] = []
    for file in files:
        location = SigmaRuleLocation(file.path)
        for document, value in file.maps:
            wrong = _wrong_condition(document, value)
            if wrong:
                findings.append(wrong)
                continue
            try:
                parsed = SigmaCollection.from_dicts(
                    [_copied(value) if again else value], collect_errors=True, source=location, resolve_references=False
                )
            except SigmaError as error:
                findings.append(finding_of(error, document))
                continue
            except (AttributeError, KeyError, NameError, TypeError, ValueError) as error:
                # pySigma trips over some values of the wrong type instead of reporting them.
                message = f"pySigma cannot read this document: {type(error).__name__}: {error}"
                findings.append(document.error("sigma-document", message).findings[0])
                continue
            broken = [error for rule in parsed.rules for error in rule.errors] or parsed.errors
            findings += [finding_of(error, document) for error in broken]
            for rule in () if broken else (*parsed.rules, *parsed.filters):
                rules.append(rule)
                documents[id(rule)] = document
    rules, unresolved = _resolvable(rules, documents)
    return Loaded(SigmaCollection(rules), documents, tuple(findings + unresolved))


def _copied(value: dict[Any, Any]) -> Any:
    """A deep copy of what YAML holds, several times as fast as by copy.deepcopy."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - its own data, made in the line before


def _wrong_condition(document: Document, value: Mapping[str, Any]) -> Diagnostic | None:
    """A condition that is no text, over which pySigma would trip only when the rule is converted."""
    detection = value.get("detection")
    condition = detection.get("condition") if isinstance(detection, dict) else None
    texts = condition if isinstance(condition, list) else [condition]
    if condition is None or all(isinstance(text, str) for text in texts):
        return None
    message, hint = f"a condition is text, not {condition!r}", "condition: selection"
    return document.error("sigma", message, "detection", "condition", hint=hint).findings[0]


def _resolvable(rules: list[Any], documents: Mapping[int, Document]) -> tuple[list[Any], list[Diagnostic]]:
    """The rules whose references are there and do not go in circles, and a finding for every other one."""
    known = {key: rule for rule in rules for key in (getattr(rule, "name", None), str(rule.id or "")) if key}
    findings = []
    bad: set[int] = set()
    for rule in rules:
        for number, reference in enumerate(_references(rule)):
            if reference not in known:
                document = documents[id(rule)]
                message = f"refers to the rule {reference!r}, which is not here"
                place = document.error(
                    "missing-rule", message, "correlation", "rules", number, hint=_near(reference, known)
                )
                findings.append(place.findings[0])
                bad.add(id(rule))
    for rule in rules:
        if id(rule) not in bad and _in_circle(rule, known):
            document = documents[id(rule)]
            error = document.error("rule-cycle", "refers to itself, through its references", "correlation", "rules")
            findings.append(error.findings[0])
            bad.add(id(rule))
    # A rule that rests on a bad one cannot be converted either; its own finding would only repeat the other's.
    changed = True
    while changed:
        rest = [rule for rule in rules if id(rule) not in bad]
        below = {id(rule) for rule in rest if any(id(known[name]) in bad for name in _references(rule))}
        bad |= below
        changed = bool(below)
    return [rule for rule in rules if id(rule) not in bad], findings


def _references(rule: Any) -> list[str]:
    return [str(reference.reference) for reference in getattr(rule, "rules", None) or ()]


def _in_circle(start: Any, known: Mapping[str, Any]) -> bool:
    seen: set[int] = set()
    queue = [known[name] for name in _references(start) if name in known]
    while queue:
        rule = queue.pop()
        if rule is start:
            return True
        if id(rule) not in seen:
            seen.add(id(rule))
            queue += [known[name] for name in _references(rule) if name in known]
    return False


def _near(name: str, known: Mapping[str, Any]) -> str | None:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "a reference is the `name` or `id` of a rule in the files given"


def convert(
    files: list[RuleFile],
    wanted: list[tuple[str, str]],
    *,
    options: Mapping[str, Any] | None = None,
    method: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[Conversion | Diagnostic]:
    """Every rule of the files that is not only a part of another, on every wanted platform.

    Yields a Diagnostic for each document that cannot be read as Sigma, once, and then a Conversion for each rule and
    platform. `options` and `method` are those of the backends. Raises PolysigmaError for options that are not right.
    """
    from sigma.exceptions import SigmaError

    from sigma.backends.polysigma import backends
    from sigma.pipelines.polysigma import pipelines

    batches = _batches(files) if "set" not in (options or {}) else [files]
    del files
    for number, (platform, target) in enumerate(wanted):
        last = number + 1 == len(wanted)
        given = {name: value for name, value in (options or {}).items() if target == "sql" or name not in _SQL_OPTIONS}
        try:
            backend = backends[target](pipelines[platform](), collect_errors=True, **given)
            backend.compiled = {}
            for index, batch in enumerate(batches):
                # Conversion changes rules, so every platform gets its own.
                loaded = load(batch, again=not last)
                if last:
                    batches[index] = []  # for thousands of files to be freed as they are done with
                if number == 0:
                    yield from loaded.findings
                backend.errors.clear()
                backend.convert(loaded.collection, correlation_method=method)
                yield from _conversions(backend, loaded, platform, target)
                _take_apart(loaded.collection)
        except TypeError as error:
            if not str(error).startswith("'"):
                raise
            raise PolysigmaError(Diagnostic("option", str(error))) from None
        except SigmaError as error:
            raise PolysigmaError(Diagnostic("option", str(error))) from None
        if progress:
            progress(platform)


def _take_apart(collection: SigmaCollection) -> None:
    """Cuts the circles of rules that are done with, whose parts know what they are parts of.

    What is in no circle goes at once; the collector of garbage, which finds the rest, takes several times as long.
    """
    for rule in collection.rules:
        detections = getattr(rule, "detection", None)
        if detections is None:
            continue
        detections.parsed_condition.clear()
        parts = list(detections.detections.values())
        while parts:
            part = parts.pop()
            part.parent = None
            parts += getattr(part, "detection_items", ())
    # Errors of pyparsing's keep the frames that they were raised in, and these the collection.
    collection.rules.clear()
    collection.ids_to_rules.clear()
    collection.names_to_rules.clear()


_BATCH = 100


def _batches(files: list[RuleFile]) -> list[list[RuleFile]]:
    """The files in parts, so that not all of their rules are in memory at once; all together where one rule may refer
    to another."""
    together = any({"correlation", "filter"} & value.keys() for file in files for _, value in file.maps)
    size = len(files) if together else _BATCH
    return [files[start : start + size] for start in range(0, len(files), size or 1)]


def _conversions(backend: PolysigmaBackend, loaded: Loaded, platform: str, target: str) -> Iterator[Conversion]:
    """What became of the rules that a backend has just converted."""
    failed = {id(rule): error for rule, error in backend.errors}
    for rule in loaded.collection.rules:
        document = loaded.document(rule)
        compiled = tuple((backend.compiled or {}).get(id(rule), ()))
        failure = failed.get(id(rule))
        if not compiled and failure is None:
            continue
        assert rule.source is not None
        yield Conversion(
            rule=rule.name or str(rule.id or rule.title),
            title=rule.title,
            path=rule.source.path,
            platform=platform,
            target=target,
            compiled=() if failure else compiled,
            finding=finding_of(failure, document, platform) if failure else None,
        )


_SQL_OPTIONS = frozenset({"dialect", "table"})


def compile_rule(
    reference: str,
    platform: str,
    target: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    form: str = "rule",
    table: str | None = None,
    accept_blind: bool = True,
    tuning: Tuning | None = None,
    said: list[Diagnostic] | None = None,
) -> Compiled:
    """The one rule behind a reference (folder, file or packaged name) on a platform.

    `overrides` maps parameter names to values, and comes before `tuning`; `said` takes what is to be said about the
    tuning. Raises PolysigmaError where there is no such rule, or several, or it cannot be converted.
    """
    files, findings = read_rules([reference])
    if findings:
        raise PolysigmaError(*findings)
    options: dict[str, Any] = {"form": form}
    if overrides:
        options["set"] = {"": dict(overrides)}
    if tuning is not None:
        from polysigma.tuning import apply

        tuned = apply(files, tuning)
        files, options = tuned.files, tuned.options(options)
        if said is not None:
            said += tuned.findings
    if table:
        options["table"] = table
    if accept_blind:
        options["accept"] = "blind"
    results = list(convert(files, [(ALIASES.get(platform, platform), target)], options=options))
    broken = [result for result in results if isinstance(result, Diagnostic)]
    if broken:
        raise PolysigmaError(*broken)
    done = [result for result in results if isinstance(result, Conversion)]
    refused = [result.finding for result in done if result.finding]
    if refused:
        raise PolysigmaError(*refused)
    if len(done) != 1 or len(done[0].compiled) != 1:
        names = ", ".join(result.rule for result in done)
        message = f"holds {len(done)} rules with a query of their own ({names}); one is needed"
        raise PolysigmaError(Diagnostic("one-rule", message, "name one file", reference))
    return done[0].compiled[0]


def finding_of(error: SigmaError, document: Document | None, platform: str | None = None) -> Diagnostic:
    """A pySigma error as a finding, at the part of the document that it is about."""
    from sigma.backends.polysigma.errors import PlanRefusedError

    where = f" ({platform})" if platform else ""
    if isinstance(error, PlanRefusedError) and document is not None:
        return error.plan_error.below("polysigma").located(document).findings[0]
    code = getattr(error, "code", None)
    slug = f"refused-{code}" if code else _CODES.get(type(error).__name__, "sigma")
    message = " ".join(str(error.args[0] if error.args else error).split())
    if document is None:
        return Diagnostic(slug, message + where)
    path = _PLACES.get(type(error).__name__, ("correlation",) if "correlation" in document.value else ("detection",))
    return Diagnostic(slug, message + where, None, document.file, document.key_at(*path), Severity.ERROR)


_CODES = {
    "SigmaFeatureNotSupportedByBackendError": "refused",
    "SigmaTransformationError": "refused",
    "SigmaBackendError": "refused",
    "SigmaRuleNotFoundError": "missing-rule",
}
_PLACES: dict[str, tuple[str, ...]] = {
    "SigmaConditionError": ("detection", "condition"),
    "SigmaDetectionError": ("detection",),
    "SigmaLogsourceError": ("logsource",),
    "SigmaIdentifierError": ("id",),
    "SigmaDateError": ("date",),
    "SigmaModifiedError": ("modified",),
    "SigmaLevelError": ("level",),
    "SigmaStatusError": ("status",),
    "SigmaTitleError": ("title",),
    "SigmaNameError": ("name",),
    "SigmaTagError": ("tags",),
    "SigmaReferencesError": ("references",),
    "SigmaRelatedError": ("related",),
    "SigmaFieldsError": ("fields",),
    "SigmaFalsePositivesError": ("falsepositives",),
    "SigmaAuthorError": ("author",),
    "SigmaDescriptionError": ("description",),
    "SigmaLicenseError": ("license",),
    "SigmaScopeError": ("scope",),
    "SigmaTaxonomyError": ("taxonomy",),
    "SigmaTimespanError": ("correlation", "timespan"),
    "SigmaCorrelationTypeError": ("correlation", "type"),
    "SigmaCorrelationConditionError": ("correlation", "condition"),
}
