"""Characters to words, texts, regular expressions, parameters and comments of CQL.

CQL cannot be cut into tokens without knowing where one stands: a slash opens a regular expression, a comment or a
division, and a word in a filter may hold characters that are operators in an expression. So the lexer is asked by the
parser for what may stand at a place.

Sources: library.humio.com/lql-grammar/syntax-grammar-guide-appendix-a.html (slashes) and -appendix-c.html (which
characters a name and a pattern may hold unquoted).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NoReturn

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.regex_parts import ends_in_class, parts
from polysigma.diagnostics import Diagnostic, Position

_NAME_CHARACTER = r"(?:[#%&.0-9@A-Z\\^_a-z~\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00ff]|(?![\x00-\xff])\w)"
_INDEX = r"\[\d*\]"
NAME = re.compile(rf"{_NAME_CHARACTER}(?:{_NAME_CHARACTER}|{_INDEX})*")
"""A field's name without quotes."""
PATTERN = re.compile(rf"(?:{_NAME_CHARACTER}|[*+\-]|:(?!=))(?:{_NAME_CHARACTER}|[*+\-/]|:(?!=)|{_INDEX})*")
"""A filter's word; a slash that does not begin it belongs to it (`docker/*`, `https://www.example.com/`)."""
ARGUMENT_WORD = re.compile(rf"(?:{_NAME_CHARACTER}|[*+\-]|:(?!=))(?:{_NAME_CHARACTER}|[*+\-]|:(?!=)|{_INDEX})*")
"""A name, keyword or pattern in an argument: as a filter's word, without slashes."""
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z_][A-Za-z0-9_]*)*")
SAVED_NAME = re.compile(r"(?:[A-Za-z0-9_.\-]+(?:://|[:/]))*[A-Za-z0-9_.\-]+")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_WHITESPACE = re.compile(r"[\t\n\f\r ]*")
_STRAY_QUOTE = re.compile(r"'[^\S\n]*(?:\n|\Z)")
_ODD_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]+")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r'\\(["\\nrt])')
_STRING = re.compile(r'"((?:[^"\\\n]|\\[^\n])*)"')
_LONG_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REGEX = re.compile(r"/((?:[^/\\\n]|\\[^\n])*)/([A-Za-z]*)")
_FLAGS = re.compile(r"[A-Za-z]*")
_PARAMETER_NAME = re.compile(rf"(?:{_NAME_CHARACTER}|-)+")


class Stop(Exception):  # noqa: N818  (control flow inside the package: parsing cannot go on)
    """Parsing cannot go on; the reason is the last of the lexer's problems."""


