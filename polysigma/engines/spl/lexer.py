"""SPL text to tokens.

Source: Splunk Search Manual, "Quotes and escaping characters in searches" (a backslash before a quote, a backslash or
a pipe takes its meaning away; before anything else it stays), "Add comments to searches" (a comment becomes a space),
"Use search macros in searches" (between backticks).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from polysigma.engines.spl.tree import SplError

Kind = Literal["word", "string", "quoted", "macro", "symbol", "end"]

_COMMENT = re.compile(r"```.*?```", re.DOTALL)
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<quoted>'[^'\\]*')
  | `(?P<macro>[A-Za-z0-9_]+(?:\([^`]*\))?)`
  | (?P<symbol>!=|<=|>=|[][|=<>(),+*/%.@:-])
  | (?P<word>[A-Za-z0-9_]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SPL. `glued` says that nothing stands between it and the token before."""

    kind: Kind
    text: str
    at: int
    glued: bool = False

    def is_word(self, *words: str) -> bool:
        """Whether it is one of some bare words, in any case."""
        return self.kind == "word" and self.text.lower() in words


def tokens(text: str) -> list[Token]:
    """The tokens of a query, without its comments, and an end. Raises SplError for what no token begins with."""
    bare = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    found: list[Token] = []
    index, glued = 0, False
    while index < len(bare):
        match = _TOKEN.match(bare, index)
        if match is None:
            raise SplError(f"{bare[index]!r} begins nothing that is known here", text, index)
        kind = match.lastgroup
        if kind == "space":
            glued = False
        else:
            value = match[kind or 0]
            if kind == "string":
                value = re.sub(r'\\(["\\|])', r"\1", value[1:-1])
            elif kind == "quoted":
                value = value[1:-1]
            found.append(Token(kind, value, index, glued))  # type: ignore[arg-type]
            glued = True
        index = match.end()
    return [*found, Token("end", "", len(bare))]
