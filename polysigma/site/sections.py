"""The parts of a detection's page, in the order in which a responder needs them.

Each takes a view: the detection and, for the page of one platform, that platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from polysigma.fidelity import FidelityLevel
from polysigma.site.markup import (
    block,
    bullets,
    code,
    coded,
    codes,
    heading,
    joined,
    link,
    numbered,
    paragraph,
    said,
    section,
    table,
    text,
)
from polysigma.site.model import slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.guide.model import Question, Verdict
    from polysigma.site.model import Detection, OnPlatform

FIDELITY_WORDS = {
    FidelityLevel.EXACT: "Exact: on this platform the query finds what the rule says, no more and no less.",
    FidelityLevel.APPROXIMATE: "Approximate: the query finds what the rule says, but for this:",
    FidelityLevel.BLIND: "Blind: the platform's telemetry cannot show this reliably. No hit says nothing.",
    FidelityLevel.REFUSED: "Refused: there is no query for this platform.",
}


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows: a detection, on one platform or on all."""

    detection: Detection
    on: OnPlatform | None = None
    inside: bool = False
    """Whether the page lies in a folder below the detection's own."""

    @property
    def up(self) -> str:
        """From the page to the detection's folder."""
        return "../" if self.inside else ""


def verdict_first(view: View) -> str:
    """What fired, how bad it is, how sure, and where to look first: all that is needed without scrolling."""
    detection, on, guide = view.detection, view.on, view.detection.guide
    facts = [("Severity", guide.severity.level if guide else detection.level, "#why" if guide else "")]
    facts.append(("Confidence", guide.confidence.level if guide else "not stated", "#why" if guide else ""))
    if on is not None:
        facts.append(("On this platform", on.fidelity.value, "#query"))
    shown = "".join(
        f'<div><dt>{name}<dd data-is="{slug(value)}">{link(text(value), target) if target else text(value)}</div>'
        for name, value, target in facts
    )
    where = link("on every platform", "../") if on else "on every platform"
    if guide is None:
        told = [
            said("What fired.", text(detection.rule.get("description") or "The rule has no description.")),
            _NO_GUIDE,
        ]
    else:
        told = [said("What fired.", text(guide.meaning)), said("First look.", text(guide.first_look))]
    return joined(
        f"<p class=where>{code(detection.name)} {where}</p>",
        f"<div class=verdict>\n<dl>{shown}</dl>",
        *told,
        "</div>",
    )


_NO_GUIDE = (
    "<p class=warning>This detection has no guide: how sure a hit is, what to look at first and how to respond "
    "is written down nowhere.</p>"
)


def why(view: View) -> str:
    """What severity and confidence rest on, and what is peculiar to a hit on the platform."""
    guide = view.detection.guide
    if guide is None:
        return _rule_false_positives(view.detection)
    return section(
        "How bad, and how sure",
        "why",
        said(f"Severity: {text(guide.severity.level)}.", text(guide.severity.because)),
        said(f"Confidence: {text(guide.confidence.level)}.", text(guide.confidence.because)),
        _platform_notes(view),
        _caveats(view),
    )


def _rule_false_positives(detection: Detection) -> str:
    known = detection.rule.get("falsepositives")
    if not isinstance(known, list) or not known:
        return ""
    return section("False positives that the rule names", "false-positives", bullets(text(one) for one in known))


def _platform_notes(view: View) -> str:
    guide, on = view.detection.guide, view.on
    if guide is None or on is None or on.platform not in guide.platforms:
        return ""
    notes = guide.platforms[on.platform].notes
    return joined("<p><strong>On this platform:</strong></p>", bullets(map(text, notes))) if notes else ""


def _caveats(view: View) -> str:
    guide = view.detection.guide
    if guide is None or not guide.caveats:
        return ""
    return joined(heading(3, "To read the hit right", "caveats"), bullets(map(text, guide.caveats)))


