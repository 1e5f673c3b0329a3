"""Sigma's regular expressions in the syntax that RE2-like engines share (LogScale, DuckDB, Kusto), or PCRE's (Splunk).

Sigma takes its `re` modifier from PCRE; what these engines cannot say is refused, with the construct named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import NoReturn

from polysigma.refusals import RefusalCode

from .errors import unsupported

_QUANTIFIER = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_GROUP = re.compile(
    r"\(\?(?:P?<(?P<name>[A-Za-z_]\w*)>|(?P<look><[=!]|[=!])|(?P<atomic>>)|(?P<plain>[a-zA-Z-]*[:)])|(?P<other>.))"
)


def unprintable(character: str) -> bool:
    """Whether a character beyond ASCII is one of those that end lines or turn or hide the text around them."""
    return character in _UNPRINTABLE


_UNPRINTABLE = frozenset(
    "\u2028\u2029\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


@dataclass(frozen=True, slots=True)
class RegexDialect:
    """What an engine understands, and what has to be escaped for it beyond the pattern's own escapes."""

    name: str
    lookahead: bool
    lazy: bool
    escape: str = ""
    """Characters that end the literal and take a backslash."""
    hexed: str = ""
    """Characters that must not stand in a query at all, and are written by their number."""
    inline: str = "i"
    """The flags that a group within the pattern can set, and - where it can take them back."""
    pcre: bool = False
    """Whether it is PCRE: lookbehind, atomic groups, possessive quantifiers, back references and Unicode classes."""


def translate(pattern: str, dialect: RegexDialect) -> str:
    """The pattern for an engine: same language, without capturing names, control characters written as escapes.

    Raises SigmaFeatureNotSupportedByBackendError for lookbehind, back references, possessive and atomic groups,
    Unicode classes, and for lookahead where the engine has none.
    """
    return _Translator(pattern, dialect).text()


