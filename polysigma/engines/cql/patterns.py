"""Filter patterns: texts in which `*` stands for any text.

Sources: library.humio.com/data-analysis/syntax-filters.html (field filters: `*` is a wildcard; `user=*` asks for the
field, `name=""` for an empty one) and syntax-operators.html (`=` and `!=` regard case, and so does like, which looks
for the pattern inside the value).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.engines.cql.values import number, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Value


def equals(context: Context, pattern: str, assumption: str) -> Callable[[Value], bool]:
    """Whether a value is what a pattern says: the whole of it, with wildcards, or the same number.

    `assumption` names the rule by which numbers are compared as such.
    """
    if "*" in pattern:
        return whole(context, pattern, ignore_case=False)
    wanted = number(pattern)
    if wanted is None:
        return lambda value: value == pattern if isinstance(value, str) else text(value) == pattern
    as_text = context.flipped(assumption)

    def same(value: Value) -> bool:
        if text(value) == pattern:
            return True
        if number(value) != wanted:
            return False
        context.meet(assumption)
        return not as_text

    return same


def whole(context: Context, pattern: str, *, ignore_case: bool) -> Callable[[Value], bool]:
    """Whether the whole value matches a pattern with wildcards.

    Without regard to case as `/\\A...\\z/i` (library.humio.com/data-analysis/functions-wildcard.html).
    """
    parts = pattern.split("*")
    if not any(parts) and len(parts) > 1:
        return lambda _: True
    flipped = context.flipped("glob-line-break")
    anything = "[^\n]" if flipped else "(?s:.)"
    options = re.IGNORECASE if ignore_case else re.NOFLAG
    if context.flipped("ignore-case-unicode"):
        options |= re.ASCII
    first, *rest = [re.escape(part) for part in parts]
    source = first
    if rest:
        *middle, last = rest
        # What stands between two wildcards is looked for once, leftmost: a later try cannot match where it did not.
        source += "".join(f"(?>{anything}*?{part})" for part in middle if part) + f"{anything}*{last}"
    compiled = re.compile(source, options)
    starred = bool(rest)

    def matches(value: Value) -> bool:
        shown = text(value)
        if ignore_case and not shown.isascii():
            context.meet("ignore-case-unicode")
        if starred and "\n" in shown:
            context.meet("glob-line-break")
        return compiled.fullmatch(shown) is not None

    return matches


def inside(context: Context, pattern: str, *, ignore_case: bool = False) -> Callable[[Value], bool]:
    """Whether a pattern is found inside a value: `like`, and free text."""
    return whole(context, f"*{pattern}*", ignore_case=ignore_case)
