"""Computed columns that need not be spelled out in full, as what is asked of them comes out the same either way.

A registry's path has its root renamed as Sysmon names it, and text of an event's XML has its entities resolved. Where
every test of such a column is of text that neither can touch, the root stays as it is recorded, and so does the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.expressions import (
    Call,
    Column,
    Exists,
    Expression,
    In,
    ListLiteral,
    TextMatch,
    Wildcard,
    children,
    columns,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from polysigma.plan.steps import Source

    Parts = tuple[str | Wildcard, ...]

ROOTS = {
    "HKEY_LOCAL_MACHINE": "HKLM",
    "HKEY_USERS": "HKU",
    "HKEY_CURRENT_USER": "HKU",
    "HKEY_CLASSES_ROOT": "HKCR",
}
"""The registry's roots as Microsoft's platforms name them, and as Sysmon does."""
ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
"""The last one last: `&amp;lt;` is the text `&lt;`."""

DETAILS = {
    "Dword": "DWORD (0x{})",
    "Qword": "QWORD (0x{}-0x{})",
    "Binary": "Binary Data",
    "Empty": "(Empty)",
}
"""What Sysmon writes for data that is no text, by the kind of a registry's value; hexadecimal digits in braces."""
NUMERIC = "Numeric"
"""The data of a number, as Microsoft's platforms record it."""

_HEXADECIMAL = frozenset("0123456789abcdef")
_NUMERIC = _HEXADECIMAL | frozenset("x+-. ")
_FREE = "\0"
_ROOTS = tuple(root.lower() for pair in ROOTS.items() for root in pair)
_ENDS = tuple(entity[start:] for entity in ENTITIES for start in range(1, len(entity)))


def plain_columns(source: Source, read: AbstractSet[str]) -> frozenset[str]:
    """The derived columns of a source of which the plain form answers its condition; `read` are read elsewhere too."""
    used = set(read) | {column for _, expression in source.derived for column in columns(expression)}
    return frozenset(
        column
        for column, expression in source.derived
        if column not in used
        and (indifferent := _indifferent(expression)) is not None
        and _asks(source.condition, column, indifferent)
    )


def details_asked(source: Source, read: AbstractSet[str]) -> dict[str, frozenset[str]]:
    """For columns of a registry value's data the kinds, and NUMERIC, that a test of the condition may match.

    A column that is read elsewhere too, or of which anything but text is asked, is not among them.
    """
    used = set(read) | {column for _, expression in source.derived for column in columns(expression)}
    found = {}
    for column, expression in source.derived:
        if column in used or not isinstance(expression, Call) or expression.name != "registry_details":
            continue
        kinds: set[str] = set()

        def note(parts: Parts, kinds: set[str] = kinds) -> bool:
            texts = [part.lower() for part in parts if isinstance(part, str)]
            kinds |= {kind for kind, form in DETAILS.items() if _may_hold(form, texts)}
            kinds |= {NUMERIC} if all(_NUMERIC.issuperset(text) for text in texts) else set()
            return any(texts)

        if _asks(source.condition, column, note, exists=False):
            found[column] = frozenset(kinds)
    return found


def _may_hold(form: str, texts: list[str]) -> bool:
    """Whether a form may hold each of some texts. A number has 8 digits or, where it is larger, up to 16."""
    fixed = form.lower()
    written = [fixed.replace("{}", _FREE * digits) for digits in range(8, 17)] if "{}" in fixed else [fixed]
    return any(all(_stands_in(line, text) for text in texts) for line in written)


def _stands_in(line: str, text: str) -> bool:
    return any(
        all(
            have == want or (have == _FREE and want in _HEXADECIMAL)
            for have, want in zip(line[start:], text, strict=False)
        )
        for start in range(len(line) - len(text) + 1)
    )


def _indifferent(expression: Expression) -> Callable[[Parts], bool] | None:
    """What says of a pattern whether it matches both forms of a value alike; None where there is one form only."""
    calls = {node.name for node in walk(expression) if isinstance(node, Call)}
    if calls == {"registry_path"}:
        return _below_the_root
    return _without_entities if "event_text" in calls and calls <= {"event_text", "coalesce"} else None


def _asks(condition: Expression, column: str, indifferent: Callable[[Parts], bool], *, exists: bool = True) -> bool:
    """Whether a condition asks of a column only whether it is there, or matches what `indifferent` accepts."""
    match condition:
        case Exists(item=Column(name=name)):
            return exists or name != column
        case TextMatch(item=Column(name=name), parts=parts):
            return name != column or indifferent(parts)
        case In(item=Column(name=name), choices=ListLiteral(items=items)) if name == column:
            return all(isinstance(item, str) and indifferent((item,)) for item in items)
        case Column(name=name):
            return name != column
        case _:
            return all(_asks(child, column, indifferent, exists=exists) for child in children(condition))


def _below_the_root(parts: Parts) -> bool:
    """Whether what a pattern names first can stand only behind a path's root; then so does the rest of it."""
    if len(parts) < 2 or parts[0] is not Wildcard.ANY or not isinstance(parts[1], str):
        return False
    head, separator, _ = parts[1].lower().partition("\\")
    if separator:
        return not head or not any(root.endswith(head) for root in _ROOTS)
    return not any(head in root for root in _ROOTS)


def _without_entities(parts: Parts) -> bool:
    """Whether a pattern has no character that XML spells otherwise, and cannot begin inside such a spelling."""
    if Wildcard.ONE in parts:
        return False
    for place, text in enumerate(parts):
        if not isinstance(text, str):
            continue
        if not set("<>&").isdisjoint(text):
            return False
        lower = text.lower()
        if place and any(end.startswith(lower) or lower.startswith(end) for end in _ENDS):
            return False
    return True