class _Translator:
    def __init__(self, pattern: str, dialect: RegexDialect) -> None:
        self.pattern = pattern
        self.dialect = dialect
        self.index = 0
        self.out: list[str] = []

    def text(self) -> str:
        in_class = False
        while self.index < len(self.pattern):
            character = self.pattern[self.index]
            if character == "\\":
                self.escape(in_class=in_class)
            elif in_class and self.pattern.startswith("[:", self.index):
                self.posix_class()
            elif in_class and (character == "[" or self.pattern.startswith("&&", self.index)):
                # Engines of Java's kind take these for a class inside of the class, and for an intersection.
                self.out.append(f"\\{character}")
                self.index += 1
            elif in_class:
                in_class = character != "]"
                self.literal(character)
            elif character == "[":
                in_class = True
                self.open_class()
            elif character == "(":
                self.group()
            elif _QUANTIFIER.match(self.pattern, self.index) and self.out:
                self.quantifier()
            elif character in "{}":
                self.brace(character)
            else:
                self.literal(character)
        return "".join(self.out)

    def refuse(self, what: str, code: RefusalCode = RefusalCode.REGEX_CONSTRUCT) -> NoReturn:
        message = f"{what} in the regular expression {self.pattern!r} cannot be said in {self.dialect.name}"
        raise unsupported(code, message)

    def literal(self, character: str) -> None:
        self.index += 1
        self.out.append(self.quoted(character))

    def brace(self, character: str) -> None:
        """A brace that is no quantifier; some engines refuse it without a backslash."""
        if re.match(r"\{,\d+\}", self.pattern[self.index :]):
            self.refuse("a quantifier without a lower bound (write {0,n})")
        self.out.append(f"\\{character}")
        self.index += 1

    def posix_class(self) -> None:
        found = re.match(r"\[:\^?[a-z]+:\]", self.pattern[self.index :])
        if found is None:
            self.refuse("[: inside of a class")
        self.out.append(found.group())
        self.index += found.end()

    def quoted(self, character: str) -> str:
        if character in self.dialect.escape:
            return f"\\{character}"
        code = ord(character)
        if code < 0x20 or 0x7F <= code < 0xA0 or character in self.dialect.hexed:
            return f"\\x{code:02x}"
        if unprintable(character):
            return f"\\x{{{code:x}}}"
        return character

    def escape(self, *, in_class: bool) -> None:
        following = self.pattern[self.index + 1 : self.index + 2]
        if following == "":
            self.refuse("a backslash at the end")
        if following.isdigit() and following != "0" and not in_class:
            self.back_reference()
            return
        if following in "pP":
            self.unicode_class()
            return
        if following == "Z":
            self.out.append(r"\z")
        elif following in "AzbBdDsSwWnrtfvx0" or not following.isalnum():
            # A character that `quoted` leaves alone needs its own backslash; one that it escapes has it already.
            quoted = self.quoted(following)
            self.out.append(f"\\{following}" if quoted == following else quoted)
        elif following == "u":
            digits = self.pattern[self.index + 2 : self.index + 6]
            self.out.append(f"\\x{{{digits}}}")
            self.index += 4
        else:
            self.refuse(f"the escape \\{following}")
        self.index += 2

    def back_reference(self) -> None:
        if not self.dialect.pcre:
            self.refuse("a back reference", RefusalCode.BACK_REFERENCE)
        self.keep(re.compile(r"\\\d+"))

    def unicode_class(self) -> None:
        if not self.dialect.pcre:
            self.refuse("a Unicode class", RefusalCode.UNICODE_CLASS)
        self.keep(re.compile(r"\\[pP](?:\{\^?\w+\}|\w)"))

    def keep(self, form: re.Pattern[str]) -> None:
        """Takes what stands here over as it is."""
        found = form.match(self.pattern, self.index)
        if found is None:
            self.refuse(f"the escape {self.pattern[self.index : self.index + 2]}")
        self.out.append(found.group())
        self.index = found.end()

    def open_class(self) -> None:
        self.out.append("[")
        self.index += 1
        if self.pattern.startswith("^", self.index):
            self.out.append("^")
            self.index += 1
        if self.pattern.startswith("]", self.index):
            self.out.append(r"\]")
            self.index += 1

    def group(self) -> None:
        found = _GROUP.match(self.pattern, self.index)
        if found is None:
            self.literal("(")
            return
        if found["name"]:
            # A named group would make a field of it in LogScale; only whether the pattern matches is wanted.
            # PCRE keeps the group, unnamed, for back references to count.
            self.out.append("(" if self.dialect.pcre else "(?:")
        elif found["look"]:
            if "<" in found["look"] and not self.dialect.pcre:
                self.refuse("lookbehind", RefusalCode.LOOKBEHIND)
            if not self.dialect.lookahead:
                self.refuse("lookahead", RefusalCode.LOOKAHEAD)
            self.out.append(found.group())
        elif found["plain"] or (found["atomic"] and self.dialect.pcre):
            odd = set((found["plain"] or "")[:-1]) - set(self.dialect.inline)
            if odd:
                self.refuse(f"the flags in {found.group()}")
            self.out.append(found.group())
        else:
            if self.pattern.startswith("(?P=", self.index):
                self.refuse("a back reference", RefusalCode.BACK_REFERENCE)
            if found["atomic"]:
                self.refuse("an atomic group", RefusalCode.ATOMIC_GROUP)
            self.refuse(f"the group {found.group()}")
        self.index = found.end()

    def quantifier(self) -> None:
        found = _QUANTIFIER.match(self.pattern, self.index)
        assert found
        self.out.append(found.group())
        self.index = found.end()
        following = self.pattern[self.index : self.index + 1]
        if following == "+":
            if not self.dialect.pcre:
                self.refuse("a possessive quantifier", RefusalCode.POSSESSIVE_QUANTIFIER)
            self.out.append("+")
            self.index += 1
        if following == "?":
            # Lazy or greedy makes no difference to whether a pattern matches.
            if self.dialect.lazy:
                self.out.append("?")
            self.index += 1


def escaped(text: str, dialect: RegexDialect) -> str:
    """Text as a pattern that matches just it."""
    if text.isascii() and text.isprintable() and not dialect.hexed:
        return text.translate(_escapes(dialect.escape))
    return "".join(
        f"\\{character}" if character in _SPECIAL else _Translator("", dialect).quoted(character) for character in text
    )


_SPECIAL = r"\.^$|?*+()[]{}"


@cache
def _escapes(delimiters: str) -> dict[int, str]:
    """For each character that takes a backslash in a pattern, both: nearly every text is plain, and there are many."""
    return {ord(character): f"\\{character}" for character in _SPECIAL + delimiters}
