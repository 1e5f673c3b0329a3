r"""A regular expression's text in parts, in one pass: escapes, classes and everything else, character by character.

Regular expressions over regular expressions backtrack without end on hostile text; this does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def class_end(text: str, start: int, stop: int) -> int:
    """The offset past the class that opens at `start`, or -1 if none of its ends comes before `stop`.

    A `]` at once behind `[` or `[^` belongs to the class.
    """
    at = start + 1
    if text.startswith("^", at):
        at += 1
    if text.startswith("]", at):
        at += 1
    while at < stop:
        if text[at] == "]":
            return at + 1
        at += 2 if text[at] == "\\" else 1
    return -1


def parts(pattern: str) -> Iterator[str]:
    r"""The escapes (`\.`), classes (`[...]`) and other characters of a pattern; an unclosed class gives `[` alone."""
    at = 0
    size = len(pattern)
    closed = True
    while at < size:
        end = at + 1
        if pattern[at] == "\\":
            end = min(at + 2, size)
        elif pattern[at] == "[" and closed:
            found = class_end(pattern, at, size)
            closed = found > 0  # no later one closes either
            end = found if closed else end
        yield pattern[at:end]
        at = end


def ends_in_class(pattern: str) -> bool:
    """Whether a class is open at the end."""
    return "[" in parts(pattern)
