"""Where in a YAML file a character of a scalar stands: folding, quoting and escapes undone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from polysigma.diagnostics import Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.source import Document

# Anchor and tag stand before a scalar and belong to its node.
_PROPERTIES = re.compile(r"([&!]\S*\s+)*")
_ESCAPED_BLANKS = frozenset(" \tntrvfN_LP")
_ESCAPED_CODES = {"x": 2, "u": 4, "U": 8}


def position_in_scalar(document: Document, path: tuple[str | int, ...], line: int, column: int) -> Position | None:
    """The place in the file of the character at `line` and `column` (from 1) of the text of the scalar at `path`.

    YAML changes blanks and line ends only (and escapes, where text is in quotes), so the characters between them are
    counted. A place past the end of the text is as far past the last character in the file. None where no scalar is.
    """
    node = document.nodes.get(path)
    if not isinstance(node, yaml.ScalarNode):
        return None
    before = node.value.split("\n")[: line - 1]
    offset = sum(len(text) + 1 for text in before) + column - 1
    wanted = sum(not character.isspace() for character in node.value[:offset])
    last = _start(document, node)
    for count, (position, width) in enumerate(_characters(document, node)):
        if count == wanted:
            return position
        last = Position(position.line, position.column + width)
    return Position(last.line, last.column + max(0, offset - len(node.value)))


def _start(document: Document, node: yaml.ScalarNode) -> Position:
    """Where the scalar's own characters begin, past anchor, tag, quote mark or block header."""
    mark = node.start_mark
    text = document.lines[mark.line] if mark.line < len(document.lines) else ""
    properties = _PROPERTIES.match(text, mark.column)
    column = properties.end() if properties else mark.column
    if node.style in {"|", ">"}:
        for number in range(mark.line + 1, len(document.lines)):
            line = document.lines[number]
            if line.strip():
                return Position(number + 1, len(line) - len(line.lstrip()) + 1)
    return Position(mark.line + 1, column + 1 + (node.style in {"'", '"'}))


def _characters(document: Document, node: yaml.ScalarNode) -> Iterator[tuple[Position, int]]:
    """The scalar's characters that are no blanks: where each stands, and how many of the file's it takes."""
    start = _start(document, node)
    for number in range(start.line - 1, min(node.end_mark.line + 1, len(document.lines))):
        text = document.lines[number]
        index = start.column - 1 if number == start.line - 1 else 0
        end = node.end_mark.column if number == node.end_mark.line else len(text)
        while index < end:
            width, blank = _spelled(text, index, node.style)
            if not blank:
                yield Position(number + 1, index + 1), width
            index += width


def _spelled(text: str, index: int, style: str) -> tuple[int, bool]:
    """How many characters of the file spell the one at `index`, and whether it is a blank."""
    if style == "'" and text.startswith("''", index):
        return 2, False
    if style == '"' and text[index] == "\\":
        escape = text[index + 1 : index + 2]
        if escape in _ESCAPED_CODES:
            digits = text[index + 2 : index + 2 + _ESCAPED_CODES[escape]]
            return 2 + len(digits), chr(int(digits, 16)).isspace()
        return 2, escape == "" or escape in _ESCAPED_BLANKS
    return 1, text[index].isspace()
