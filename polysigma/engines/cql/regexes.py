r"""LogScale's regular expressions, as Python's.

The engine (JitRex) follows RE2J: `\d`, `\w`, `\s` and `\b` are ASCII, `^` and `$` stand for the ends of the whole text
without the flag m, the dot matches no line feed without the flag d. Sources: library.humio.com/data-analysis/,
syntax-regex-flags.html (flags d, g, i, m, F), syntax-regex-syntax.html (what the syntax has), syntax-regex-diffs.html
(what it lacks). What it lacks is refused, and so is what the pages do not name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from polysigma.engines.cql.context import refuse

if TYPE_CHECKING:
    from polysigma.cql import tree
    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Row, Test

FLAGS = "dimgF"
_SIMPLE = {"n": r"\n", "r": r"\r", "t": r"\t", "f": r"\f", "v": r"\v", "a": r"\a", "e": r"\x1b", "A": r"\A", "z": r"\Z"}
_CLASSES = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\f\r ",
    "D": r"\x00-/:-\U0010ffff",
    "W": r"\x00-/:-@\[-\^`\{-\U0010ffff",
    "S": r"\x00-\x08\x0b\x0e-\x1f!-\U0010ffff",
}
"""The ASCII classes, spelled out so that they may stand in a class of a pattern that folds beyond ASCII."""
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})")
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")
_GROUP = re.compile(r"\(\?(?:<(?P<name>[A-Za-z_@#][\w.@#\[\]-]*)>|(?P<look>[=!])|(?P<flags>[idm]*)(?P<end>[:)]))")
_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression: the fields that its named groups fill, and what its result may hang on."""

    compiled: re.Pattern[str]
    fields: tuple[tuple[str, str], ...]
    """The name of the group in `compiled`, and the field."""
    folds: bool
    dots: bool

    def search(self, context: Context, text: str) -> re.Match[str] | None:
        """The first match in a text."""
        if self.folds and not text.isascii():
            context.meet("ignore-case-unicode")
        if self.dots and _LINE_ENDS.search(text):
            context.meet("regex-dot")
        return self.compiled.search(text)


def compile_regex(context: Context, node: tree.Node, source: str, flags: str) -> Pattern:
    """The pattern of a source. Refuses what the documented engine does not have."""
    for flag in flags:
        if flag not in FLAGS:
            refuse(node, f"a regular expression has no flag `{flag}`", "flags: d, i, m, g, F")
    translated = _Translator(context, node, source, flags).pattern()
    options = re.IGNORECASE if "i" in flags else re.NOFLAG
    if context.flipped("ignore-case-unicode"):
        options |= re.ASCII
    try:
        compiled = re.compile(translated.text, options)
    except (re.error, OverflowError) as error:
        refuse(node, f"the regular expression {source!r} cannot be read: {error}")
    return Pattern(compiled, tuple(translated.fields), folds=translated.folds, dots=translated.dots)


def fill(context: Context, pattern: Pattern, found: re.Match[str], row: Row) -> None:
    """Sets the fields of the named groups that took part in a match."""
    for group, field in pattern.fields:
        value = found[group]
        if value is None:
            continue
        if not value:
            context.meet("regex-empty-group")
            if context.flipped("regex-empty-group"):
                continue
        row[field] = value


