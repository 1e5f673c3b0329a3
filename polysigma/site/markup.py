"""HTML that says what it was given and nothing else: text of rules cannot become markup, links or script.

Whatever comes from a rule, a guide or a scenario goes through `text` (or `attribute`, `code`, `block`), which leaves no
mark of HTML in it. Every other function takes HTML and puts it together.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polysigma.site.colours import coloured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT = 60_000
"""The most bytes of HTML that a page has, with what stands around it on every page."""

_HIDDEN = re.compile(r"[^\S ]|[^ -~]")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site without what stands around it on every page: head, navigation, foot."""

    title: str
    description: str
    body: str
    words: str = ""
    """What a search finds it by, besides its title; empty for a page that only repeats another."""
    kind: str = "page"
    """What the search calls it."""


def text(value: object) -> str:
    """A text as HTML that shows exactly it, with its blanks put together."""
    return _HIDDEN.sub(_visible, html.escape(" ".join(str(value).split())))


def _visible(match: re.Match[str]) -> str:
    """Marks that reverse the direction, and controls, would make a page show other than what stands in the rule."""
    character = match[0]
    return f"(U+{ord(character):04X})" if unicodedata.category(character).startswith("C") else character


def code(value: object) -> str:
    """A name or value within a line."""
    return f"<code>{text(value)}</code>"


def worded(words: str) -> str:
    """The words of a docstring, with what stands between backticks as code."""
    pieces = " ".join(words.split()).split("`")
    return "".join(code(piece) if number % 2 else _within(piece) for number, piece in enumerate(pieces))


def _within(piece: str) -> str:
    """A piece of a line, with the blanks at its ends."""
    before = " " if piece.startswith(" ") else ""
    return before + text(piece) + (" " if piece.endswith(" ") and piece.strip() else "")


def codes(values: Iterable[object]) -> str:
    return ", ".join(code(value) for value in values)


_MOST = 40
"""Values of a list that are shown: a rule can have thousands."""


def coded(value: object) -> str:
    """A value as code, or each of a list; of a long one the first, and how many more there are."""
    if not isinstance(value, list | tuple):
        return code(value)
    more = f" and {len(value) - _MOST:,} more, which the rule has" if len(value) > _MOST else ""
    return codes(value[:_MOST]) + more


def link(words: str, target: str) -> str:
    """A link inside the site; `words` is HTML already."""
    return f'<a href="{html.escape(target)}">{words}</a>'


def outside(words: object, address: str) -> str:
    """A link to another site; only an address of the web becomes one."""
    if not address.startswith(("https://", "http://")):
        return text(address if words == address else f"{words} ({address})")
    return f'<a href="{text(address)}" rel="noopener noreferrer external">{text(words)}</a>'


_CONTROLS = "This text holds control characters that a page cannot show; take it from the downloads."
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TURNED = "The text below holds marks that turn its direction around: it may not read as it stands in the rule."


def block(content: str, language: str, label: str = "", mark: str = "", *, plain: bool = False) -> str:
    """A block of code, to be copied. `content` stands in it unchanged; where that cannot be, a sentence says so.

    `mark` is the block's id; one that is `plain` has no colours, which take as much room as the text.
    """
    identity = f' id="{mark}"' if mark else ""
    if any(unicodedata.category(character) == "Cc" and character not in "\n\t" for character in content):
        return f"<p{identity}><em>{_CONTROLS}</em></p>"
    title = f"<p class=label>{text(label)}</p>" if label else ""
    if _TURNING.search(content):
        title = f"<p class=warning>{_TURNED}</p>{title}"
    content = content.rstrip("\n")
    shown = html.escape(content, quote=False) if plain else coloured(content, language)
    return f"{title}<pre{identity} data-language={language}><code>{shown}</code></pre>"


def paragraph(*pieces: str) -> str:
    """Pieces of a line as one paragraph; nothing where there are none."""
    line = " ".join(piece for piece in pieces if piece)
    return f"<p>{line}</p>" if line else ""


def said(words: str, what: str) -> str:
    """A paragraph that begins with what it is about."""
    return f"<p><strong>{words}</strong> {what}</p>" if what else ""


def tabs(group: str, items: Iterable[tuple[str, str, str]]) -> str:
    """Parts of which one is shown at a time: key, label, HTML of each. Those of one key are switched together.

    Without script, and in print, they stand below each other with their labels as headings.
    """
    parts = [
        f'<section data-tab="{key}" id="{group}-{key}"><h3>{label}</h3>\n{content}\n</section>'
        for key, label, content in items
    ]
    return f'<div class=tabs data-group="{group}">\n{joined(*parts)}\n</div>' if parts else ""


def bullets(items: Iterable[str]) -> str:
    found = "".join(f"<li>{item}\n" for item in items if item)
    return f"<ul>\n{found}</ul>" if found else ""


def numbered(items: Iterable[str]) -> str:
    found = "".join(f"<li>{item}\n" for item in items if item)
    return f"<ol>\n{found}</ol>" if found else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table with its header, or nothing where it has no rows; every cell is HTML already."""
    lines = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) + "\n" for row in rows)
    if not lines:
        return ""
    heads = "".join(f"<th scope=col>{cell}" for cell in head)
    title = f"<caption>{caption}</caption>" if caption else ""
    return f"<div class=wide tabindex=0><table>{title}<thead><tr>{heads}<tbody>\n{lines}</table></div>"


def details(summary: str, *parts: str) -> str:
    """A part that is folded away until it is asked for."""
    body = joined(*parts)
    return f"<details><summary>{summary}</summary>\n{body}\n</details>" if body else ""


def joined(*parts: str) -> str:
    """Parts below each other, empty ones left out."""
    return "\n".join(part for part in parts if part)


def heading(level: int, words: str, anchor: str) -> str:
    return f'<h{level} id="{anchor}">{words}</h{level}>'


def section(title: str, anchor: str, *parts: str) -> str:
    """A part of a page under its heading, or nothing where nothing is to be said."""
    body = joined(*parts)
    return f'<section id="{anchor}">\n<h2>{title}</h2>\n{body}\n</section>' if body else ""


_SHORT = 6_000
"""A page of fewer letters needs no contents."""
_SECTION = re.compile(r'<section id="([\w-]+)">\n<h2>(.*?)</h2>')


def contents(body: str) -> str:
    """Links to the sections of a page."""
    found = _SECTION.findall(body)
    lines = "".join(f'<li><a href="#{anchor}">{title}</a>\n' for anchor, title in found)
    worth = len(found) > 2 and len(body) > _SHORT
    return f'<nav class=toc aria-label="On this page"><ul>\n{lines}</ul></nav>' if worth else ""


def literal(value: Any) -> str:
    """A value of a rule or a guide as a line of JSON."""
    return code(json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value)
