"""Whether ATT&CK has what a guide, a rule's tags and an atomic test name, and under that tactic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma import attack
from polysigma.plan.typing import near

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package
    from polysigma.guide.model import AttackClaim
    from polysigma.source import Document

Path = tuple[str | int, ...]


def check_attack(package: Package) -> Iterator[Diagnostic]:
    """Unknown and retired ids, techniques under a tactic that is not theirs, and names other than ATT&CK's."""
    document, claims = package.document, package.guide.attack
    yield from _claim(document, claims.subject, ("attack", "subject"))
    for index, claim in enumerate(claims.observed):
        path: Path = ("attack", "observed", index)
        yield from _claim(document, claim, path)
        known = attack.technique(claim.id)
        if known and known.adversary_side:
            message = f"{claim.id} happens outside of what a sensor sees (platform PRE)"
            hint = "it is a subject; observed is what the sensor records of it"
            yield from document.error("adversary-side", message, *path, "id", hint=hint).findings
    for index, test in enumerate(package.guide.tests):
        yield from _id(document, test.technique, ("tests", index, "technique"))
    for one in package.atomics:
        identifier = one.model.attack_technique
        yield from _id(one.document, identifier, ("attack_technique",))
        known = attack.technique(identifier)
        if known and one.model.display_name != known.full_name:
            message = f"ATT&CK calls {identifier} {known.full_name!r}"
            hint = f"display_name: '{known.full_name}'"
            yield from one.document.error("attack-name", message, "display_name", hint=hint).findings
    yield from _tags(package)


def _claim(document: Document, claim: AttackClaim, path: Path) -> Iterator[Diagnostic]:
    yield from _id(document, claim.id, (*path, "id"))
    known = attack.technique(claim.id)
    if claim.tactic not in attack.tactics():
        message = f"ATT&CK {attack.version()} has no tactic {claim.tactic!r}"
        hint = near(claim.tactic, attack.tactics())
        yield from document.error("unknown-tactic", message, *path, "tactic", hint=hint).findings
    elif known and claim.tactic not in known.tactics:
        message = f"{claim.id} is not under {claim.tactic}"
        hint = f"its tactics: {', '.join(known.tactics)}"
        yield from document.error("wrong-tactic", message, *path, "tactic", hint=hint).findings


def _id(document: Document, identifier: str, path: Path) -> Iterator[Diagnostic]:
    if attack.technique(identifier):
        return
    gone = attack.retired(identifier)
    if gone:
        message = f"{identifier} ({gone.name}) is {gone.how} as of ATT&CK {gone.version}"
        hint = f"see https://attack.mitre.org/techniques/{identifier.replace('.', '/')}/ for what took its place"
        yield from document.error("retired-technique", message, *path, hint=hint).findings
        return
    close = attack.near(identifier)
    message = f"ATT&CK {attack.version()} has no technique {identifier}"
    hint_or_none = f"did you mean {close}?" if close else None
    yield from document.error("unknown-technique", message, *path, hint=hint_or_none).findings


def _tags(package: Package) -> Iterator[Diagnostic]:
    """The rule's tags name the techniques of the guide, each with one of its tactics, and no others."""
    if package.rule is None:
        return
    document, value = package.rule
    tags: list[Any] = value["tags"] if isinstance(value.get("tags"), list) else []
    names = {str(tag).removeprefix("attack.") for tag in tags if str(tag).startswith("attack.")}
    claims = [package.guide.attack.subject, *package.guide.attack.observed]
    for index, tag in enumerate(tags):
        name = str(tag).removeprefix("attack.")
        identifier = name.upper()
        if not str(tag).startswith("attack.t") or not identifier[1:2].isdigit():
            continue
        if identifier not in {claim.id for claim in claims}:
            yield from _id(document, identifier, ("tags", index))
            message = f"the rule is tagged {identifier}, which the guide does not name"
            hint = "name it under attack.observed, or take the tag away"
            yield from document.error("tag-without-words", message, "tags", index, hint=hint).findings
    for claim in claims:
        for needed in (claim.id.lower(), claim.tactic):
            if needed not in names:
                message = f"the guide names {claim.id} under {claim.tactic}, and the rule has no tag attack.{needed}"
                yield from document.error("missing-tag", message, "tags", hint=f"- attack.{needed}").findings
