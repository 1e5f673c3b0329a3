"""A tuning file and the rules that it is about: whether it fits them, and what becomes of both together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from polysigma.catalog import RuleFile, packaged_names
from polysigma.diagnostics import Diagnostic, PolysigmaError, Severity
from polysigma.plan.faults import PlanError
from polysigma.plan.metadata import read_metadata
from polysigma.plan.parameters import bind
from polysigma.plan.typing import near
from polysigma.source import Document
from polysigma.tuning.breadth import wide
from polysigma.tuning.filters import base_rules, covers, documents_of, fields_of, filters_for, refused, selection_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.diagnostics import Position
    from polysigma.plan.metadata import ParameterValue
    from polysigma.tuning.model import Exclusion, Tuning

Settings = dict[str, dict[str, "ParameterValue"]]
"""Values of parameters, by rule: what the backends take as their option `set`."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """Rules with their filters, and what else conversion has to be told."""

    files: list[RuleFile]
    """The rules, and one more file that holds the filters."""
    settings: Settings
    filters: list[dict[str, Any]]
    findings: list[Diagnostic] = field(default_factory=list)
    """Exclusions that are too wide, or are felt elsewhere too: warnings."""

    def options(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The options of a conversion with the tuned values among them. Values that are given by `set` come first."""
        options = dict(given or {})
        own = _settings(options.get("set", ()))
        settings: Settings = {name: dict(values) for name, values in self.settings.items()}
        for rule, values in own.items():
            if rule:
                settings.setdefault(rule, {}).update(values)
                continue
            for name, value in values.items():
                holders = [held for held in settings.values() if name in held]
                for held in holders or [settings.setdefault("", {})]:
                    held[name] = value
        if settings:
            options["set"] = settings
        return options


def _settings(given: Any) -> Settings:
    """The option `set` as the backends take it: a mapping, or texts `rule.parameter=value`."""
    if isinstance(given, dict):
        return given
    found: Settings = {}
    for text in given if isinstance(given, list | tuple) else [given]:
        target, equals, value = str(text).partition("=")
        if not equals or not target.strip():
            raise PolysigmaError(Diagnostic("option", f"set={text} is not of the form rule.parameter=value"))
        rule, _, parameter = target.strip().rpartition(".")
        found.setdefault(rule, {})[parameter] = value.strip()
    return found


def apply(files: Sequence[RuleFile], tuning: Tuning) -> Tuned:
    """The rules of some files as a tuning file wants them.

    Entries about detections that are not among the files are left aside where they are known (packaged, or in a folder
    beside the files'). Raises PolysigmaError, with places in the tuning file, for what is unknown: a detection, a
    parameter or its type, a field, an exclusion that pySigma refuses.
    """
    documents = documents_of(files)
    present = {str(value.get("name")): value for value in documents if value.get("name")}
    errors = list(_unknown(files, tuning, present))
    findings: list[Diagnostic] = []
    settings: Settings = {}
    filters: list[dict[str, Any]] = []
    for name, rule in present.items():
        entries = tuning.of(name)
        if not entries:
            continue
        rules = base_rules(name, documents)
        exclusions: list[Exclusion] = []
        for number, entry in entries:
            errors += _parameters(tuning, number, rule)
            settings.setdefault(name, {}).update(entry.parameters)
            for index, exclusion in enumerate(entry.exclude):
                path = (number, "exclude", index)
                wrong = list(_exclusion(tuning, exclusion, rules, path))
                errors += wrong
                exclusions += [] if wrong else [exclusion]
                findings += [] if wrong else _wide(tuning, exclusion, path)
        if exclusions:
            filters += filters_for(name, rules, exclusions, tuning.lookups)
            findings += _shared(tuning, name, rules, documents, entries[0][0])
    if errors:
        raise PolysigmaError(*errors)
    made = [Document(one, tuning.document.file, tuning.document.text, tuning.document.number) for one in filters]
    more = [RuleFile(_path(tuning), tuple(made))] if made else []
    settings = {name: values for name, values in settings.items() if values}
    return Tuned([*files, *more], settings, filters, findings)


def _path(tuning: Tuning) -> Any:
    from pathlib import Path

    return Path(tuning.document.file or "tuning.yaml")


