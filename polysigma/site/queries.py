"""The parts of a page that hold queries, and the files to download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from polysigma.guide import as_filter
from polysigma.site import sections
from polysigma.site.markup import (
    LIMIT,
    block,
    bullets,
    code,
    coded,
    details,
    heading,
    joined,
    link,
    paragraph,
    said,
    section,
    tabs,
    text,
)
from polysigma.site.model import LANGUAGE_NAMES, slug
from polysigma.telemetry import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.site.model import Detection, OnPlatform
    from polysigma.site.sections import View


def query(on: OnPlatform, mark: str = "", *, plain: bool = False) -> str:
    """The query as `sigma convert` prints it, and the line that does."""
    if on.compiled is None:
        return ""
    return joined(block(on.compiled.query, on.language, runs_on(on), mark, plain=plain), line(on))


def runs_on(on: OnPlatform) -> str:
    """Where a query is run. Of a vendor's server we have none, and say so."""
    return "Runs on DuckDB" if on.target == "sql" else "Needs the vendor's server"


def line(on: OnPlatform) -> str:
    return "<p>This line prints it:</p>" + sections.command(on.command)


def query_of_the_page(view: View) -> tuple[str, ...]:
    """The query of the page's platform, with colours, without, and, for one that is longer than a page, by its name.

    What it loses stands before it.
    """
    on = view.on
    assert on is not None
    assert on.compiled is not None
    lost = sections.fidelity(on)
    count = f"The query has {len(on.compiled.query):,} characters, too many for this page"
    long = paragraph(
        f"{count}: it stands {link('on a page of its own', 'query/')}, and under {link('downloads', '#downloads')}."
        if fits_a_page(on)
        else f"{count}, and for any: it stands under {link('downloads', '#downloads')}, whole. "
        "A part of it would find something else."
    )
    return (
        section("Query", "query", lost, query(on, "the-query")),
        section("Query", "query", lost, query(on, "the-query", plain=True)),
        section("Query", "query", lost, f'<div id="the-query">{long}</div>', line(on)),
    )


def fits_a_page(on: OnPlatform) -> bool:
    """Whether the query alone, without colours, is short enough for a page."""
    return on.compiled is not None and len(block(on.compiled.query, on.language, plain=True).encode()) < LIMIT - 6_000


def fields_of_the_page(view: View) -> str:
    assert view.on is not None
    return section(
        "Fields and tables",
        "fields",
        sections.tables_read(view.detection, view.on),
        sections.hit_fields(view.on),
        coverage(view.detection, view.on) if view.detection.guide is None else "",
    )


def coverage_of_the_page(view: View) -> str:
    assert view.on is not None
    if view.detection.guide is None:
        return ""
    return section(
        "Coverage: does no hit mean anything?",
        "coverage",
        coverage(view.detection, view.on, "coverage-query"),
        sections.needs(view.detection, view.on),
    )


def coverage_in_short(view: View) -> str:
    """Without what must be switched on, which stands on the platform's page for all of its detections."""
    assert view.on is not None
    if view.detection.guide is None:
        return ""
    where = link("What must be switched on, and licences", f"{view.up}../../platforms/{slug(view.on.platform)}/")
    shown = coverage(view.detection, view.on, "coverage-query")
    return section("Coverage: does no hit mean anything?", "coverage", shown, paragraph(where))


def coverage(detection: Detection, on: OnPlatform, mark: str = "") -> str:
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if guide is None:
        return paragraph("No coverage query is written for this platform: an empty result does not mean clean.")
    return joined(
        block(guide.coverage.query, on.language, runs_on(on), mark),
        said("How to read it:", text(guide.coverage.reading)),
    )


def platforms(view: View, *, queries: bool, everything: bool) -> str:
    """Every platform in a tab: the query, what it loses, the line that prints it, what it reads, its coverage.

    Without `queries` the text of a query stands on the platform's own page alone, and is brought here when its tab is
    opened; without `everything` so does the coverage query, and the fields of a hit.
    """
    return section(
        "Queries, by platform",
        "platforms",
        tabs(
            "on",
            (
                (
                    slug(on.platform),
                    text(on.label),
                    _tab(view.detection, on, queries=queries, everything=everything),
                )
                for on in view.detection.on
            ),
        ),
    )


def _tab(detection: Detection, on: OnPlatform, *, queries: bool, everything: bool) -> str:
    if on.compiled is None:
        return sections.fidelity(on)
    page = f"{slug(on.platform)}/"
    guided = detection.guide is not None
    return joined(
        paragraph(link(f"The runbook for {text(on.title)}", page) + f" · {LANGUAGE_NAMES[on.target]}"),
        sections.fidelity(on),
        block(on.compiled.query, on.language, runs_on(on))
        if queries
        else _elsewhere(page, "the-query", "The query", on.compiled.query),
        line(on),
        sections.tables_read(detection, on) if everything or guided else "",
        details("What a hit holds", sections.hit_fields(on)) if everything else "",
        "<p><strong>Coverage: does no hit mean anything?</strong></p>" if guided else "",
        _coverage(detection, on, page, everything=everything) if guided else "",
    )


def _coverage(detection: Detection, on: OnPlatform, page: str, *, everything: bool) -> str:
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if everything or guide is None:
        return coverage(detection, on)
    return _elsewhere(page, "coverage-query", "The coverage query", guide.coverage.query)


