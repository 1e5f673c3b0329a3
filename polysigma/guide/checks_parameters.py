"""Whether a guide speaks of every parameter of the rule, and of no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.guide.places import at_key
from polysigma.plan.faults import PlanError
from polysigma.plan.metadata import Metadata, read_metadata
from polysigma.plan.parameters import bind
from polysigma.plan.typing import near

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package


def metadata_of(package: Package) -> Metadata | None:
    """The typed `polysigma` map of the detection; None where it has none, or a broken one."""
    if package.rule is None or "polysigma" not in package.rule[1]:
        return None
    try:
        return read_metadata(package.rule[1]["polysigma"])
    except PlanError:
        return None


def columns_of_hit(package: Package) -> set[str]:
    """Every column that a hit can have: keys, measures, derived columns, scores."""
    metadata = metadata_of(package)
    names: set[str] = set()
    for step in metadata.steps if metadata else ():
        for group in (step.group, step.annotate):
            if group:
                names |= {*group.by, *group.measures}
        names |= {step.previous.as_} if step.previous else set()
        names |= {*(step.bucket or ()), *(step.derive or ()), *(step.score or ())}
    return names


def check_parameters(package: Package) -> Iterator[Diagnostic]:
    """A parameter without advice, advice without a parameter, and a rule that does not say what a value costs."""
    metadata = metadata_of(package)
    if metadata is None or package.rule is None:
        return
    rule_document, _ = package.rule
    advised = [one.parameter for one in package.guide.tuning]
    for name, parameter in metadata.parameters.items():
        if name not in advised:
            message = f"the rule's parameter {name!r} has no advice"
            hint = f"- parameter: {name}"
            yield at_key(package.document, "parameter-without-guidance", message, "tuning", hint=hint)
        if not (parameter.raise_ and parameter.lower):
            missing = "lower" if parameter.raise_ else "raise"
            message = f"the parameter {name!r} does not say what to expect when it is changed (`{missing}`)"
            yield at_key(rule_document, "parameter-without-guidance", message, "polysigma", "parameters", name)
    for index, name in enumerate(advised):
        path = ("tuning", index, "parameter")
        if name not in metadata.parameters:
            hint = near(name, metadata.parameters)
            yield from package.document.error(
                "unknown-parameter", f"the rule has no parameter {name!r}", *path, hint=hint
            ).findings
        elif name in advised[:index]:
            yield from package.document.error("duplicate-advice", f"{name!r} stands twice", *path).findings


def check_values(package: Package, values: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Diagnostic]:
    """Values for parameters that the rule does not have, or of another type than the rule's."""
    metadata = metadata_of(package)
    if metadata is None:
        return
    for name, value in values.items():
        try:
            bind(metadata.parameters, {name: value})
        except PlanError as error:
            for fault in error.faults:
                yield from package.document.error(fault.code, fault.message, *path, name, hint=fault.hint).findings