def _unknown(files: Sequence[RuleFile], tuning: Tuning, present: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Detections that are neither among the files, nor packaged, nor in a folder beside the files' folders."""
    roots = {file.path.resolve().parent.parent for file in files}
    packaged = set(packaged_names())
    for number, entry in enumerate(tuning.entries):
        name = entry.detection
        if name in present or name in packaged or any((root / name).is_dir() for root in roots):
            continue
        message = f"there is no detection {name!r}"
        hint = near(name, dict.fromkeys([*present, *packaged]))
        yield from tuning.document.error("unknown-detection", message, number, "detection", hint=hint).findings


def _parameters(tuning: Tuning, number: int, rule: Mapping[str, Any]) -> Iterator[Diagnostic]:
    values = tuning.entries[number].parameters
    if not values:
        return
    try:
        known = read_metadata(rule["polysigma"]).parameters if "polysigma" in rule else {}
    except PlanError:
        return  # said of the rule itself
    for name, value in values.items():
        path = (number, "parameters", name)
        if name not in known:
            message = f"{rule.get('name')} has no parameter {name!r}"
            yield Diagnostic(
                "unknown-parameter",
                message,
                near(name, known) if known else "the rule has no `polysigma` map with parameters",
                tuning.document.file,
                tuning.document.key_at(*path),
            )
            continue
        try:
            bind({name: known[name]}, {name: value})
        except PlanError as error:
            for fault in error.faults:
                yield from tuning.document.error(fault.code, fault.message, *path, hint=fault.hint).findings


def _exclusion(
    tuning: Tuning, exclusion: Exclusion, rules: Sequence[Mapping[str, Any]], path: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    """Fields that no base rule has all of, and what pySigma refuses."""
    document = tuning.document
    if not rules:
        message = "the detection has no base rule here whose events could be left out"
        yield from document.error("unknown-detection", message, *path).findings
        return
    if not any(covers(rule, exclusion) for rule in rules):
        known = fields_of(rules[0])
        for key in selection_of(exclusion):
            name = key.partition("|")[0]
            if name not in known:
                message = f"the log source of {rules[0].get('name')} has no field {name!r}"
                at = _place(document, exclusion, path, key)
                yield Diagnostic("unknown-field", message, near(name, known), document.file, at)
        return
    for made in filters_for("check", rules, [exclusion], tuning.lookups):
        for problem in refused(made):
            hint = "a selection as in a Sigma rule: Field|modifier: value"
            where = (*path, "where") if exclusion.where else path
            yield from document.error("invalid-exclusion", f"is no Sigma filter: {problem}", *where, hint=hint).findings


def _place(document: Document, exclusion: Exclusion, path: tuple[str | int, ...], key: str) -> Position | None:
    """Where a key of an exclusion's selection stands: in `where`, or it is the field of a lookup."""
    return document.key_at(*path, "where", key) if key in exclusion.where else document.at(*path, "field")


def _wide(tuning: Tuning, exclusion: Exclusion, path: tuple[str | int, ...]) -> list[Diagnostic]:
    found = []
    for key, problem in wide(exclusion):
        hint = "name the program (Image|endswith), or the addresses that are really meant"
        at = _place(tuning.document, exclusion, path, key)
        found.append(Diagnostic("wide-exclusion", problem, hint, tuning.document.file, at, severity=Severity.WARNING))
    return found


def _shared(
    tuning: Tuning, name: str, rules: Iterable[Mapping[str, Any]], documents: Sequence[Mapping[str, Any]], number: int
) -> list[Diagnostic]:
    """Other detections among the files that look at the same base rules: the filter takes from them, too."""
    mine = {id(rule) for rule in rules}
    others = [
        str(value.get("name"))
        for value in documents
        if isinstance(value.get("correlation"), dict)
        and value.get("name") not in {name, None}
        and mine & {id(rule) for rule in base_rules(str(value.get("name")), documents)}
    ]
    if not others:
        return []
    message = f"what is left out of {name} is left out of {', '.join(others)} too: they share a base rule"
    at = tuning.document.at(number, "exclude")
    return [Diagnostic("shared-exclusion", message, None, tuning.document.file, at, severity=Severity.WARNING)]


def as_errors(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Exclusions that are too wide as errors, as `check` and `prove` report them."""
    return [replace(one, severity=Severity.ERROR) if one.code == "wide-exclusion" else one for one in findings]