def _elsewhere(page: str, mark: str, words: str, query: str) -> str:
    """Where a block of another page stands, whole; with script it stands here as soon as its tab is shown."""
    where_it_stands = f'<a href="{page}#{mark}">stands whole on the page of the platform</a>'
    return f"<p class=bring>{words}, {len(query):,} characters, {where_it_stands}.</p>"


def false_positives(view: View, files: Mapping[str, str | bytes]) -> str:
    """What is ordinary, how it is recognised, and how each is kept out. `files` are the downloads of the detection."""
    package = view.detection.package
    if package is None:
        return ""
    parts = []
    for index, one in enumerate(package.guide.false_positives):
        exclude = one.exclude
        parts.append(heading(3, text(one.name), f"false-positive-{index + 1}"))
        parts.append(said("Recognise it by:", text(one.recognise)))
        name = exclusion_file(view.detection, index)
        if exclude.never:
            parts.append(said("Not to be excluded:", text(exclude.never)))
        elif exclude.parameters is not None:
            values = ", ".join(f"{code(name)} = {coded(value)}" for name, value in exclude.parameters.items())
            parts.append(said("Set instead:", values))
        elif name in files:
            where = link("Sigma filter", view.up + name.rpartition("/")[2])
            parts.append(
                paragraph(
                    f"<strong>Exclude with this</strong> {where}, given to {code('sigma convert')} by "
                    f"{code('--filter')}:"
                )
            )
            parts.append(block(str(files[name]), "yaml"))
        parts.append(said("Costs:", text(exclude.costs or "")))
    return section("False positives", "false-positives", *parts)


def false_positives_in_short(view: View) -> str:
    """How each is recognised; how it is excluded stands on the page about tuning."""
    package = view.detection.package
    if package is None:
        return ""
    lines = [
        f"{link(text(one.name), f'{view.up}tuning/#false-positive-{number}')}"
        + (f": {text(one.recognise)}" if one.recognise else "")
        for number, one in enumerate(package.guide.false_positives, 1)
    ]
    return section(
        "False positives",
        "false-positives",
        bullets(lines),
        paragraph("How each is excluded, and what that costs, stands behind its link."),
    )


def exclusion_file(detection: Detection, index: int) -> str:
    return f"{detection.folder}/exclusion-{index + 1}.yml"


def downloads(detection: Detection) -> dict[str, str | bytes]:
    """The files of a detection: path in the site to content.

    The queries of a detection without a guide come in one archive: for thousands of them files cost more than text.
    """
    found: dict[str, str | bytes] = {rule_file(detection): detection.file.path.read_text(encoding="utf-8")}
    scenarios = detection.file.path.with_name(SCENARIOS)
    if scenarios.is_file():
        found[f"{detection.folder}/{SCENARIOS}"] = scenarios.read_text(encoding="utf-8")
    written = [(query_file(detection, one), one.compiled.query) for one in detection.on if one.compiled]
    if detection.package is None:
        if written:
            found[archive(detection)] = _packed(written)
    else:
        found |= dict(written)
        for index in range(len(detection.package.guide.false_positives)):
            made = as_filter(detection.package, index)
            if made:
                found[exclusion_file(detection, index)] = yaml.safe_dump(made, sort_keys=False, allow_unicode=True)
    return found


def rule_file(detection: Detection) -> str:
    return f"{detection.folder}/{slug(detection.name)}.yml"


def archive(detection: Detection) -> str:
    """The file that holds the queries of a detection without a guide."""
    return f"{detection.folder}/{slug(detection.name)}.queries.zip"


def _packed(files: list[tuple[str, str]]) -> bytes:
    """Files in one, the same to the byte for the same files."""
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as whole:
        for path, content in files:
            whole.writestr(zipfile.ZipInfo(path.rpartition("/")[2]), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def query_file(detection: Detection, on: OnPlatform) -> str:
    return f"{detection.folder}/{slug(detection.name)}.{slug(on.platform)}{on.suffix}"


def download_links(view: View, files: Mapping[str, str | bytes]) -> str:
    """Links to the files of a page; without a guide these stand on the page for all platforms."""
    detection = view.detection
    if view.on is not None and detection.guide is None:
        return f"<p id=downloads>{link('Downloads', f'{view.up}#downloads')}: the rule, and its queries.</p>"
    wanted = [one for one in detection.on if one.compiled and view.on in {None, one}]

    def to(path: str) -> str:
        return view.up + path.rpartition("/")[2]

    scenarios = f"{detection.folder}/{SCENARIOS}"
    return section(
        "Downloads",
        "downloads",
        bullets(
            [
                f"{link('The Sigma rule', to(rule_file(detection)))}, portable: tools that do not know its "
                f"{code('polysigma')} map pass over it"
                if detection.metadata
                else link("The Sigma rule", to(rule_file(detection))),
                *(
                    f"{link(f'Query for {text(one.title)}', to(query_file(detection, one)))}"
                    f" ({LANGUAGE_NAMES[one.target]})"
                    for one in wanted
                    if query_file(detection, one) in files
                ),
                link("The queries of every platform", to(archive(detection))) if archive(detection) in files else "",
                f"{link('Scenarios', to(scenarios))}: what must hit and what must not" if scenarios in files else "",
            ]
        ),
    )
