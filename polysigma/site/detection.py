"""The pages of one detection: one for all platforms, and one for each that is complete on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.site import queries, sections
from polysigma.site.markup import code, codes, joined, link, page, section, table, text
from polysigma.site.model import LANGUAGE_NAMES, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.site.model import Detection, OnPlatform


def detection_pages(detection: Detection, known: Mapping[str, str]) -> dict[str, str]:
    """Every page and file of a detection, by its path in the site."""
    files = queries.downloads(detection)
    found = {f"{detection.folder}/index.md": _all(detection, known, files)}
    for one in detection.on:
        found[f"{detection.folder}/{slug(one.platform)}.md"] = _one(detection, one, known, files)
    return found | files


def _all(detection: Detection, known: Mapping[str, str], files: Mapping[str, str]) -> str:
    return page(
        detection.title,
        _description(detection),
        sections.verdict_first(detection),
        _platforms(detection),
        sections.triage(detection),
        queries.queries(detection),
        queries.fields(detection),
        queries.coverages(detection),
        sections.how_it_works(detection),
        sections.parameters(detection),
        queries.false_positives(detection, files),
        sections.blind_spots(detection),
        sections.response(detection),
        queries.hunts(detection),
        queries.atomic_tests(detection),
        sections.related(detection, known),
        queries.provenance(detection),
        queries.download_links(detection, files),
    )


def _one(detection: Detection, on: OnPlatform, known: Mapping[str, str], files: Mapping[str, str]) -> str:
    return page(
        f"{detection.title} on {on.title}",
        f"{on.title}: {_description(detection)}",
        f"{link('All platforms', 'index.md')} · {code(on.platform)} · {LANGUAGE_NAMES[on.target]}",
        sections.verdict_first(detection, on),
        sections.triage(detection, on),
        section("Query", "query", queries.query(on)),
        section("Fields and tables", "fields", sections.tables_read(detection, on), sections.hit_fields(on)),
        section(
            "Coverage: does no hit mean anything?",
            "coverage",
            queries.coverage(detection, on),
            sections.needs(detection, on),
        ),
        sections.how_it_works(detection),
        sections.parameters(detection),
        queries.false_positives(detection, files),
        sections.blind_spots(detection),
        sections.response(detection),
        queries.hunts(detection, on),
        queries.atomic_tests(detection, on),
        sections.related(detection, known),
        queries.provenance(detection),
        queries.download_links(detection, files, on),
        searched=False,
    )


def _description(detection: Detection) -> str:
    return detection.guide.meaning if detection.guide else str(detection.rule.get("description") or detection.title)


def _platforms(detection: Detection) -> str:
    rows = [
        (
            link(text(one.title), f"{slug(one.platform)}.md"),
            code(one.platform),
            LANGUAGE_NAMES[one.target],
            one.fidelity.value,
        )
        for one in detection.on
    ]
    techniques = f"ATT&amp;CK: {codes(detection.techniques)}." if detection.techniques else ""
    return joined(
        section(
            "On your platform",
            "platforms",
            table(("Page for one platform", "Id", "Language", "Fidelity"), rows),
            techniques,
        )
    )