class Lexer:
    """A place in a query's text, what has been found wrong up to there, and the comments passed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.problems: list[Diagnostic] = []
        self.comments: list[tree.Comment] = []
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(self, offset: int | None = None) -> Position:
        """The position of an offset, by default the current one; the end of the text counts as its last character."""
        offset = self.pos if offset is None else offset
        offset = max(0, min(offset, len(self.text) - 1))
        line = bisect_right(self._line_starts, offset)
        return Position(line, offset - self._line_starts[line - 1] + 1)

    def problem(self, code: str, message: str, hint: str, offset: int | None = None) -> None:
        """Notes an error and lets parsing go on."""
        self.problems.append(finding(code, message, hint, self.at(offset)))

    def fail(self, code: str, message: str, hint: str, offset: int | None = None) -> NoReturn:
        """Notes an error and ends parsing."""
        self.problem(code, message, hint, offset)
        raise Stop

    def peek(self, length: int = 1) -> str:
        """The next characters, fewer at the end of the text."""
        return self.text[self.pos : self.pos + length]

    def take(self, literal: str) -> bool:
        """Passes `literal` if it comes next."""
        if self.text.startswith(literal, self.pos):
            self.pos += len(literal)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str:
        """Passes what `pattern` matches here and gives it; empty if nothing."""
        found = pattern.match(self.text, self.pos)
        if found is None:
            return ""
        self.pos = found.end()
        return found.group()

    def next_word(self, pattern: re.Pattern[str]) -> str:
        """What `pattern` matches here, without passing it."""
        found = pattern.match(self.text, self.pos)
        return found.group() if found else ""

    def whitespace(self) -> bool:
        """Passes blank characters; whether there were any."""
        start = self.pos
        self.match(_WHITESPACE)
        return self.pos > start

    def skip(self) -> None:
        """Passes blank characters and comments."""
        while True:
            self.whitespace()
            start = self.pos
            if self.match(_ODD_BLANKS):
                self.problem(
                    "odd-blank",
                    f"a character that only looks like a blank (U+{ord(self.text[start]):04X}) stands here",
                    "replace it by a blank",
                    start,
                )
            elif self.next_word(_STRAY_QUOTE):  # nothing on the line that it could quote
                self.problem("stray-quote", "a lone single quote stands at the end of a line", "remove it")
                self.pos += 1
            elif self.take("//"):
                end = self.text.find("\n", self.pos)
                end = len(self.text) if end < 0 else end
                self._comment(start, self.pos, end, block=False)
                self.pos = end
            elif self.take("/*"):
                end = self.text.find("*/", self.pos)
                if end < 0:
                    self.fail("syntax", "a comment opened by /* is not closed", "close it with */", start)
                self._comment(start, self.pos, end, block=True)
                self.pos = end + 2
            else:
                return

    def _comment(self, at: int, start: int, end: int, *, block: bool) -> None:
        self.comments.append(tree.Comment(self.at(at), self.text[start:end].strip(), block))

    def string(self) -> tree.Quoted:
        """A text in double quotes, which begins here."""
        start = self.pos
        found = _STRING.match(self.text, start)
        if found is None:
            found = _LONG_STRING.match(self.text, start)
            if found is None:
                self.fail("syntax", "a text in double quotes is not closed", 'close it with "', start)
            self.problem(
                "text-over-lines",
                "a text in double quotes runs over its line",
                r'close it with " on its line, or write \n for a line break',
                start,
            )
        self.pos = found.end()
        return tree.Quoted(self.at(start), _ESCAPE.sub(lambda part: _ESCAPES[part[1]], found.group(1)))

    def regex(self) -> tree.Regex:
        """A regular expression literal, which begins here."""
        start = self.pos
        found = _REGEX.match(self.text, start)
        if found is None:
            self.fail("syntax", "a regular expression is not closed on its line", "close it with /", start)
        if ends_in_class(found.group(1)):
            node = self._slash_in_class(start, found.end(1))
        else:
            self.pos = found.end()
            node = tree.Regex(self.at(start), found.group(1), found.group(2))
        if PATTERN.match(self.text, self.pos) or self.peek() in {"/", "?", "(", "[", "$", "{"}:
            self.fail(
                "unescaped-slash",
                f"text follows /{node.pattern}/{node.flags} at once: a slash inside a regular expression ends it",
                r"write \/ for a slash in a regular expression",
                start + 1 + len(node.pattern),
            )
        return node

    def _slash_in_class(self, start: int, slash: int) -> tree.Regex:
        """A literal whose first slash, at `slash`, stands inside `[ ]`, as CrowdStrike's own content has it."""
        hint = r"write \/ for a slash in a regular expression, also inside [ ]"
        line_end = self.text.find("\n", start)
        line_end = len(self.text) if line_end < 0 else line_end
        at = start + 1
        for part in parts(self.text[at:line_end]):
            if part == "/":
                self.problem("slash-in-class", "a slash stands unescaped inside [ ]", hint, slash)
                self.pos = at + 1
                return tree.Regex(self.at(start), self.text[start + 1 : at], self.match(_FLAGS))
            if part == "[":
                break
            at += len(part)
        self.fail("unescaped-slash", "a slash ends the regular expression inside [ ]", hint, slash)

    def parameter(self) -> tree.Parameter:
        """A user parameter, which begins here (library.humio.com/data-analysis/syntax-fields-user-input.html)."""
        start = self.pos
        self.pos += 1
        if not self.take("{"):
            return tree.Parameter(self.at(start), self._parameter_name(start), None)
        self.skip()
        name = self._parameter_name(start)
        self.skip()
        if not self.take("="):
            self.fail("syntax", "a parameter in braces has no default", 'write ?{name="default"} or ?name')
        self.skip()
        default = self._parameter_default(start)
        self.skip()
        if not self.take("}"):
            self.fail("syntax", "a parameter's brace is not closed", 'write ?{name="default"}', start)
        return tree.Parameter(self.at(start), name, default)

    def _parameter_name(self, start: int) -> str:
        if self.peek() == '"':
            return self.string().value
        name = self.match(_PARAMETER_NAME)
        if not name:
            self.fail("syntax", "? has no parameter name behind it", 'write ?name, ?"a name" or ?{name=default}', start)
        return name

    def _parameter_default(self, start: int) -> str:
        if self.peek() == '"':
            return self.string().value
        if self.peek() == "[":  # several values for a multi-value parameter, kept as written
            end = self.text.find("]", self.pos)
            if end < 0:
                self.fail("syntax", "a parameter's list of defaults is not closed", 'write ?{name=["a", "b"]}', start)
            text = self.text[self.pos : end + 1]
            self.pos = end + 1
            return text
        return self.match(PATTERN)
