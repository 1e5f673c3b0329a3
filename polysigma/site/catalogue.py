"""`detections.json`: the detections for programs, and what the site's own lists are made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from polysigma.site.markup import Page, code, codes, joined, link, outside, paragraph, section, table, worded
from polysigma.site.model import slug
from polysigma.site.queries import archive, query_file, rule_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polysigma.site.model import Detection, OnPlatform

FORMAT = 2


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LossEntry(_Model):
    """What a query loses."""

    level: str
    """`approximate` or `blind`."""
    reason: str
    """In words."""


class Needs(_Model):
    """What a detection needs on a platform, from its guide."""

    sources: list[str]
    """The products that record the events."""
    settings: list[str]
    """What must be switched on."""
    licences: list[str]
    """What must have been bought."""


class PlatformEntry(_Model):
    """A detection on one platform."""

    title: str
    """The platform's name for people."""
    target: str
    """The query language: `logscale`, `kql`, `spl` or `sql`."""
    fidelity: str
    """`exact`, `approximate`, `blind` or `refused`."""
    losses: list[LossEntry]
    """Each loss; empty where it is exact or refused."""
    refused: str | None
    """Why there is no query, where there is none."""
    page: str | None
    """The page for this platform, from the root of the site: the address for an alert's runbook. Null where refused."""
    query: str | None
    """The file of the query, from the root of the site; null where it is refused, or stands in the `archive`."""
    command: str
    """The line that prints the query."""
    needs: Needs | None
    """What it needs there; null without a guide that says so."""


class AttackEntry(_Model):
    """A technique of MITRE ATT&CK that a detection names."""

    id: str
    """As `T1071.001`."""
    tactic: str | None
    """The tactic under which the guide names it, as `command-and-control`; null without a guide."""
    claim: str
    """`subject` (what the detection is about), `observed` (what the sensor records of it), or `tagged` (no guide says
    which)."""


class DetectionEntry(_Model):
    """One detection."""

    name: str
    """The rule's `name`, or its id where it has none."""
    id: str | None
    """The rule's `id`."""
    title: str
    """The rule's title."""
    level: str
    """Sigma's level, or `not stated`."""
    confidence: str | None
    """`low`, `medium` or `high`, from the guide; null without one."""
    status: str | None
    """Sigma's status."""
    version: str | None
    """The version of the rule's meaning, from the guide; null without one."""
    guide: bool
    """Whether there is a guide."""
    attack: list[AttackEntry]
    """The techniques of the guide, or of the rule's tags where there is none."""
    data_sources: list[str]
    """The log sources of the events that it looks at: Sigma's category, else product and service."""
    page: str
    """The page for all platforms, from the root of the site."""
    rule: str
    """The file of the Sigma rule, from the root of the site."""
    archive: str | None
    """The file that holds its queries, from the root of the site, for a detection without a guide; else null."""
    platforms: dict[str, PlatformEntry]
    """By the platform's id."""


class Catalogue(_Model):
    """The whole file."""

    format: int
    """The version of this format: 2. It moves when a key changes its meaning or goes."""
    detections: list[DetectionEntry]
    """By name."""


def entry(detection: Detection) -> DetectionEntry:
    """A detection for programs."""
    guide = detection.guide
    return DetectionEntry(
        name=detection.name,
        id=_word(detection.rule.get("id")),
        title=detection.title,
        level=detection.level,
        confidence=guide.confidence.level if guide else None,
        status=_word(detection.rule.get("status")),
        version=guide.version if guide else None,
        guide=guide is not None,
        attack=_attack(detection),
        data_sources=list(detection.data_sources),
        page=f"{detection.folder}/",
        rule=rule_file(detection),
        archive=archive(detection) if guide is None and any(one.compiled for one in detection.on) else None,
        platforms={one.platform: _platform(detection, one) for one in detection.on},
    )


def _attack(detection: Detection) -> list[AttackEntry]:
    guide = detection.guide
    if guide is None:
        return [AttackEntry(id=name, tactic=None, claim="tagged") for name in dict.fromkeys(detection.techniques)]
    return [AttackEntry(id=one.id, tactic=one.tactic, claim=claim) for claim, one in guide.attack.claims]


def _platform(detection: Detection, one: OnPlatform) -> PlatformEntry:
    guide = detection.guide.platforms.get(one.platform) if detection.guide else None
    return PlatformEntry(
        title=one.title,
        target=one.target,
        fidelity=one.fidelity.value,
        losses=[LossEntry(level=loss.level.value, reason=loss.reason) for loss in one.losses],
        refused=one.refusal.message if one.refusal else None,
        page=f"{detection.folder}/{slug(one.platform)}/" if one.compiled else None,
        query=query_file(detection, one) if one.compiled and detection.guide else None,
        command=one.command,
        needs=Needs(sources=guide.sources, settings=guide.settings, licences=guide.licences) if guide else None,
    )


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def schema() -> dict[str, Any]:
    """The JSON Schema of `detections.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Catalogue.model_json_schema()}


def catalogue_files(entries: Sequence[DetectionEntry]) -> dict[str, str]:
    """`detections.json` and its schema."""
    lines = ",\n".join(one.model_dump_json() for one in entries)
    return {
        # A line for each detection: a change of one is a change of one line.
        "detections.json": f'{{"format": {FORMAT}, "detections": [\n{lines}\n]}}\n',
        "detections.schema.json": json.dumps(schema(), indent=2) + "\n",
    }


def keys_page() -> Page:
    """The page that documents the keys."""
    parts = []
    for title, anchor, model in (
        ("The file", "file", Catalogue),
        ("A detection", "detection", DetectionEntry),
        ("A technique", "technique", AttackEntry),
        ("A platform of a detection", "platform", PlatformEntry),
        ("What it needs there", "needs", Needs),
        ("A loss", "loss", LossEntry),
    ):
        properties: dict[str, Any] = model.model_json_schema()["properties"]
        rows = ((code(name), worded(what["description"])) for name, what in properties.items())
        parts.append(section(title, anchor, table(("Key", "Meaning"), rows)))
    return Page(
        "detections.json",
        "The keys of detections.json, the list of detections for programs.",
        joined(
            paragraph(
                f"{link('detections.json', '../../detections.json')} lists every detection, one a line; its "
                f"{outside('JSON Schema', 'https://json-schema.org/')} is "
                f"{link('detections.schema.json', '../../detections.schema.json')}. No key is left out; "
                f"{codes(['null'])} says that there is nothing."
            ),
            *parts,
        ),
        words="JSON schema keys programs catalogue",
        kind="reference",
    )
