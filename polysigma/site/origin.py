"""The parts of a page about where a detection comes from: authors, what it claims of ATT&CK, what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.site.markup import bullets, code, codes, joined, link, outside, paragraph, section, table, text

if TYPE_CHECKING:
    from polysigma.site.sections import View

_FACTS = (
    ("Rule id", "id"),
    ("Status", "status"),
    ("Author", "author"),
    ("Date", "date"),
    ("Modified", "modified"),
    ("Licence", "license"),
)


def provenance(view: View) -> str:
    """Where the rule comes from, and what it claims of ATT&CK."""
    rule, guide = view.detection.rule, view.detection.guide
    facts = [f"{name}: {code(rule[key])}" for name, key in _FACTS if rule.get(key)]
    if guide is None:
        addresses = rule.get("references") if isinstance(rule.get("references"), list) else []
        techniques = view.detection.techniques
        return section(
            "Provenance",
            "provenance",
            bullets([*facts, f"ATT&amp;CK: {codes(techniques)}" if techniques else ""]),
            joined("<p>References:</p>", bullets(outside(str(one), str(one)) for one in addresses))
            if addresses
            else "",
        )
    return section(
        "Provenance",
        "provenance",
        bullets([*facts, f"Version: {code(guide.version)}"]),
        table(
            ("ATT&amp;CK", "Tactic", "Is", "Because"),
            ((code(one.id), text(one.tactic), kind, text(one.because)) for kind, one in guide.attack.claims),
        ),
        "<p>References:</p>",
        bullets(f"{outside(one.title, one.url)}: {text(one.gives)}" for one in guide.references),
    )


def provenance_in_short(view: View) -> str:
    """For a platform's page: the facts alone, and where the claims and references stand."""
    guide = view.detection.guide
    if guide is None:
        return ""
    facts = ", ".join(
        f"{name} {code(view.detection.rule[key])}" for name, key in _FACTS[:3] if view.detection.rule.get(key)
    )
    where = link("what it claims of ATT&amp;CK, references, changes", f"{view.up}#provenance")
    return section("Provenance", "provenance", paragraph(f"{facts}, version {code(guide.version)}; {where}."))


def changelog(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    return section(
        "Changelog",
        "changelog",
        bullets(
            f"{text(one.version)}, {one.date}: {' '.join(text(change) for change in one.changes)}"
            for one in guide.changelog
        ),
    )
