"""A text that a regular expression finds: the first way through its parse tree."""

from __future__ import annotations

import re
from typing import Any

_CLASSES = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "q", "CATEGORY_NOT_SPACE": "q",
            "CATEGORY_NOT_DIGIT": "q", "CATEGORY_NOT_WORD": "-"}  # fmt: skip


def of_regex(pattern: str) -> str:
    return _text(re._parser.parse(pattern))


def _text(parsed: Any) -> str:
    return "".join(_node(str(kind), value) for kind, value in parsed)


def _node(kind: str, value: Any) -> str:
    match kind:
        case "LITERAL":
            return chr(value)
        case "NOT_LITERAL":
            return "q" if value != ord("q") else "z"
        case "ANY":
            return "q"
        case "IN":
            return _of_class(value)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, _, inner = value
            return _text(inner) * least
        case "SUBPATTERN":
            return _text(value[3])
        case "BRANCH":
            return _text(value[1][0])
        case _:  # anchors and lookarounds
            return ""


def _of_class(items: list[Any]) -> str:
    if str(items[0][0]) == "NEGATE":
        barred = re.compile("".join(["[^", *(_listed(str(kind), value) for kind, value in items[1:]), "]"]))
        return next(letter for letter in "zq1 -_A" if barred.match(letter))
    kind, value = str(items[0][0]), items[0][1]
    if kind == "RANGE":
        return chr(value[0])
    return _CLASSES[str(value)] if kind == "CATEGORY" else chr(value)


def _listed(kind: str, value: Any) -> str:
    if kind == "RANGE":
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    if kind == "CATEGORY":
        return {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}[str(value)]
    return re.escape(chr(value))
