"""The pages of one detection: one for all platforms, one for each that is complete on its own, and what is common.

A platform that refuses a rule has no page: no alert comes from a query that is not there, and the reason stands in the
platform's tab. What does not fit a page (see `fitting`) stands on one that all of the detection's pages link to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.attack import technique
from polysigma.site import origin, proof, queries, sections, testing
from polysigma.site.fitting import AROUND, fitted, part
from polysigma.site.markup import LIMIT, Page, link, paragraph, section, text
from polysigma.site.model import slug
from polysigma.site.pictures import picture
from polysigma.site.sections import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.site.model import Detection, OnPlatform


WITHOUT_A_GUIDE = 6_800
"""The bytes for all platforms together of a detection without a guide, in which queries stand twice only where they are
short: there are thousands of these, and with what stands around them they are to take two blocks of a disk."""


def detection_pages(detection: Detection, known: Mapping[str, str]) -> tuple[dict[str, Page], dict[str, str | bytes]]:
    """Every page and every file of a detection, by path in the site. `known` gives the folder of each detection."""
    files = queries.downloads(detection)
    found = {f"{detection.folder}/index.html": _overview(detection, known, files)}
    for one in detection.on:
        if one.compiled:
            folder = f"{detection.folder}/{slug(one.platform)}"
            runbook = found[f"{folder}/index.html"] = _runbook(detection, one, known, files)
            if '<div id="the-query">' in runbook.body and queries.fits_a_page(one):
                found[f"{folder}/query/index.html"] = _query(detection, one)
    if detection.guide:
        found[f"{detection.folder}/tests/index.html"] = _tests(detection)
    if detection.guide or (detection.metadata and detection.metadata.parameters):
        found[f"{detection.folder}/tuning/index.html"] = _tuning(detection, files)
    if proof.has_scenarios(detection):
        found[f"{detection.folder}/proof/index.html"] = _proof(detection)
    return found, files


def _overview(detection: Detection, known: Mapping[str, str], files: Mapping[str, str | bytes]) -> Page:
    view = View(detection)
    parts = [
        part(sections.triage(view)),
        part(
            queries.platforms(view, queries=True, everything=True),
            queries.platforms(view, queries=False, everything=True),
            queries.platforms(view, queries=False, everything=False),
            rank=9,
        ),
        part(_picture(detection), _picture_elsewhere(detection), rank=5),
        part(sections.why(view)),
        part(queries.false_positives(view, files), queries.false_positives_in_short(view), rank=8),
        part(sections.blind_spots(view)),
        part(sections.response(view)),
        part(sections.parameters(view), sections.parameters_in_short(view), rank=7),
        part(sections.how_it_works(view)),
        part(testing.hunts_in_short(view)),
        part(testing.atomic_tests_in_short(view)),
        part(proof.in_short(view)),
        part(sections.related(view, known)),
        part(origin.provenance(view)),
        part(origin.changelog(view)),
        part(queries.download_links(view, files)),
    ]
    return Page(
        detection.title,
        _description(detection),
        fitted(sections.verdict_first(view), parts, LIMIT - AROUND if detection.guide else WITHOUT_A_GUIDE),
        words=words(detection),
        kind="detection",
    )


def words(detection: Detection) -> str:
    """What a search finds a detection by, besides its title."""
    techniques = (technique(name) for name in detection.techniques)
    named = (f"{one.id} {one.full_name}" for one in techniques if one)
    return " ".join([detection.name, *named, *detection.data_sources])


def _runbook(detection: Detection, on: OnPlatform, known: Mapping[str, str], files: Mapping[str, str | bytes]) -> Page:
    view = View(detection, on, inside=True)
    parts = [
        part(sections.triage(view)),
        part(sections.response(view)),
        part(*queries.query_of_the_page(view), rank=1),
        part(sections.why(view)),
        part(queries.false_positives(view, files), queries.false_positives_in_short(view), rank=7),
        part(sections.blind_spots(view), sections.blind_spots_in_short(view), rank=3),
        part(queries.coverage_of_the_page(view), queries.coverage_in_short(view), rank=2),
        part(queries.fields_of_the_page(view)),
        part(sections.parameters(view), sections.parameters_in_short(view), rank=8),
        part(sections.how_it_works(view), sections.how_it_works_in_short(view), rank=4),
        part(testing.hunts(view), testing.hunts_in_short(view), rank=9),
        part(testing.atomic_tests_in_short(view), testing.atomic_tests_elsewhere(view), rank=5),
        part(proof.in_short(view)),
        part(sections.related(view, known)),
        part(origin.provenance(view), origin.provenance_in_short(view), rank=6) if detection.guide else part(""),
        part(queries.download_links(view, files)),
    ]
    return Page(
        f"{detection.title} on {on.title}",
        "",
        fitted(sections.verdict_first(view), parts),
    )


def _query(detection: Detection, on: OnPlatform) -> Page:
    """A query that is too long for the page that it belongs to."""
    assert on.compiled is not None
    title = f"Query: {detection.title} on {on.title}"
    forms = (queries.query(on, "the-query", plain=plain) for plain in (False, True))
    return Page(title, "", fitted(_of(detection, "../", on.title), [part(*forms, rank=1)]))


def _tests(detection: Detection) -> Page:
    view = View(detection, inside=True)
    body = fitted(_of(detection), [part(testing.atomic_tests(view)), part(testing.hunts(view))])
    return Page(f"Tests and hunts: {detection.title}", f"How to try {detection.title}, and what to hunt for.", body)


def _tuning(detection: Detection, files: Mapping[str, str | bytes]) -> Page:
    view = View(detection, inside=True)
    body = fitted(
        _of(detection),
        [
            part(
                *(
                    sections.parameters(view, curves(detection), proof.of_curves(detection))
                    for curves in (proof.curves, proof.curves_as_tables)
                ),
                rank=1,
            ),
            part(queries.false_positives(view, files)),
        ],
    )
    return Page(f"Tuning: {detection.title}", f"Parameters and exclusions of {detection.title}.", body)


def _proof(detection: Detection) -> Page:
    parts = [part(_picture(detection)), part(proof.result(detection)), part(proof.scenarios(detection))]
    title = f"Proof: {detection.title}"
    return Page(title, f"What running {detection.title} on its scenarios gave.", fitted(_of(detection), parts))


def _picture(detection: Detection) -> str:
    return section("What the rule sees", "picture", picture(detection))


def _picture_elsewhere(detection: Detection) -> str:
    if not picture(detection):
        return ""
    shown = link("A picture of one of its scenarios: what it finds beside ordinary traffic", "proof/#picture")
    return section("What the rule sees", "picture", paragraph(shown))


def _of(detection: Detection, target: str = "../", where: str = "") -> str:
    """What a page belongs to."""
    return paragraph(
        "Of the detection", link(text(detection.title), target) + (f" on {text(where)}." if where else ".")
    )


def _description(detection: Detection) -> str:
    return detection.guide.meaning if detection.guide else str(detection.rule.get("description") or detection.title)