class _Translator:
    """Goes through a pattern once, piece by piece."""

    def __init__(self, context: Context, node: tree.Node, source: str, flags: str) -> None:
        self.node = node
        self.source = source
        self.index = 0
        self.text = ""
        self.fields: list[tuple[str, str]] = []
        self.folds = "i" in flags
        self.dots = False
        self.dot = r"[^\n\r\x85\u2028\u2029]" if context.flipped("regex-dot") else r"[^\n]"
        self.scopes = [flags]
        """The flags in force, one for each group that is open."""

    def pattern(self) -> _Translator:
        out: list[str] = []
        while self.index < len(self.source):
            out.append(self.piece(at_start=not out))
        if len(self.scopes) > 1:
            self.refuse("a group ( is not closed")
        self.text = "".join(out)
        return self

    def refuse(self, what: str) -> NoReturn:
        refuse(self.node, f"{what} in the regular expression {self.source!r}")

    def piece(self, *, at_start: bool) -> str:
        character = self.source[self.index]
        self.index += 1
        match character:
            case "\\":
                return self.escape()
            case "[":
                return self.bracket()
            case "(":
                return self.group(at_start=at_start)
            case ")":
                if len(self.scopes) == 1:
                    self.refuse("a ) closes no group")
                self.scopes.pop()
                return ")" + self.quantifier()
            case "|":
                return "|"
            case "^":
                return "(?m:^)" if "m" in self.scopes[-1] else r"\A"
            case "$":
                return "(?m:$)" if "m" in self.scopes[-1] else r"\Z"
            case ".":
                if "d" in self.scopes[-1]:
                    return "(?s:.)" + self.quantifier()
                self.dots = True
                return self.dot + self.quantifier()
            case "*" | "+" | "?":
                self.refuse(f"{character} repeats nothing")
            case _:
                return re.escape(character) + self.quantifier()

    def quantifier(self) -> str:
        """A repetition, if one comes next. A possessive one and `+?` are documented as not supported."""
        found = _QUANTIFIER.match(self.source, self.index)
        if found is None:
            return ""
        self.index = found.end()
        following = self.source[self.index : self.index + 1]
        if following == "+":
            self.refuse("a possessive repetition")
        if following != "?":
            return found.group()
        if found.group() == "+":
            self.refuse("`+?`, which is documented as not supported,")
        self.index += 1
        return f"{found.group()}?"

    def escape(self) -> str:
        letter = self.source[self.index : self.index + 1]
        if letter in {"b", "B"}:
            self.index += 1
            return rf"(?a:\{letter})"
        if letter and letter in _CLASSES:
            self.index += 1
            return f"[{_CLASSES[letter]}]" + self.quantifier()
        return self.character_escape() + self.quantifier()

    def character_escape(self) -> str:
        found = _HEX.match(self.source, self.index)
        if found:
            self.index = found.end()
            return re.escape(chr(int(found[1] or found[2], 16)))
        letter = self.source[self.index : self.index + 1]
        self.index += 1
        if letter in _SIMPLE and letter:
            return _SIMPLE[letter]
        if not letter:
            self.refuse("a backslash at the end")
        if letter.isalnum():
            self.refuse(f"the escape \\{letter}")
        return re.escape(letter)

    def group(self, *, at_start: bool) -> str:
        if not self.source.startswith("?", self.index):
            self.scopes.append(self.scopes[-1])
            return "("
        found = _GROUP.match(self.source, self.index - 1)
        if found is None:
            self.refuse(f"the group {self.source[self.index - 1 : self.index + 3]}")
        self.index = found.end()
        if found["name"]:
            self.scopes.append(self.scopes[-1])
            name = f"g{len(self.fields)}"
            self.fields.append((name, found["name"]))
            return f"(?P<{name}>"
        if found["look"]:
            self.scopes.append(self.scopes[-1])
            return f"(?{found['look']}"
        flags = self.scopes[-1] + found["flags"]
        self.folds = self.folds or "i" in found["flags"]
        if found["end"] == ":":
            self.scopes.append(flags)
            return "(?i:" if "i" in found["flags"] else "(?:"
        if not at_start:
            self.refuse("a flag that is set inside")
        self.scopes[-1] = flags
        return "(?i)" if "i" in found["flags"] else ""

    def bracket(self) -> str:
        out = ["["]
        if self.source.startswith("^", self.index):
            out.append("^")
            self.index += 1
        first = True
        while first or not self.source.startswith("]", self.index):
            if self.index >= len(self.source):
                self.refuse("a class [ is not closed")
            if self.source.startswith("[:", self.index):
                self.refuse("a named class")
            low, alone = self.member()
            if alone and self.source.startswith("-", self.index) and not self.source.startswith("-]", self.index):
                self.index += 1
                high, alone = self.member()
                if not alone:
                    self.refuse("a range that ends in a class")
                low = f"{low}-{high}"
            out.append(low)
            first = False
        self.index += 1
        return "".join(out) + "]" + self.quantifier()

    def member(self) -> tuple[str, bool]:
        """A character of a class, escaped for Python, or a whole class; and whether it is one character."""
        if self.index >= len(self.source):
            self.refuse("a class [ is not closed")
        character = self.source[self.index]
        self.index += 1
        if character != "\\":
            return re.escape(character), True
        letter = self.source[self.index : self.index + 1]
        if letter and letter in _CLASSES:
            self.index += 1
            return _CLASSES[letter], False
        if letter in {"A", "z", "b", "B"}:
            self.refuse(f"the escape \\{letter} in a class")
        return self.character_escape(), True


def search_test(context: Context, field: str, pattern: Pattern) -> Test:
    """Whether a field's value matches; false where it is missing."""
    if not pattern.folds and not pattern.dots:
        search = pattern.compiled.search

        def plain(row: Row) -> bool:
            value = row.get(field)
            return value is not None and search(value if isinstance(value, str) else str(value)) is not None

        return plain

    def test(row: Row) -> bool:
        value = row.get(field)
        return (
            value is not None and pattern.search(context, value if isinstance(value, str) else str(value)) is not None
        )

    return test
