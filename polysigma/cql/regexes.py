r"""Lint rules for regular expressions, in literals and in the texts of functions that take one.

The engine is close to RE2J and Java's; what it has is listed at
library.humio.com/data-analysis/syntax-regex-syntax.html and the flags at .../syntax-regex-flags.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.functions import function_facts
from polysigma.cql.regex_parts import parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic, Position

_FLAGS = "dimgF"
_REFERENCES = frozenset("123456789kpP")
_TAKES_REGEX = {"regex": "regex", "replace": "regex", "array:regex": "regex", "splitString": "by"}

_UNSUPPORTED = (
    (re.compile(r"\(\?<[=!]"), "lookbehind", "match the text before it, and take the part wanted in a (?<name>group)"),
    (re.compile(r"\(\?>"), "an atomic group", "use a group that does not capture: (?:...)"),
    (
        re.compile(r"\(\?P[=>]|\\[1-9]|\\k<"),
        "a backreference",
        "capture both parts, and compare them with test(a == b)",
    ),
    (re.compile(r"\(\?P<"), "a (?P<name>group)", "write (?<name>...)"),
    (re.compile(r"\\[pP](?:\{|[A-Z])"), "a Unicode class", "write the characters as a class: [A-Za-z]"),
)
_POSSESSIVE = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\+")
_LAZY_PLUS = re.compile(r"\+\?")


class _Text(NamedTuple):
    """A regular expression's text, flags and place."""

    pattern: str
    flags: str
    at: Position


def check(query: tree.Query) -> Iterator[Diagnostic]:
    """The findings in the regular expressions of a query."""
    for node in tree.walk(query):
        match node:
            case tree.Regex(at, pattern, flags):
                yield from _findings(_Text(pattern, flags, at))
            case tree.Call():
                yield from _call(node)


def _call(call: tree.Call) -> Iterator[Diagnostic]:
    facts = function_facts(call.function)
    parameter = _TAKES_REGEX.get(facts.name) if facts else None
    if facts is None or parameter is None:
        return
    pattern: tree.Quoted | tree.Bare | None = None
    flags = ""
    for argument in call.arguments:
        name = argument.name or facts.unnamed
        if isinstance(argument.value, tree.Quoted | tree.Bare):
            if name == parameter:
                pattern = argument.value
            elif name == "flags":
                flags = argument.value.value
    if pattern is not None:
        yield from _findings(_Text(pattern.value, flags, pattern.at))


def _findings(text: _Text) -> Iterator[Diagnostic]:
    at = text.at
    if not text.pattern:
        yield finding("empty-regex", "a regular expression is empty", "write the pattern, or field=* for any value", at)
    for flag in dict.fromkeys(text.flags):
        if flag not in _FLAGS:
            hint = "`d` lets a dot match a line break" if flag == "s" else "flags: d, i, m, g, F"
            if len(text.flags) > 1:
                hint += r"; a slash inside the expression is written \/"
            yield finding("regex-flag", f"a regular expression has no flag `{flag}`", hint, at)
    bare = _without_classes(text.pattern)
    for pattern, what, hint in _UNSUPPORTED:
        if pattern.search(bare):
            yield finding("regex-unsupported", f"the documented engine does not have {what}", hint, at)
    if _POSSESSIVE.search(bare):
        yield finding("regex-possessive", "a repetition is possessive", "leave the second + away", at)
    if _LAZY_PLUS.search(bare):
        yield finding("regex-lazy-plus", "`+?` is documented as not supported", "use + or [^x]+ instead", at)
    yield from _brackets(text)


def _without_classes(pattern: str) -> str:
    r"""The pattern with each class as `[]`, and each escape that is no reference and no Unicode class as `_`."""
    text = []
    for part in parts(pattern):
        if part[0] == "[" and len(part) > 1:
            text.append("[]")
        elif part[0] == "\\":
            text.append(part if part[1:] in _REFERENCES else "_")
        else:
            text.append(part)
    return "".join(text)


def _brackets(text: _Text) -> Iterator[Diagnostic]:
    depth = 0
    for part in parts(text.pattern):
        if part == "[":
            yield finding("regex-syntax", "a class [ is not closed", r"close it with ], or write \[", text.at)
            return
        depth += {"(": 1, ")": -1}.get(part, 0)
        if depth < 0:
            yield finding("regex-syntax", "a ) closes no group", r"remove it, or write \)", text.at)
            return
    if depth:
        yield finding("regex-syntax", "a group ( is not closed", r"close it with ), or write \(", text.at)
