"""The lists of the site: detections (in pages, with a search), ATT&CK, and what must be switched on by platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.fidelity import FidelityLevel
from polysigma.site.attack import attack_files, attack_pages
from polysigma.site.catalogue import catalogue_files, keys_page
from polysigma.site.markup import (
    Page,
    bullets,
    code,
    codes,
    joined,
    link,
    paragraph,
    section,
    table,
    text,
)
from polysigma.site.model import label, slug
from polysigma.site.steps import PATH as STEPS
from polysigma.site.steps import steps_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polysigma.site.catalogue import DetectionEntry, PlatformEntry
    from polysigma.site.making import Site

ON_A_PAGE = 60
"""Detections in a page of the list: few enough for the size of a page."""
_WORDS = (
    ("exact", "The query finds what the rule says."),
    ("approximate", "It does, but for what its page lists."),
    ("blind", "The platform's telemetry cannot show this: no hit says nothing."),
    ("refused", "There is no query; the detection's page says why."),
)


def add_lists(site: Site) -> None:
    """Adds every page and file that is about more than one detection."""
    site.pages |= _detections(site.entries)
    site.pages |= attack_pages(site.entries)
    site.pages |= _platforms(site.entries)
    site.pages["reference/detections-json/index.html"] = keys_page()
    site.pages[STEPS] = steps_page()
    site.files |= catalogue_files(site.entries)
    site.files |= attack_files(site.entries)


def _detections(entries: Sequence[DetectionEntry]) -> dict[str, Page]:
    entries = sorted(entries, key=lambda one: (one.title.casefold(), one.name))
    parts = [entries[start : start + ON_A_PAGE] for start in range(0, len(entries), ON_A_PAGE)] or [[]]
    return {_path(number): _list(part, number, len(parts), len(entries)) for number, part in enumerate(parts)}


def _path(number: int) -> str:
    return f"detections/all/{number + 1}/index.html" if number else "detections/index.html"


def _list(entries: Sequence[DetectionEntry], number: int, parts: int, count: int) -> Page:
    up = "../../../" if number else "../"
    rows = (
        (
            link(text(one.title), up + one.page),
            codes(dict.fromkeys(technique.id for technique in one.attack)) or "none named",
            f'<span data-is="{slug(one.level)}">{text(one.level)}</span>',
            "<br>".join(_by_fidelity(one, up)),
        )
        for one in entries
    )
    more = ", ".join(
        str(other + 1) if other == number else link(str(other + 1), up + _path(other).removesuffix("index.html"))
        for other in range(parts)
    )
    body = joined(
        "<div id=search></div>" if number == 0 else "",
        "<div id=list>",
        paragraph(f"{count} detections, by title. Each has a page, and one for every platform that has a query."),
        table(("Detection", "ATT&amp;CK", "Severity", "Platforms, by fidelity"), rows),
        f"<nav aria-label=Pages><p>Page {more}</p></nav>" if parts > 1 else "",
        "</div>",
        section("What the fidelity says", "fidelity", table(("Word", "Meaning"), _WORDS)) if number == 0 else "",
        paragraph(
            f"The same for programs: {link('detections.json', up + 'detections.json')}, with "
            f"{link('its keys', up + 'reference/detections-json/')}."
        )
        if number == 0
        else "",
        f'<script src="{up}assets/index.js" defer></script><script src="{up}assets/search.js" defer></script>'
        if number == 0
        else "",
    )
    title = "Detections" if number == 0 else f"Detections, page {number + 1}"
    return Page(title, "Every detection with its severity, its techniques and what it is on each platform.", body)


def _by_fidelity(one: DetectionEntry, up: str) -> list[str]:
    """For each fidelity the platforms that have it, best first."""
    found = []
    for level in FidelityLevel:
        names = [
            link(text(label(platform)), up + there.page) if there.page else text(label(platform))
            for platform, there in one.platforms.items()
            if there.fidelity == level.value
        ]
        if names:
            found.append(f"{level.value}: {', '.join(names)}")
    return found


def _platforms(entries: Sequence[DetectionEntry]) -> dict[str, Page]:
    """What must be switched on and bought for the detections on each platform, and what each platform can show."""
    names: dict[str, str] = {}
    for one in entries:
        names |= {platform: there.title for platform, there in one.platforms.items()}
    rows = []
    found = {}
    for platform, title in names.items():
        here = [(one, one.platforms[platform]) for one in entries if platform in one.platforms]
        counts = [sum(there.fidelity == level.value for _, there in here) for level in FidelityLevel]
        rows.append((link(text(title), f"{slug(platform)}/"), code(platform), *map(str, counts)))
        found[f"platforms/{slug(platform)}/index.html"] = _platform(platform, title, here)
    found["platforms/index.html"] = Page(
        "Platforms",
        "What each platform can show, and what must be switched on there.",
        joined(
            paragraph("How many detections are what on each platform. Behind each: what must be switched on there."),
            table(("Platform", "Id", *(level.value for level in FidelityLevel)), rows),
        ),
        words=" ".join([*names, *names.values()]),
    )
    return found


def _platform(platform: str, title: str, here: list[tuple[DetectionEntry, PlatformEntry]]) -> Page:
    needed: dict[str, dict[str, list[DetectionEntry]]] = {"settings": {}, "licences": {}, "sources": {}}
    silent = 0
    for one, there in here:
        if there.needs is None:
            silent += 1
            continue
        for kind, by_text in needed.items():
            for line in getattr(there.needs, kind):
                by_text.setdefault(line, []).append(one)
    losses: dict[str, list[DetectionEntry]] = {}
    for one, there in here:
        for loss in there.losses:
            losses.setdefault(f"{loss.level}: {loss.reason}", []).append(one)

    def listed(by_text: dict[str, list[DetectionEntry]]) -> str:
        return bullets(
            f"{text(line)} <span class=where>{_links(ones, platform)}</span>"
            for line, ones in sorted(by_text.items(), key=lambda item: -len(item[1]))[:_MOST]
        )

    named = f"{code(platform)}: the pipeline of {code(f'sigma convert -p {platform}')}."
    return Page(
        title,
        f"What must be switched on on {title}, and what its queries lose.",
        joined(
            paragraph(named),
            section("To be switched on", "settings", listed(needed["settings"])),
            section("Licences", "licences", listed(needed["licences"])),
            section("Products that record the events", "sources", listed(needed["sources"])),
            paragraph(f"Of {silent} detections without a guide nobody has written down what they need.")
            if silent
            else "",
            section("What queries lose here", "losses", listed(losses)),
        ),
        words=f"{platform} settings licences to be switched on",
    )


_MOST = 60
"""Lines of a list on a platform's page: those that most detections share come first."""


def _links(ones: Sequence[DetectionEntry], platform: str) -> str:
    """Links to a few of the detections, and how many more there are."""
    few = [link(text(one.title), f"../../{one.platforms[platform].page or one.page}") for one in ones[:3]]
    rest = len(ones) - len(few)
    return ", ".join(few) + (f" and {rest} more" if rest else "")
