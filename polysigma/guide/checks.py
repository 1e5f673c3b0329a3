"""What can be found wrong with a guide without asking anybody: each finding has a code, a place and a hint."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from polysigma.catalog import packaged_names, read_rules
from polysigma.guide import checks_atomics, checks_attack, checks_platforms, checks_text
from polysigma.guide.checks_parameters import check_parameters, columns_of_hit
from polysigma.guide.exclusions import check_exclusions
from polysigma.guide.files import HUNTS, hunts, packages
from polysigma.guide.lock import check_lock
from polysigma.guide.places import at_key
from polysigma.plan.typing import near

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.catalog import RuleFile
    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package


def check_guides(files: list[RuleFile]) -> list[Diagnostic]:
    """Every finding about the guides, atomic tests and locked versions that belong to some rules.

    A rule without a guide is no finding. Hunts are rules (`hunts` gives their files) and are checked as such.
    """
    found, findings = packages(files)
    names = {*packaged_names(), *(str(value.get("name")) for file in files for _, value in file.maps)}
    for package in found:
        findings += chain(
            package.findings,
            _identity(package),
            checks_text.check_text(package),
            checks_attack.check_attack(package),
            checks_platforms.check_platforms(package),
            check_parameters(package),
            _recognisable(package),
            check_exclusions(package),
            checks_atomics.check_atomics(package),
            _references(package, names),
            _versions(package),
            check_lock(package),
        )
    findings += checks_text.check_shared(found)
    findings += _one_sided(found)
    return findings


def check_beside(files: list[RuleFile]) -> tuple[list[RuleFile], list[Diagnostic]]:
    """The rules with the hunts that belong to them, and every finding about what stands beside them."""
    known = {file.path.resolve() for file in files}
    more, findings = read_rules(str(path) for path in hunts(files) if path.resolve() not in known)
    return [*files, *more], [*findings, *check_guides(files)]


def _identity(package: Package) -> Iterator[Diagnostic]:
    """The guide is about a rule of its folder, and of its severity."""
    document, guide = package.document, package.guide
    if package.rule is None:
        names = {str(value.get("name")): value for _, value in package.documents if value.get("name")}
        hint = near(guide.detection, names)
        message = f"no rule beside the guide is called {guide.detection!r}"
        yield from document.error("guide-without-rule", message, "detection", hint=hint).findings
        return
    level = package.rule[1].get("level")
    if level != guide.severity.level:
        message = f"the rule's level is {level}, the guide's severity {guide.severity.level}"
        yield from document.error("severity-differs", message, "severity", "level", hint=f"level: {level}").findings


def _recognisable(package: Package) -> Iterator[Diagnostic]:
    """A false positive says by which fields it is told: fields of the platforms, or columns of the hit."""
    fields = columns_of_hit(package) | checks_platforms.fields_named(package)
    for index, one in enumerate(package.guide.false_positives):
        path = ("false_positives", index)
        if not one.recognise.strip():
            message = f"{one.name!r} has no way to tell it"
            hint = "recognise: the values of which fields set it apart"
        elif fields and not any(name in one.recognise for name in fields):
            message = f"{one.name!r} is told by no field that anybody could look at"
            hint = "name the columns of the hit, or fields of a platform, and the values that set it apart"
        else:
            continue
        where = (*path, "recognise") if one.recognise else path
        yield from package.document.error("no-way-to-tell", message, *where, hint=hint).findings


def _references(package: Package, names: set[str]) -> Iterator[Diagnostic]:
    """Hunts and related detections that are not there, and files of hunts that the guide does not mention."""
    document, guide = package.document, package.guide
    files = {path.relative_to(package.folder).as_posix() for path in package.folder.glob(HUNTS)}
    for index, hunt in enumerate(guide.hunts):
        if hunt.file is not None and hunt.file not in files:
            hint = near(hunt.file, dict.fromkeys(files))
            yield from document.error(
                "missing-hunt", f"there is no file {hunt.file!r}", "hunts", index, "file", hint=hint
            ).findings
        if hunt.detection is not None and hunt.detection not in names:
            yield from _missing_detection(package, hunt.detection, names, ("hunts", index, "detection"))
    for file in sorted(files - {hunt.file for hunt in guide.hunts}):
        message = f"{file} is not mentioned"
        yield at_key(document, "hunt-without-words", message, "hunts", hint=f"- file: {file}")
    for index, one in enumerate(guide.related):
        if one.detection not in names or one.detection == guide.detection:
            yield from _missing_detection(package, one.detection, names, ("related", index, "detection"))
    for index, test in enumerate(guide.tests):
        if test.hits != guide.detection and test.hits not in files:
            hint = near(test.hits, dict.fromkeys([guide.detection, *files]))
            message = f"a test is found by the detection or by one of its hunts, not by {test.hits!r}"
            yield from document.error("missing-hunt", message, "tests", index, "hits", hint=hint).findings


def _one_sided(found: list[Package]) -> Iterator[Diagnostic]:
    """A guide that names another which does not name it: who has the other hit would never hear of the first.

    Only between guides that are checked together: a site's own may name one of the package, which cannot know it.
    """
    related = {one.guide.detection: {other.detection for other in one.guide.related} for one in found}
    for package in found:
        name = package.guide.detection
        for index, one in enumerate(package.guide.related):
            if name not in related.get(one.detection, {name}):
                message = f"the guide of {one.detection} does not name {name} in its turn"
                hint = f"related in the guide of {one.detection}: - detection: {name}"
                place = ("related", index, "detection")
                yield from package.document.error("one-sided-relation", message, *place, hint=hint).findings


def _missing_detection(
    package: Package, name: str, names: set[str], path: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    message = f"there is no other detection {name!r}"
    error = package.document.error("missing-detection", message, *path, hint=near(name, dict.fromkeys(names)))
    yield from error.findings


def _versions(package: Package) -> Iterator[Diagnostic]:
    """The changelog goes from the guide's version down, each step with a date that is not after the one above."""
    document, log = package.document, package.guide.changelog
    if log[0].version != package.guide.version:
        message = f"the changelog begins with {log[0].version}, the guide's version is {package.guide.version}"
        yield from document.error(
            "changelog", message, "changelog", 0, "version", hint=f"version: {package.guide.version}"
        ).findings
    for index in range(1, len(log)):
        newer, older = log[index - 1], log[index]
        if _number(older.version) >= _number(newer.version) or older.date > newer.date:
            message = f"{older.version} ({older.date}) stands below {newer.version} ({newer.date})"
            yield from document.error("changelog", message, "changelog", index, hint="newest first").findings


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
