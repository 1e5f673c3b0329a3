"""Query text with its colours, in as little HTML as that takes: thousands of pages hold little else.

Names, numbers and operators have the colour of plain text, and tokens of one colour that follow each other share an
element.
Without Pygments, or its lexer of a language, a text has no colours.
"""

from __future__ import annotations

from functools import cache, lru_cache
from html import escape
from typing import Any

_COLOURS = (
    ("Token.Comment", "i"),
    ("Token.Literal.String", "u"),
    ("Token.Keyword", "b"),
    ("Token.Operator.Word", "b"),
    ("Token.Name.Function", "b class=f"),
    ("Token.Name.Builtin", "b class=f"),
    ("Token.Name.Tag", "b"),
)
"""Kinds of tokens, and the element that stands for each; the first that fits counts.

Short elements, which the theme colours inside of code: a class on each would double a query.
"""


@cache
def _lexer(language: str) -> Any:
    try:
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound
    except ImportError:
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@cache
def _colour(kind: Any) -> str:
    name = str(kind)
    return next((colour for prefix, colour in _COLOURS if name.startswith(prefix)), "")


@lru_cache(maxsize=256)
def coloured(content: str, language: str) -> str:
    """The HTML of a text in a language, by the name of its lexer. Its text is exactly `content`."""
    lexer = _lexer(language)
    if lexer is None:
        return escape(content, quote=False)
    pieces: list[str] = []
    values: list[str] = []
    last, held = "", 0
    for kind, value in lexer.get_tokens(content):
        colour = last if value.isspace() and "\n" not in value else _colour(kind)
        if colour != last:
            pieces.append(_element(last, "".join(values[held:])))
            last, held = colour, len(values)
        values.append(value)
    pieces.append(_element(last, "".join(values[held:])))
    # No lexer may change a query, by a line's end for example.
    return "".join(pieces) if "".join(values) == content else escape(content, quote=False)


def _element(colour: str, content: str) -> str:
    escaped = escape(content, quote=False)
    return f"<{colour}>{escaped}</{colour[0]}>" if colour and escaped else escaped
