"""The page that shows why a detection may be believed: its scenario as a picture, and what running every query gave."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polysigma.site.evidence import evidence
from polysigma.site.markup import bullets, code, codes, heading, link, paragraph, section, table, text, worded
from polysigma.site.model import label, slug
from polysigma.telemetry import SCENARIOS, load_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.site.model import Detection
    from polysigma.site.sections import View
    from polysigma.telemetry import Scenario

NOT_MEASURED = "It was not run for these rules when this site was made: <code>make site</code> does so."


def has_scenarios(detection: Detection) -> bool:
    return detection.file.path.with_name(SCENARIOS).is_file()


def measured(detection: Detection) -> dict[str, Any] | None:
    """What was measured of the detection, if it was."""
    path = detection.file.path
    return evidence(path.parent.name, path) if has_scenarios(detection) else None


def _verdicts(detection: Detection) -> list[dict[str, Any]]:
    found = measured(detection)
    every = found["proof"]["verdicts"] if found else []
    return [one for one in every if one["rule"] == detection.name]


def in_short(view: View) -> str:
    """The result, for the pages that a responder reads, and where the rest stands."""
    detection = view.detection
    if not has_scenarios(detection):
        return ""
    shown = [one for one in _verdicts(detection) if view.on is None or one["platform"] == view.on.platform]
    lines = [_line(detection, one) for one in shown]
    return section(
        "Proof",
        "proof",
        bullets(lines) if lines else paragraph(f"The queries are run on scenarios. {NOT_MEASURED}"),
        paragraph(link("Every scenario, what it must give and what each query gave", f"{view.up}proof/")),
    )


def _line(detection: Detection, verdict: dict[str, Any]) -> str:
    titles = {one.platform: one.title for one in detection.on}
    runs = verdict["scenarios"]
    good = sum(not one["differences"] for one in runs)
    ran = f", {good} of {len(runs)} scenarios as declared" if runs else ", nothing was run"
    engine = f", by {text(verdict['engine'])}" if verdict["engine"] else ""
    word = f'<span data-is="{slug(verdict["verdict"])}">{text(verdict["verdict"])}</span>'
    return f"{text(titles.get(verdict['platform'], verdict['platform']))}: {word}{ran}{engine}"


def result(detection: Detection) -> str:
    """For each platform what the proof says, and what it rests on."""
    verdicts = _verdicts(detection)
    if not verdicts:
        return section("Result", "result", paragraph(NOT_MEASURED))
    names = {name for one in verdicts for name in one["assumptions"]}
    parts = [
        paragraph(
            "Every query was run on every scenario, rendered as its platform would hold it. What it found was held "
            "against what the scenario expects, against a naive evaluation of the rule on the same rows, and against "
            "what the other platforms found."
        ),
        bullets(_line(detection, one) for one in verdicts),
    ]
    for one in verdicts:
        lines = [
            text(reason["text"]) + (f" (shown by {codes(reason['shown_by'])})" if reason["shown_by"] else "")
            for reason in one["reasons"]
        ]
        lines += [f"<strong>difference:</strong> {text(found['message'])}" for found in one["differences"][:10]]
        if lines:
            parts.append(heading(3, f"{text(one['platform'])}: what is lost", f"lost-{slug(one['platform'])}"))
            parts.append(bullets(lines))
    if names:
        parts.append(heading(3, "What is taken for granted", "assumptions"))
        known = f"Of vendors' engines, none of which was at hand: {codes(sorted(names))}. "
        parts.append(paragraph(known + link("What each says", "../../../reference/assumptions/") + "."))
    return section("Result", "result", *parts)


def scenarios(detection: Detection) -> str:
    """Every scenario: what it is, what it must give, and how many hits each platform's query gave."""
    path = detection.file.path.with_name(SCENARIOS)
    ran: dict[str, dict[str, str]] = {}
    for verdict in _verdicts(detection):
        for case in verdict["scenarios"]:
            shown = f"{case['hits']}{' !' if case['differences'] else ''}"
            ran.setdefault(case["name"], {})[verdict["platform"]] = shown
    rows = (
        (code(one.name), worded(one.about or ""), _expects(one), _given(ran.get(one.name, {})))
        for one in load_scenarios(path)
    )
    head = ("Scenario", "About", "Must give", "Hits, by platform" if ran else "Given")
    return section(
        "Scenarios",
        "scenarios",
        paragraph(link(SCENARIOS, f"../{SCENARIOS}") + " holds them as they are run."),
        table(head, rows),
    )


def _expects(one: Scenario) -> str:
    parts = [f"{len(one.hit)} {'hit' if len(one.hit) == 1 else 'hits'}" if one.hit else "no hit"]
    if one.miss and one.hit:
        parts.append(f"{len(one.miss)} that must not be")
    if one.other_hits:
        parts.append("others may be")
    return ", ".join(parts)


def _given(by_platform: dict[str, str]) -> str:
    """The numbers, those that are the same together."""
    if not by_platform:
        return "not run"
    groups: dict[str, list[str]] = {}
    for platform, count in by_platform.items():
        groups.setdefault(count, []).append(label(platform))
    if len(groups) == 1:
        (count,) = groups
        return f"{text(count)} on each of {len(by_platform)}"
    return "; ".join(f"{text(count)} on {text(', '.join(names))}" for count, names in groups.items())


# The theme has the pictures' style: a page may hold none of its own.
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


_ON_SCENARIOS = (
    "The pictures were measured on the detection's own scenarios, each parameter alone. They show at which value hits "
    "begin to be missed or ordinary traffic begins to be found, not how many alerts a network has."
)


def of_curves(detection: Detection) -> str:
    """What is to be said of the curves, or of there being none."""
    if measured(detection):
        return paragraph(_ON_SCENARIOS)
    if has_scenarios(detection):
        return paragraph(f"How many hits each value costs or brings is no guess. {NOT_MEASURED}")
    return paragraph("How many hits each value costs or brings was not measured: there are no scenarios for it.")


def curves(detection: Detection) -> dict[str, str]:
    """By parameter: how many alerts each of its values raises on the scenarios, how many of the known hits it finds."""
    return _curves(detection, lambda one: f"<div class=wide tabindex=0>{_STYLE.sub('', one['svg'])}</div>")


def curves_as_tables(detection: Detection) -> dict[str, str]:
    """The same in numbers alone, for a page that pictures would make too long."""
    return _curves(detection, _numbers)


def _curves(detection: Detection, shown: Callable[[dict[str, Any]], str]) -> dict[str, str]:
    found = measured(detection)
    return {one["parameter"]: shown(one) for one in found["curves"]} if found else {}


def _numbers(curve: dict[str, Any]) -> str:
    rows = (
        (
            text(point["label"]) + (" (now)" if point["default"] else ""),
            text(point["alerts"]),
            f"{point['found']} of {curve['known']}" if point["found"] is not None else "",
        )
        for point in curve["points"]
    )
    return table(("Value", "Alerts", "Known hits found"), rows)
