"""The list of detections: as a page for people, as `detections.json` for programs, with its keys documented."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from polysigma.platform import FidelityLevel
from polysigma.site.markup import codes, joined, link, outside, page, section, table, text
from polysigma.site.model import slug
from polysigma.site.queries import query_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polysigma.site.model import Detection

FORMAT = 1


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LossEntry(_Model):
    """What a query loses."""

    level: str
    """`approximate` or `blind`."""
    reason: str
    """In words."""


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
    page: str
    """The page for this platform, from the root of the site: the address for an alert's runbook."""
    query: str | None
    """The file of the query, from the root of the site; null where it is refused."""
    command: str
    """The line that prints the query."""


class DetectionEntry(_Model):
    """One detection."""

    name: str
    """The rule's `name`."""
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
    techniques: list[str]
    """The ATT&CK techniques of the rule's tags."""
    page: str
    """The page for all platforms, from the root of the site."""
    rule: str
    """The file of the Sigma rule, from the root of the site."""
    platforms: dict[str, PlatformEntry]
    """By the platform's id."""


class Catalogue(_Model):
    """The whole file."""

    format: int
    """The version of this format: 1. It moves when a key changes its meaning or goes."""
    detections: list[DetectionEntry]
    """By name."""


def catalogue(detections: Sequence[Detection]) -> Catalogue:
    return Catalogue(format=FORMAT, detections=[_entry(one) for one in detections])


def _entry(detection: Detection) -> DetectionEntry:
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
        techniques=list(detection.techniques),
        page=f"{detection.folder}/",
        rule=f"{detection.folder}/{slug(detection.name)}.yml",
        platforms={
            one.platform: PlatformEntry(
                title=one.title,
                target=one.target,
                fidelity=one.fidelity.value,
                losses=[LossEntry(level=loss.level.value, reason=loss.reason) for loss in one.losses],
                refused=one.refusal.message if one.refusal else None,
                page=f"{detection.folder}/{slug(one.platform)}/",
                query=query_file(detection, one) if one.compiled else None,
                command=one.command,
            )
            for one in detection.on
        },
    )


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def index_pages(detections: Sequence[Detection]) -> dict[str, str]:
    """The list as a page, as JSON with its schema, and the page that documents its keys."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Catalogue.model_json_schema()}
    return {
        "detections/index.md": _list(detections),
        "detections.json": catalogue(detections).model_dump_json(indent=2) + "\n",
        "detections.schema.json": json.dumps(schema, indent=2) + "\n",
        "reference/detections-json.md": _keys(),
    }


def _list(detections: Sequence[Detection]) -> str:
    rows = [
        (
            link(text(one.title), f"{one.folder.removeprefix('detections/')}/index.md"),
            codes(one.techniques) or "none named",
            text(one.level),
            "yes" if one.guide else "missing",
            "<br>".join(_by_fidelity(one)),
        )
        for one in detections
    ]
    return page(
        "Detections",
        "Every detection with its severity, its ATT&CK techniques and what it is on each platform.",
        f"{len(rows)} detections, each with the page that a responder opens and one for each platform.",
        table(("Detection", "ATT&amp;CK", "Severity", "Guide", "Platforms and fidelity"), rows),
        section(
            "What the fidelity says",
            "fidelity",
            table(
                ("Word", "Meaning"),
                (
                    ("exact", "The query finds what the rule says."),
                    ("approximate", "It does, but for what its page lists."),
                    ("blind", "The platform's telemetry cannot show this: no hit says nothing."),
                    ("refused", "There is no query; its page says why."),
                ),
            ),
        ),
        f"The same for programs: {link('detections.json', '../detections.json')}, "
        f"with {link('its keys', '../reference/detections-json.md')}.",
    )


def _by_fidelity(detection: Detection) -> list[str]:
    """For each fidelity the platforms that have it, best first."""
    return [
        f"{level.value}: "
        + ", ".join(
            link(text(on.label), f"{slug(detection.name)}/{slug(on.platform)}.md")
            for on in detection.on
            if on.fidelity is level
        )
        for level in FidelityLevel
        if any(on.fidelity is level for on in detection.on)
    ]


def _keys() -> str:
    parts = []
    for title, anchor, model in (
        ("The file", "file", Catalogue),
        ("A detection", "detection", DetectionEntry),
        ("A platform of a detection", "platform", PlatformEntry),
        ("A loss", "loss", LossEntry),
    ):
        properties: dict[str, Any] = model.model_json_schema()["properties"]
        rows = ((codes([name]), text(what["description"])) for name, what in properties.items())
        parts.append(section(title, anchor, table(("Key", "Meaning"), rows)))
    return page(
        "detections.json",
        "The keys of detections.json, the list of detections for programs.",
        joined(
            f"{link('detections.json', '../detections.json')} lists every detection; its JSON Schema is "
            f"{link('detections.schema.json', '../detections.schema.json')}. "
            "No key is left out; null says that there is nothing.",
            *parts,
        ),
        outside("JSON Schema", "https://json-schema.org/"),
    )
