"""What of ATT&CK the detections are about and what they see: a picture, a page for each technique, a Navigator layer.

A guide tells the *subject* of a detection (what the adversary does) from what is *observed* (what the sensor records of
it). Where there is no guide, a rule's tags do not say which it is.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING

from polysigma import attack
from polysigma.site.markup import Page, bullets, heading, joined, link, outside, paragraph, section, text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from polysigma.site.catalogue import DetectionEntry

CLAIMS = ("subject", "observed", "tagged")
_MEANING = {
    "subject": "what the adversary does that the detection is about, be it out of the sensor's sight",
    "observed": "what the sensor records of it",
    "tagged": "named by the rule, which has no guide that says more",
}
_COLOURS = {"observed": "#1f6fc4", "subject": "#b06a00", "tagged": "#6b7280"}
_MOST = 150
"""Detections that a technique's page lists; the search has all."""


@dataclass(slots=True)
class Covered:
    """A technique with the detections that name it, by what they claim of it."""

    id: str
    by: dict[str, list[DetectionEntry]] = field(default_factory=dict)
    below: dict[str, Covered] = field(default_factory=dict)
    """Its sub-techniques."""

    @property
    def claims(self) -> Counter[str]:
        own = Counter({claim: len(ones) for claim, ones in self.by.items()})
        return sum((one.claims for one in self.below.values()), own)

    @property
    def name(self) -> str:
        known = attack.technique(self.id)
        return known.name if known else "not in ATT&CK"


def _main(claims: Collection[str]) -> str:
    """The claim that says most, in whose colour a technique is shown."""
    return next((claim for claim in _COLOURS if claim in claims), "tagged")


def covered(entries: Sequence[DetectionEntry]) -> dict[str, Covered]:
    """The techniques that detections name, sub-techniques below theirs."""
    found: dict[str, Covered] = {}
    for one in entries:
        for claim in one.attack:
            parent = claim.id.partition(".")[0]
            above = found.setdefault(parent, Covered(parent))
            there = above if claim.id == parent else above.below.setdefault(claim.id, Covered(claim.id))
            ones = there.by.setdefault(claim.claim, [])
            if one not in ones[-1:]:
                ones.append(one)
    return dict(sorted(found.items()))


def attack_pages(entries: Sequence[DetectionEntry]) -> dict[str, Page]:
    """The picture, and a page for each technique that is named, with its sub-techniques."""
    found = covered(entries)
    pages = {f"attack/{one.id}/index.html": _technique(one) for one in found.values()}
    pages["attack/index.html"] = Page(
        "ATT&CK",
        "Which techniques of MITRE ATT&CK the detections are about, and which they see.",
        joined(
            paragraph(
                f"{len(found)} techniques of ATT&amp;CK {text(attack.version())}, with the number of detections that "
                "name each or one of its sub-techniques. A technique stands under each of its tactics."
            ),
            bullets(f"<strong>{claim}</strong>: {meaning}" for claim, meaning in _MEANING.items()),
            picture(found),
            paragraph(
                f"{link('navigator.json', '../navigator.json')} is the same as a layer for the "
                f"{outside('ATT&CK Navigator', 'https://mitre-attack.github.io/attack-navigator/')}. "
                "ATT&amp;CK® is a registered trademark of The MITRE Corporation."
            ),
        ),
        words="MITRE coverage tactics techniques Navigator layer",
    )
    return pages


def _technique(one: Covered) -> Page:
    known = attack.technique(one.id)
    title = f"{one.id} {one.name}"
    tactics = [attack.tactics()[key].name for key in known.tactics if key in attack.tactics()] if known else []
    return Page(
        title,
        f"The detections that name {title}.",
        joined(
            paragraph(text(", ".join(tactics)) + "." if tactics else "")
            + paragraph(outside("On attack.mitre.org", known.url) if known else ""),
            section("The technique itself", "itself", _listed(one)),
            *(
                section(f"{text(sub.id)} {text(sub.name)}", sub.id.replace(".", "-"), _listed(sub))
                for sub in dict(sorted(one.below.items())).values()
            ),
        ),
        words=" ".join(f"{sub.id} {sub.name}" for sub in one.below.values()),
        kind="technique",
    )


def _listed(one: Covered) -> str:
    parts = []
    for claim in CLAIMS:
        ones = one.by.get(claim, [])
        if not ones:
            continue
        few = bullets(link(text(entry.title), f"../../{entry.page}") for entry in ones[:_MOST])
        rest = len(ones) - _MOST
        anchor = f"{claim}-{one.id.replace('.', '-')}"
        parts.append(joined(heading(3, f"{claim.capitalize()}: {len(ones)}", anchor), few))
        if rest > 0:
            parts.append(paragraph(link(f"and {rest} more", f"../../detections/?technique={one.id}")))
    return joined(*parts)


