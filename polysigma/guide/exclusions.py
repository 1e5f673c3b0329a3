"""How a false positive is excluded: a guide's `where` is the selection of a standard Sigma filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma import schemas
from polysigma.plan.typing import near
from polysigma.tuning.filters import refused, stable_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package


def base_rules(package: Package) -> list[Mapping[str, Any]]:
    """The rules whose events the detection looks at: those that its correlation names, or itself."""
    if package.rule is None:
        return []
    _, value = package.rule
    correlation = value.get("correlation")
    if not isinstance(correlation, dict):
        return [value]
    rules = correlation.get("rules")
    named = {str(name) for name in rules} if isinstance(rules, list) else set()
    return [
        one
        for _, one in package.documents
        if {str(one.get("name")), str(one.get("id"))} & named and isinstance(one.get("detection"), dict)
    ]


def as_filter(package: Package, index: int) -> dict[str, Any] | None:
    """The Sigma filter that excludes the false positive of that number; None where it is not excluded by events."""
    false_positive = package.guide.false_positives[index]
    where = false_positive.exclude.where
    rules = base_rules(package)
    if where is None or not rules:
        return None
    return {
        "title": f"Leave out: {false_positive.name}"[:250],
        "id": stable_id(package.guide.detection, false_positive.name),
        "logsource": rules[0].get("logsource", {}),
        "filter": {
            "rules": [str(rule.get("name") or rule.get("id")) for rule in rules],
            "excluded": where,
            "condition": "not excluded",
        },
    }


def check_exclusions(package: Package) -> Iterator[Diagnostic]:
    """A filter that pySigma refuses, a field that the log source lacks, a parameter that the rule lacks."""
    from polysigma.guide.checks_parameters import check_values

    for index, false_positive in enumerate(package.guide.false_positives):
        path = ("false_positives", index, "exclude")
        if false_positive.exclude.parameters is not None:
            yield from check_values(package, false_positive.exclude.parameters, (*path, "parameters"))
        made = as_filter(package, index)
        if made is None:
            continue
        for problem in refused(made):
            hint = "a selection as in a Sigma rule: Field|modifier: value"
            yield from package.document.error(
                "invalid-exclusion", f"is no Sigma filter: {problem}", *path, "where", hint=hint
            ).findings
        known = _fields(package)
        for key in false_positive.exclude.where or ():
            name = key.partition("|")[0]
            if known and name not in known:
                message = f"the rule's log source has no field {name!r}"
                error = package.document.error("unknown-field", message, *path, "where", key, hint=near(name, known))
                yield from error.findings


def _fields(package: Package) -> dict[str, Any]:
    """The canonical fields of the log sources that the detection looks at; empty where one is not known."""
    taxonomy = schemas.load("sigma")
    found: dict[str, Any] = {}
    for rule in base_rules(package):
        logsource = rule.get("logsource")
        category = str(logsource.get("category")) if isinstance(logsource, dict) else ""
        if category not in taxonomy.tables:
            return {}
        found |= taxonomy.tables[category]
    return found