def triage(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    return section("Triage", "triage", *(_question(view, number, one) for number, one in enumerate(guide.triage, 1)))


def _question(view: View, number: int, question: Question) -> str:
    return joined(
        heading(3, f"{number}. {text(question.ask)}", f"question-{number}"),
        paragraph(text(question.how)),
        paragraph(f"In the hit: {codes(question.alert)}") if question.alert else "",
        _focus(view, number, question),
        joined("<p>Elsewhere:</p>", bullets(map(text, question.elsewhere))) if question.elsewhere else "",
        "<ul class=answers>"
        f"<li><strong>Escalate when:</strong> {text(question.escalate_when)}\n"
        f"<li><strong>Lower only when:</strong> {text(question.lower_only_when)}\n"
        f"<li><strong>No answer?</strong> {text(question.hint)}\n</ul>",
    )


def _focus(view: View, number: int, question: Question) -> str:
    if view.on is None:
        answered = [
            link(text(one.label), f"{slug(one.platform)}/#question-{number}")
            for one in view.detection.on
            if question.focus.get(one.platform)
        ]
        return paragraph(f"Where to look, by platform: {', '.join(answered)}.") if answered else ""
    tables = question.focus.get(view.on.platform)
    if tables:
        where = bullets(f"{code(name)}: {codes(columns)}" for name, columns in tables.items())
        return joined("<p>Where to look:</p>", where)
    return "<p>This platform records nothing that answers it.</p>" if question.focus else ""


def fidelity(on: OnPlatform) -> str:
    """The fidelity in words, with each loss."""
    words = f"<p><strong>{FIDELITY_WORDS[on.fidelity]}</strong></p>"
    if on.refusal is not None:
        hint = f" {text(on.refusal.hint)}" if on.refusal.hint else ""
        return joined(words, bullets([f"{code(on.refusal.code)}: {text(on.refusal.message)}{hint}"]))
    mixed = len({loss.level for loss in on.losses}) > 1
    return joined(
        words,
        bullets(
            # The word stands before each loss where there are several kinds; else it has been said above.
            f"<strong>{loss.level.value}</strong>: {text(loss.reason)}" if mixed else text(loss.reason)
            for loss in on.losses
        ),
    )


def hit_fields(on: OnPlatform) -> str:
    """How the columns of a hit, as the rule calls them, are called on the platform."""
    outputs = on.compiled.plan.outputs if on.compiled else ()
    roles = {"key": "identifies the hit", "label": "names it for people", "value": "shown with it"}
    rows = ((code(one.canonical), codes(one.columns), roles[one.role]) for one in outputs)
    return table(("In the rule", "On this platform", "Role"), rows)


def tables_read(detection: Detection, on: OnPlatform) -> str:
    """The tables that the query reads and the columns that it reads there."""
    parts = []
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if guide:
        parts.append(bullets(f"{code(name)}: {text(what)}" for name, what in guide.tables.items()))
    elif on.compiled:
        names = sorted({source.table for source in on.compiled.plan.sources if source.table})
        parts.append(f"<p>Reads {codes(names)}.</p>" if names else "")
    if on.compiled:
        columns = sorted({column for source in on.compiled.plan.sources for column in source.types})
        parts.append(f"<p>Columns that the query reads: {codes(columns)}.</p>" if columns else "")
    if guide and guide.also:
        also = bullets(f"{code(name)}: {text(what)}" for name, what in guide.also.items())
        parts.append(joined("<p>For the triage, besides:</p>", also))
    return joined(*parts)


def needs(detection: Detection, on: OnPlatform) -> str:
    """What must be switched on and bought, and which products record it."""
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if guide is None:
        return ""
    return joined(
        said("Recorded by:", "; ".join(text(source) for source in guide.sources)),
        joined("<p><strong>To be switched on:</strong></p>", bullets(map(text, guide.settings))),
        said("Licences:", "; ".join(text(licence) for licence in guide.licences)),
    )


def how_it_works(view: View) -> str:
    guide = view.detection.guide
    return section("How the query works", "how", numbered(map(text, guide.query))) if guide else ""


def how_it_works_in_short(view: View) -> str:
    if view.detection.guide is None:
        return ""
    return section("How the query works", "how", paragraph(link("Step by step", f"{view.up}#how")))


def parameters(view: View, curves: Mapping[str, str] | None = None, before: str = "") -> str:
    """What a site may set: what each means, what each direction costs, advice, and its curve where one is given.

    `before` is said of the curves.
    """
    detection = view.detection
    found = detection.metadata.parameters if detection.metadata else {}
    if not found:
        return ""
    advice = {one.parameter: one.advice for one in detection.guide.tuning} if detection.guide else {}
    set_one = f"-O {quote(f'set={detection.name}.{next(iter(found))}=VALUE')}"
    parts = []
    for name, one in found.items():
        parts += [
            heading(3, f"{code(name)} = {coded(one.value)} {text(one.unit or '')}", f"parameter-{slug(name)}"),
            paragraph(text(one.about or "What it means is not said.")),
            bullets(
                [
                    f"<strong>Raised:</strong> {text(one.raise_ or 'not said')}",
                    f"<strong>Lowered:</strong> {text(one.lower or 'not said')}",
                    f"<strong>Advice:</strong> {text(advice[name])}" if name in advice else "",
                ]
            ),
            (curves or {}).get(name, ""),
        ]
    return section(
        "Parameters",
        "parameters",
        paragraph(f"One is set for a conversion with {code(set_one)} behind {code('sigma convert')}."),
        before,
        *parts,
    )


def parameters_in_short(view: View) -> str:
    """The parameters with their values and meaning, and where the rest stands."""
    found = view.detection.metadata.parameters if view.detection.metadata else {}
    if not found:
        return ""
    rows = (f"{code(name)} = {coded(one.value)}: {text(one.about or 'not said')}" for name, one in found.items())
    return section(
        "Parameters",
        "parameters",
        bullets(rows),
        paragraph(link("What raising and lowering each costs, and advice", f"{view.up}tuning/#parameters")),
    )


def blind_spots(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    rows = ((text(one.what), text(one.instead)) for one in guide.blind_spots)
    return section("Blind spots", "blind-spots", table(("Not seen", "What sees it, or would have to change"), rows))


def blind_spots_in_short(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    return section(
        "Blind spots",
        "blind-spots",
        bullets(text(one.what) for one in guide.blind_spots),
        paragraph(link("What sees each, or would have to change", f"{view.up}#blind-spots")),
    )


def response(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    return section(
        "Response",
        "response",
        "<p><strong>Save first</strong>, before anything is isolated or restarted:</p>",
        bullets(map(text, guide.response.evidence_first)),
        *(_verdict(one) for one in guide.response.verdicts),
    )


def _verdict(one: Verdict) -> str:
    rows = ((text(cut.action), text(cut.owner), text(cut.breaks)) for cut in one.containment)
    return joined(
        heading(3, one.verdict.capitalize(), f"verdict-{one.verdict}"),
        said("When:", text(one.when)),
        table(("Containment", "Who decides and acts", "What else stops working"), rows),
        joined("<p>Steps:</p>", numbered(map(text, one.steps))),
        joined("<p>To close the case:</p>", bullets(map(text, one.closing))),
    )


def related(view: View, known: Mapping[str, str]) -> str:
    """Other detections of the same story; `known` gives the folder of each that has a page."""
    guide = view.detection.guide
    if guide is None:
        return ""
    lines = []
    for one in guide.related:
        folder = known.get(one.detection)
        target = f"{view.up}../{folder.rpartition('/')[2]}/" if folder else ""
        lines.append(f"{link(code(one.detection), target) if target else code(one.detection)}: {text(one.how)}")
    return section("Related detections", "related", bullets(lines))


def command(line: str) -> str:
    return block(line, "console")