_WIDTH, _HEIGHT, _GAP, _HEAD = 152, 48, 6, 26
_LETTERS = 23
"""In a line of a cell, which has two for the technique's name."""
_IN_A_ROW = 5
"""Tactics beside each other: as wide as the text, so that the picture can be read without scrolling sideways."""


def picture(found: dict[str, Covered]) -> str:
    """The matrix as SVG: a column for each tactic that has something, a cell for each technique, linked to its page.

    A cell says in words what is claimed of its technique, so that colour is not needed to read it.
    """
    columns: dict[str, list[Covered]] = {}
    for one in found.values():
        known = attack.technique(one.id)
        for tactic in known.tactics if known else ():
            columns.setdefault(tactic, []).append(one)
    order = [key for key in _ORDER if key in columns] + [key for key in columns if key not in _ORDER]
    if not order:
        return ""
    parts, top = [], 0
    for start in range(0, len(order), _IN_A_ROW):
        row = order[start : start + _IN_A_ROW]
        for number, key in enumerate(row):
            left = number * (_WIDTH + _GAP) + 1
            parts.append(_column(key, columns[key], left, top))
        top += _HEAD + max(len(columns[key]) for key in row) * (_HEIGHT + _GAP) + 14
    width = min(len(order), _IN_A_ROW) * (_WIDTH + _GAP) - _GAP + 2
    return (
        f'<div class=wide tabindex=0><svg class=matrix role=group aria-label="Techniques by tactic" width={width} '
        f'height={top} viewBox="0 0 {width} {top}">{"".join(parts)}</svg></div>'
    )


def _column(key: str, ones: list[Covered], left: int, top: int) -> str:
    tactic = attack.tactics().get(key)
    heading_of = text(tactic.name if tactic else key)
    cells = [f"<text x={left} y={top + 18} class=tactic>{heading_of}</text>"]
    for number, one in enumerate(ones):
        y = top + _HEAD + number * (_HEIGHT + _GAP)
        claims = one.claims
        main = _main(claims)
        said = ", ".join(f"{claims[claim]} {claim}" for claim in CLAIMS if claims[claim])
        name = wrap(one.name, _LETTERS, max_lines=2, placeholder="…")
        lines = "".join(
            f"<text x={left + 5} y={y + 14 + 13 * line}>{text(words)}</text>" for line, words in enumerate(name)
        )
        cells.append(
            f'<a href="{one.id}/" aria-label="{text(one.id)} {text(one.name)}: {said}">'
            f"<rect x={left} y={y} width={_WIDTH} height={_HEIGHT} class={main} />"
            f"{lines}<text x={left + 5} y={y + 16 + 13 * len(name)} class=said>{said}</text></a>"
        )
    return "".join(cells)


_ORDER = (
    "reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation",
    "stealth", "defense-impairment", "credential-access", "discovery", "lateral-movement", "collection",
    "command-and-control", "exfiltration", "impact",
)  # fmt: skip
"""As ATT&CK lists its tactics: in the order in which an intrusion goes on."""


def attack_files(entries: Sequence[DetectionEntry]) -> dict[str, str]:
    """The Navigator layer, format 4.5 (github.com/mitre-attack/attack-navigator, layers/spec/v4.5)."""
    techniques = []
    for above in covered(entries).values():
        for one in (above, *above.below.values()):
            if not one.by:
                continue
            names = {claim: sorted(entry.name for entry in ones) for claim, ones in one.by.items()}
            techniques.append(
                {
                    "techniqueID": one.id,
                    "score": sum(len(ones) for ones in one.by.values()),
                    "color": _COLOURS[_main(one.by)],
                    "comment": "; ".join(
                        f"{claim}: {', '.join(ones[:20])}" + (f" and {len(ones) - 20} more" if len(ones) > 20 else "")
                        for claim, ones in names.items()
                    ),
                    "showSubtechniques": True,
                }
            )
    layer = {
        "name": "Polysigma",
        "versions": {"attack": attack.version(), "navigator": "5.1.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "What the detections are about (subject), what they see of it (observed), and what rules "
        "without a guide are tagged with. The score is the number of detections.",
        "techniques": sorted(techniques, key=lambda one: str(one["techniqueID"])),
        "legendItems": [{"label": claim, "color": colour} for claim, colour in _COLOURS.items()],
        "hideDisabled": False,
    }
    return {"navigator.json": json.dumps(layer, indent=1) + "\n"}
