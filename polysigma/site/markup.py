"""Markdown that says what it was given and nothing else: text of rules cannot become markup, links or script.

Every mark that Markdown, its extensions or HTML could read is written as a character reference. Pages are made for the
generator, not to be read as Markdown, so that costs nobody anything.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HARMLESS = frozenset(" ,;()/'")
_ORDERED = re.compile(r"^(\d+)\.")
_BACKTICKS = re.compile(r"`+")


def text(value: object) -> str:
    """A text as one line of Markdown that shows exactly it, with its blanks put together."""
    return _ORDERED.sub(r"\1&#46;", "".join(_inert(character) for character in " ".join(str(value).split())))


def _inert(character: str) -> str:
    if character.isalnum() or character in _HARMLESS or character == ".":
        return character
    if unicodedata.category(character).startswith("C"):
        # Marks that reverse the direction, and controls, would make a page show other than what stands in the rule.
        return f"(U&#43;{ord(character):04X})"
    return f"&#{ord(character)};" if ord(character) < 128 else character


def code(value: object) -> str:
    """A name or value within a line."""
    return f"<code>{text(value)}</code>"


def codes(values: Iterable[object]) -> str:
    return ", ".join(code(value) for value in values)


def link(words: str, target: str) -> str:
    """A link inside the site, which the generator follows; `words` is Markdown already."""
    return f"[{words}]({target})"


def outside(words: object, address: str) -> str:
    """A link to another site; only an address of the web becomes one."""
    if not address.startswith(("https://", "http://")):
        return text(address if words == address else f"{words} ({address})")
    # As a character reference the address is not taken for a link of the site, nor for Markdown.
    return f'<a href="{text(address)}" rel="noopener noreferrer">{text(words)}</a>'


def block(content: str, language: str, label: str = "") -> str:
    """A block of code, to be copied. `content` stands in it unchanged; where that cannot be, a sentence says so."""
    if any(unicodedata.category(character) == "Cc" and character not in "\n\t" for character in content):
        return "*This text holds control characters that a page cannot show; take it from the downloads.*"
    longest = max((len(run) for run in _BACKTICKS.findall(content)), default=0)
    fence = "`" * max(3, longest + 1)
    title = f' title="{text(label)}"' if label else ""
    return f"{fence} {{ .{language} .copy{title} }}\n{content.rstrip(chr(10))}\n{fence}"


def tabs(items: Iterable[tuple[str, str]]) -> str:
    """Tabs of label and Markdown. Those of one label are switched together all over the page."""
    return "\n\n".join(f'=== "{text(label)}"\n\n{indented(content)}' for label, content in items)


def indented(content: str) -> str:
    return "\n".join(f"    {line}" for line in content.split("\n"))


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"* {item}" for item in items)


def numbered(items: Iterable[str]) -> str:
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its header; every cell is Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def joined(*parts: str) -> str:
    """Blocks below each other, empty ones left out."""
    return "\n\n".join(part for part in parts if part)


def section(title: str, anchor: str, *parts: str) -> str:
    """A part of a page under its heading, or nothing where nothing is to be said."""
    body = joined(*parts)
    return f"## {title} {{ #{anchor} }}\n\n{body}" if body else ""


def page(title: str, description: str, *parts: str, searched: bool = True) -> str:
    """A page with its head. The theme prints title and description as they are, so they are escaped here.

    `searched` is false for a page that only repeats another: a search finds each thing once.
    """
    head: dict[str, Any] = {"title": _head(title), "description": _head(description)}
    if not searched:
        head["search"] = {"exclude": True}
    lines = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=True)}" for key, value in head.items())
    return f"---\n{lines}\n---\n\n# {text(title)}\n\n{joined(*parts)}\n"


def _head(value: str) -> str:
    return html.escape(" ".join(value.split())[:300].strip())


def literal(value: Any) -> str:
    """A value of a rule or a guide as a line of JSON."""
    return code(json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value)
