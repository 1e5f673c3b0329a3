"""The parts of a page that hold text in a language: queries, commands, exclusions, tests, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from polysigma.guide import as_filter
from polysigma.site import sections
from polysigma.site.markup import (
    block,
    bullets,
    code,
    codes,
    joined,
    link,
    literal,
    outside,
    section,
    table,
    tabs,
    text,
)
from polysigma.site.model import LANGUAGE_NAMES, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.guide.model import AtomicTest, Hunt
    from polysigma.site.model import Detection, OnPlatform

SCENARIOS = "scenarios.yaml"


def query(on: OnPlatform) -> str:
    """The query as `sigma convert` prints it, and the line that does; the fidelity stands before it."""
    if on.compiled is None:
        return sections.fidelity(on)
    return joined(
        sections.fidelity(on),
        block(on.compiled.query, on.language),
        "This line prints it:",
        block(on.command, "console"),
    )


def queries(detection: Detection) -> str:
    """The query of every platform, in tabs."""
    return section(
        "Query",
        "query",
        tabs(
            (
                one.label,
                joined(
                    f"**{text(one.title)}**, {LANGUAGE_NAMES[one.target]}: "
                    + link("all about this detection there", f"{slug(one.platform)}.md"),
                    query(one),
                ),
            )
            for one in detection.on
        ),
    )


def fields(detection: Detection) -> str:
    """The fields and tables of every platform, in tabs."""
    return section(
        "Fields and tables",
        "fields",
        tabs(
            (one.label, joined(sections.tables_read(detection, one), sections.hit_fields(one))) for one in detection.on
        ),
    )


def coverage(detection: Detection, on: OnPlatform) -> str:
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if guide is None:
        return "No coverage query is written for this platform: an empty result must not be read as clean."
    return joined(block(guide.coverage.query, on.language), f"**How to read it:** {text(guide.coverage.reading)}")


def coverages(detection: Detection) -> str:
    return section(
        "Coverage: does no hit mean anything?",
        "coverage",
        tabs((one.label, joined(coverage(detection, one), sections.needs(detection, one))) for one in detection.on),
    )


def false_positives(detection: Detection, files: Mapping[str, str]) -> str:
    """What is ordinary, how it is recognised, and how each is kept out. `files` are the downloads of the page."""
    package = detection.package
    if package is None:
        return ""
    parts = []
    for index, one in enumerate(package.guide.false_positives):
        exclude = one.exclude
        parts.append(f"### {text(one.name)} {{ #false-positive-{index + 1} }}")
        parts.append(f"**Recognise it by:** {text(one.recognise)}" if one.recognise else "")
        name = exclusion_file(detection, index)
        if exclude.never:
            parts.append(f"**Not to be excluded:** {text(exclude.never)}")
        elif exclude.parameters is not None:
            values = (f"{code(name)}: {literal(value)}" for name, value in exclude.parameters.items())
            parts.append(joined("**Set instead:**", bullets(values)))
        elif name in files:
            where = link("Sigma filter", name.rpartition("/")[2])
            parts.append(f"**Exclude with this** {where}, given to `sigma convert` by `--filter`:")
            parts.append(block(files[name], "yaml"))
        parts.append(f"**Costs:** {text(exclude.costs)}" if exclude.costs else "")
    return section("False positives", "false-positives", *parts)


def exclusion_file(detection: Detection, index: int) -> str:
    return f"{detection.folder}/exclusion-{index + 1}.yml"


def downloads(detection: Detection) -> dict[str, str]:
    """The files of a detection: path in the site to content."""
    found = {f"{detection.folder}/{slug(detection.name)}.yml": detection.file.path.read_text(encoding="utf-8")}
    scenarios = detection.file.path.with_name(SCENARIOS)
    if scenarios.is_file():
        found[f"{detection.folder}/{SCENARIOS}"] = scenarios.read_text(encoding="utf-8")
    for one in detection.on:
        if one.compiled:
            found[query_file(detection, one)] = one.compiled.query
    if detection.package:
        for index in range(len(detection.package.guide.false_positives)):
            made = as_filter(detection.package, index)
            if made:
                found[exclusion_file(detection, index)] = yaml.safe_dump(made, sort_keys=False, allow_unicode=True)
    return found


def query_file(detection: Detection, on: OnPlatform) -> str:
    return f"{detection.folder}/{slug(detection.name)}.{slug(on.platform)}{on.suffix}"


def download_links(detection: Detection, files: Mapping[str, str], on: OnPlatform | None = None) -> str:
    """Links to the files of a page."""
    wanted = [one for one in detection.on if one.compiled and on in {None, one}]
    rule = f"{slug(detection.name)}.yml"
    return section(
        "Downloads",
        "downloads",
        bullets(
            [
                f"{link('The Sigma rule', rule)}, portable: tools that do not know its `polysigma` map pass over it",
                *(
                    f"{link(f'Query for {text(one.title)}', query_file(detection, one).rpartition('/')[2])}"
                    f" ({LANGUAGE_NAMES[one.target]})"
                    for one in wanted
                ),
                *(
                    f"{link('Scenarios', SCENARIOS)}: what must hit and what must not"
                    for path in files
                    if path == f"{detection.folder}/{SCENARIOS}"
                ),
            ]
        ),
    )


def hunts(detection: Detection, on: OnPlatform | None = None) -> str:
    guide = detection.guide
    if guide is None:
        return ""
    return section("Hunts", "hunts", *(_hunt(detection, number, one, on) for number, one in enumerate(guide.hunts, 1)))


def _hunt(detection: Detection, number: int, hunt: Hunt, on: OnPlatform | None) -> str:
    every = detection.hunts.get(hunt.file or "", ())
    if on is None:
        shown = block("\n".join(one.command for one in every if one.compiled), "console") if every else ""
    else:
        here = next((one for one in every if one.platform == on.platform), None)
        shown = query(here) if here else ""
    return joined(
        f"### {text(hunt.name)} {{ #hunt-{number} }}",
        text(hunt.ask),
        shown,
        f"It is the detection {code(hunt.detection)}." if hunt.detection else "",
        f"**In the result:** {text(hunt.reading)}",
    )


def atomic_tests(detection: Detection, on: OnPlatform | None = None) -> str:
    guide = detection.guide
    if guide is None:
        return ""
    shown = [one for one in guide.tests if on is None or on.platform in one.expected]
    parts = [_test(detection, number, one, on) for number, one in enumerate(shown, 1)]
    if not parts:
        return section("Tests", "tests", "No atomic test names the signal that this platform would record.")
    return section("Tests", "tests", *parts)


def _test(detection: Detection, number: int, test: AtomicTest, on: OnPlatform | None) -> str:
    titles = {one.platform: one.title for one in detection.on}
    rows = [
        (
            text(titles.get(platform, platform)),
            code(signal.table),
            ", ".join(f"{code(column)} = {literal(value)}" for column, value in signal.values.items())
            + (f" {text(signal.note)}" if signal.note else ""),
        )
        for platform, signal in test.expected.items()
        if on is None or platform == on.platform
    ]
    values = ", ".join(f"{code(name)} {text(value)}" for name, value in test.hit.items())
    return joined(
        f"### {text(test.technique)}: {text(test.name)} {{ #test-{number} }}",
        f"Atomic Red Team's test {code(test.guid)}; it is not in this repository." if test.guid else "",
        f"**Found by** {code(test.hits)}. **Takes:** {text(test.within)}",
        f"**In the hit:** {values}" if values else "",
        _commands(detection, test),
        table(("Platform", "Table or event", "Expected signal"), rows),
    )


def _commands(detection: Detection, test: AtomicTest) -> str:
    for file in detection.package.atomics if detection.package else ():
        if file.model.attack_technique != test.technique:
            continue
        for one in file.model.atomic_tests:
            if one.name == test.name:
                language = "powershell" if one.executor.name == "powershell" else "bash"
                arguments = [
                    f"{code(name)} ({text(what.description)}): {literal(what.default)}"
                    for name, what in one.input_arguments.items()
                ]
                return joined(
                    text(one.description),
                    f"Runs on {codes(one.supported_platforms)}"
                    + (", elevated." if one.executor.elevation_required else "."),
                    joined("Arguments, and what they are if not given:", bullets(arguments)) if arguments else "",
                    block(one.command(), language, "test"),
                    block(one.command(cleanup=True), language, "cleanup"),
                )
    return ""


def provenance(detection: Detection) -> str:
    """Where the rule comes from, what it claims of ATT&CK, and what changed."""
    rule = detection.rule
    guide = detection.guide
    facts = [
        f"{name}: {code(rule[key])}"
        for name, key in (
            ("Rule id", "id"),
            ("Status", "status"),
            ("Author", "author"),
            ("Date", "date"),
            ("Modified", "modified"),
        )
        if rule.get(key)
    ]
    if guide is None:
        addresses = rule.get("references") if isinstance(rule.get("references"), list) else []
        references = (
            joined("References:", bullets(outside(str(one), str(one)) for one in addresses)) if addresses else ""
        )
        techniques = f"ATT&amp;CK: {codes(detection.techniques)}." if detection.techniques else ""
        return section("Provenance", "provenance", bullets(facts), techniques, references)
    claims = [("subject", guide.attack.subject), *(("observed", one) for one in guide.attack.observed)]
    return joined(
        section(
            "Provenance",
            "provenance",
            bullets([*facts, f"Version: {code(guide.version)}"]),
            table(
                ("ATT&amp;CK", "Tactic", "Is", "Because"),
                ((code(one.id), text(one.tactic), kind, text(one.because)) for kind, one in claims),
            ),
            joined(
                "References:", bullets(f"{outside(one.title, one.url)}: {text(one.gives)}" for one in guide.references)
            ),
        ),
        section(
            "Changelog",
            "changelog",
            bullets(
                f"{text(one.version)}, {one.date}: {' '.join(text(change) for change in one.changes)}"
                for one in guide.changelog
            ),
        ),
    )
