"""The parts of a detection's page, in the order in which a responder needs them.

Each takes the detection and, for the page of one platform, that platform; without one it speaks of all, in tabs that
are switched together.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from polysigma.platform import FidelityLevel
from polysigma.site.markup import bullets, code, codes, joined, link, numbered, section, table, tabs, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.guide.model import Guide, Question, Verdict
    from polysigma.site.model import Detection, OnPlatform

FIDELITY_WORDS = {
    FidelityLevel.EXACT: "Exact: on this platform the query finds what the rule says, no more and no less.",
    FidelityLevel.APPROXIMATE: "Approximate: the query finds what the rule says, but for this:",
    FidelityLevel.BLIND: "Blind: the platform's telemetry cannot show this reliably. No hit says nothing.",
    FidelityLevel.REFUSED: "Refused: there is no query for this platform.",
}


def verdict_first(detection: Detection, on: OnPlatform | None = None) -> str:
    """What fired, how bad it is, how sure, and where to look first: all that is needed without scrolling."""
    guide = detection.guide
    if guide is None:
        return joined(
            '!!! warning "No guide yet"',
            "    This detection has no guide (`guide.yaml`): nobody has written down how sure a hit is, what to look "
            "at first, how to respond, what is excluded, which tests there are. The rule alone says this:",
            f"**What fired.** {text(detection.rule.get('description') or 'The rule has no description.')}",
            f"**Severity: {text(detection.level)}.** No reason is given.",
            _rule_false_positives(detection),
        )
    return joined(
        _in_short(guide, on),
        f"**What fired.** {text(guide.meaning)}",
        f"**First look.** {text(guide.first_look)}",
        f"**Severity: {text(guide.severity.level)}.** {text(guide.severity.because)}",
        f"**Confidence: {text(guide.confidence.level)}.** {text(guide.confidence.because)}",
        _platform_notes(detection, on),
    )


def _in_short(guide: Guide, on: OnPlatform | None) -> str:
    words = [f"Severity **{guide.severity.level}**", f"confidence **{guide.confidence.level}**"]
    if on is not None:
        words.append(f"fidelity on this platform {link(f'**{on.fidelity.value}**', '#query')}")
    return " · ".join(words)


def _rule_false_positives(detection: Detection) -> str:
    known = detection.rule.get("falsepositives")
    if not isinstance(known, list) or not known:
        return ""
    return joined("**False positives that the rule names:**", bullets(text(one) for one in known))


def _platform_notes(detection: Detection, on: OnPlatform | None) -> str:
    guide = detection.guide
    if guide is None or on is None or on.platform not in guide.platforms:
        return ""
    notes = guide.platforms[on.platform].notes
    return joined("**On this platform.**", bullets(text(note) for note in notes)) if notes else ""


def triage(detection: Detection, on: OnPlatform | None = None) -> str:
    guide = detection.guide
    if guide is None:
        return ""
    caveats = joined("### To read the hit right { #caveats }", bullets(text(caveat) for caveat in guide.caveats))
    questions = [_question(detection, number, one, on) for number, one in enumerate(guide.triage, 1)]
    return section("Triage", "triage", *questions, caveats if guide.caveats else "")


def _question(detection: Detection, number: int, question: Question, on: OnPlatform | None) -> str:
    return joined(
        f"### {number}. {text(question.ask)} {{ #question-{number} }}",
        text(question.how),
        f"In the hit: {codes(question.alert)}" if question.alert else "",
        _focus(detection, question, on),
        joined("Elsewhere:", bullets(text(one) for one in question.elsewhere)) if question.elsewhere else "",
        f"**Escalate when:** {text(question.escalate_when)}",
        f"**Lower only when:** {text(question.lower_only_when)}",
        f"**No answer?** {text(question.hint)}",
    )


def _focus(detection: Detection, question: Question, on: OnPlatform | None) -> str:
    wanted = [one for one in detection.on if on is None or one.platform == on.platform]
    found = []
    for one in wanted:
        tables = question.focus.get(one.platform)
        if tables:
            found.append((one.label, bullets(f"{code(name)}: {codes(columns)}" for name, columns in tables.items())))
    if on is None:
        return tabs(found)
    if question.focus and not found:
        return "This platform records nothing that answers it."
    return joined("Where to look:", found[0][1]) if found else ""


def fidelity(on: OnPlatform) -> str:
    """The fidelity in words, with each loss."""
    if on.refusal is not None:
        hint = f" {text(on.refusal.hint)}" if on.refusal.hint else ""
        return joined(
            FIDELITY_WORDS[FidelityLevel.REFUSED],
            bullets([f"{code(on.refusal.code)}: {text(on.refusal.message)}{hint}"]),
        )
    mixed = len({loss.level for loss in on.losses}) > 1
    return joined(
        FIDELITY_WORDS[on.fidelity],
        bullets(
            # The word stands before each loss where there are several kinds; else it has been said above.
            f"**{loss.level.value}**: {text(loss.reason)}" if mixed else text(loss.reason)
            for loss in on.losses
        ),
    )


def hit_fields(on: OnPlatform) -> str:
    """How the columns of a hit, as the rule calls them, are called on the platform."""
    outputs = on.compiled.plan.outputs if on.compiled else ()
    if not outputs:
        return ""
    roles = {"key": "identifies the hit", "label": "names it for people", "value": "shown with it"}
    return table(
        ("In the rule", "On this platform", "Role"),
        ((code(one.canonical), codes(one.columns), roles[one.role]) for one in outputs),
    )


def tables_read(detection: Detection, on: OnPlatform) -> str:
    """The tables that the query reads and the columns that it reads there."""
    parts = []
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if guide:
        parts.append(bullets(f"{code(name)}: {text(what)}" for name, what in guide.tables.items()))
    elif on.compiled:
        names = sorted({source.table for source in on.compiled.plan.sources if source.table})
        parts.append(f"Reads {codes(names)}." if names else "")
    if on.compiled:
        columns = sorted({column for source in on.compiled.plan.sources for column in source.types})
        parts.append(f"Columns that the query reads: {codes(columns)}." if columns else "")
    if guide and guide.also:
        also = bullets(f"{code(name)}: {text(what)}" for name, what in guide.also.items())
        parts.append(joined("For the triage, besides:", also))
    return joined(*parts)


def needs(detection: Detection, on: OnPlatform) -> str:
    """What must be switched on and bought, and which products record it."""
    guide = detection.guide.platforms.get(on.platform) if detection.guide else None
    if guide is None:
        return ""
    return joined(
        f"**Recorded by:** {'; '.join(text(source) for source in guide.sources)}.",
        joined("**To be switched on:**", bullets(text(setting) for setting in guide.settings)),
        f"**Licences:** {'; '.join(text(licence) for licence in guide.licences)}.",
    )


def how_it_works(detection: Detection) -> str:
    guide = detection.guide
    return section("How the query works", "how", numbered(text(step) for step in guide.query)) if guide else ""


def parameters(detection: Detection) -> str:
    """What a site may set, what it means and what each direction costs."""
    found = detection.metadata.parameters if detection.metadata else {}
    if not found:
        return ""
    advice = {one.parameter: one.advice for one in detection.guide.tuning} if detection.guide else {}
    rows = [
        (
            code(name),
            f"{codes(one.value) if isinstance(one.value, list | tuple) else code(one.value)} {text(one.unit or '')}",
            text(one.about or "not said"),
            text(one.raise_ or "not said"),
            text(one.lower or "not said"),
        )
        for name, one in found.items()
    ]
    set_one = f"-O {quote(f'set={detection.name}.{next(iter(found))}=VALUE')}"
    return section(
        "Parameters",
        "parameters",
        table(("Parameter", "Value", "Meaning", "Raised", "Lowered"), rows),
        f"One is set for a conversion with {code(set_one)} behind `sigma convert`.",
        joined("Advice:", bullets(f"{code(name)}: {text(words)}" for name, words in advice.items())) if advice else "",
    )


def blind_spots(detection: Detection) -> str:
    guide = detection.guide
    if guide is None:
        return ""
    rows = ((text(one.what), text(one.instead)) for one in guide.blind_spots)
    return section("Blind spots", "blind-spots", table(("Not seen", "What sees it, or would have to change"), rows))


def response(detection: Detection) -> str:
    guide = detection.guide
    if guide is None:
        return ""
    return section(
        "Response",
        "response",
        joined(
            "**Save first**, before anything is isolated or restarted:",
            bullets(map(text, guide.response.evidence_first)),
        ),
        *(_verdict(one) for one in guide.response.verdicts),
    )


def _verdict(one: Verdict) -> str:
    rows = ((text(cut.action), text(cut.owner), text(cut.breaks)) for cut in one.containment)
    return joined(
        f"### {one.verdict.capitalize()} {{ #verdict-{one.verdict} }}",
        f"**When:** {text(one.when)}",
        table(("Containment", "Who decides and acts", "What else stops working"), rows),
        joined("Steps:", numbered(text(step) for step in one.steps)),
        joined("To close the case:", bullets(text(condition) for condition in one.closing)),
    )


def related(detection: Detection, known: Mapping[str, str]) -> str:
    """Other detections of the same story; `known` gives the folder of each that has a page."""
    guide = detection.guide
    if guide is None:
        return ""
    lines = []
    for one in guide.related:
        folder = known.get(one.detection)
        name = link(text(one.detection), f"../{folder.rpartition('/')[2]}/index.md") if folder else code(one.detection)
        lines.append(f"{name}: {text(one.how)}")
    return section("Related detections", "related", bullets(lines))
