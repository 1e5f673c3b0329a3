"""A Pygments lexer for CQL, the language of LogScale: `logscale` in Markdown and on the command line of Pygments.

Names of functions are those of `polysigma.cql`; only what such a name calls is coloured as one. CQL cannot be cut into
words without parsing (a slash divides, quotes a regular expression or begins a comment), so this lexer goes by what
stands before: good for colours, not for judgement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text, Whitespace

from polysigma.cql.functions import is_function

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELD = r"[#@]?[A-Za-z_][\w.]*(?:\[\d*\])*"


def _call(_lexer: Any, match: re.Match[str]) -> Iterator[tuple[int, Any, str]]:
    """A word before a parenthesis: a documented function, or one that is not known."""
    known = is_function(match[1])
    yield match.start(1), Name.Function if known else Name.Other, match[1]


class LogScaleLexer(RegexLexer):  # type: ignore[misc]  # Pygments brings no types
    """CQL as it is written in LogScale and Falcon Next-Gen SIEM."""

    name = "LogScale"
    url = "https://library.humio.com/data-analysis/syntax.html"
    aliases: ClassVar[list[str]] = ["logscale", "humio"]
    filenames: ClassVar[list[str]] = ["*.logscale"]
    mimetypes: ClassVar[list[str]] = ["text/x-logscale"]
    flags = re.MULTILINE
    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"//[^\n]*", Comment.Single),
            (r"/\*(?:.|\n)*?\*/", Comment.Multiline),
            (r'"(?:[^"\\]|\\(?:.|\n))*"', String.Double),
            # A regular expression stands where a value may: behind an operator, a comma, a pipe or a parenthesis.
            (
                r"(=~|!=~|!=|=|[|(,]|\band\b|\bor\b|\bnot\b)(\s*)(/(?:[^/\\\n]|\\[^\n])+/[A-Za-z]*)",
                bygroups(Operator, Whitespace, String.Regex),
            ),
            (r"^(/(?:[^/\\\n]|\\[^\n])+/[A-Za-z]*)", String.Regex),
            (r"(\$)([A-Za-z0-9_./:\-]+)", bygroups(Operator, Name.Namespace)),
            (r"\?\{[^}\n]*\}|\?[A-Za-z_]\w*", Name.Variable),
            (r"\b(case|match)(?=\s*\{)", Keyword),
            (r"\b(and|or|not|like|AND|OR|NOT)\b", Operator.Word),
            (r"\b(true|false)\b", Keyword.Constant),
            (r"([A-Za-z_]\w*(?::\w+)*)(?=\()", _call),
            (rf"({_FIELD})(\s*)(:=)", bygroups(Name.Variable, Whitespace, Operator)),
            (r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])", Number),
            (rf"({_FIELD})(?=\s*(?:!?=|=~|!=~|[<>]))", Name.Attribute),
            (_FIELD, Name),
            (r":=|=~|!=~|<=>|[<>]=?|!?=|[-+*/%!]|=>", Operator),
            (r"[|;(){}\[\],]", Punctuation),
            (r".", Text),
        ],
    }
