"""Conditions as terms of `search`: what stands before the first pipe, so that the index is used.

SPL facts this rests on (Splunk Search Reference, "search"; Search Manual, "Wildcards", "Difference between NOT and
!="):
values are compared without regard to case; terms side by side are joined by AND; `NOT field=value` holds where the
field is missing, `field!=value` does not; a wildcard between two texts finds nothing where the text is cut at
punctuation in the index, so that only wildcards at an end stand here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import (
    And,
    Arithmetic,
    Call,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Or,
    Parameter,
    Regex,
    TextMatch,
    Wildcard,
    columns,
)
from polysigma.plan.types import Type

from .spl_text import escaped_text, is_sayable, means_network, search_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENOUGH = 3
"""The least length of a part of a pattern that is worth a term of its own."""


class Search:
    """Prints conditions as search terms, where they can be: on columns that the events have."""

    def __init__(
        self,
        types: Mapping[str, Type],
        *,
        prefix: str = "",
        fills: Mapping[str, str] | None = None,
        exact: frozenset[str] = frozenset(),
    ) -> None:
        self.types = types
        """The columns that a search can test."""
        self.prefix = prefix
        """What stands before each name: the data set, in `tstats`."""
        self.fills = fills or {}
        """What a data model puts where a field is missing."""
        self.exact = exact
        """Columns whose values come in one case only, so that a test with regard to case needs nothing more."""

    def terms(self, node: Expression, *, negate: bool = False, inner: bool = False) -> str | None:
        """A condition as one term, or several side by side; None where `search` cannot say it."""
        match node:
            case Not(item=item):
                return self.terms(item, negate=not negate, inner=inner)
            case And(items=items) if not negate:
                return self._joined(items, " ", inner=inner, negate=False)
            case Or(items=items):
                return self._alternatives(items, negate=negate, inner=inner)
            case And(items=items):
                return self._joined(items, " OR ", inner=True, negate=True)
            case Exists(item=Column(name=name)) | Regex(item=Column(name=name), pattern=""):
                return self._exists(name, negate=negate, inner=inner)
            case _:
                text = self._atom(node)
                return None if text is None else f"NOT {text}" if negate else text

    def hints(self, node: Expression) -> list[str]:
        """Terms that hold wherever a condition does that `search` cannot say; none where there is nothing to tell."""
        whole = self.terms(node, inner=True)
        if whole is not None:
            return [whole]
        match node:
            case And(items=items):
                return [hint for item in items for hint in self.hints(item)]
            case Or(items=items):
                found = [" ".join(hints) for item in items if (hints := self.hints(item))]
                both = [f"({hint})" if self._several(item) else hint for item, hint in zip(items, found, strict=False)]
                return [f"({' OR '.join(both)})"] if len(found) == len(items) else []
            case In(item=item, choices=choices, cased=True):
                return self._only(In(item, choices))
            case TextMatch(item=item, parts=parts, cased=True) if self.terms(TextMatch(item, parts)):
                return self._only(TextMatch(item, parts))
            case TextMatch(item=item, parts=parts):
                return [hint for piece in _pieces(parts) for hint in self._only(TextMatch(item, piece))]
            case _:
                return []

    def _only(self, node: Expression) -> list[str]:
        term = self.terms(node)
        return [term] if term is not None else []

    def _several(self, node: Expression) -> bool:
        return len(self.hints(node)) > 1

    def _alternatives(self, items: tuple[Expression, ...], *, negate: bool, inner: bool) -> str | None:
        """One of several, or none of them; texts that one column may match are put into a list."""
        parts: list[str] = []
        places: dict[str, int] = {}
        lists: dict[str, list[str]] = {}
        for item in items:
            match item:
                case TextMatch(item=Column(name=name), parts=pattern) if self._atom(item) is not None:
                    value = self._value(pattern)
                    assert value is not None
                    lists.setdefault(name, []).append(value)
                    if name not in places:
                        places[name] = len(parts)
                        parts.append("")
                case _:
                    term = self.terms(item, inner=True)
                    if term is None:
                        return None
                    parts.append(term)
        for name, place in places.items():
            values = lists[name]
            listed = f" IN ({', '.join(values)})" if len(values) > 1 else f"={values[0]}"
            parts[place] = f"{self._name(name)}{listed}"
        text = " ".join(f"NOT {part}" for part in parts) if negate else " OR ".join(parts)
        # OR always stands in parentheses: beside another term it would bind that as well.
        return f"({text})" if len(parts) > 1 and (inner or not negate) else text

    def _joined(self, items: tuple[Expression, ...], word: str, *, inner: bool, negate: bool) -> str | None:
        parts = [self.terms(item, negate=negate, inner=True) for item in items]
        if any(part is None for part in parts):
            return None
        text = word.join(part for part in parts if part)
        return f"({text})" if inner and len(parts) > 1 else text

    def _exists(self, column: str, *, negate: bool, inner: bool) -> str | None:
        if column not in self.types:
            return None
        name = self._name(column)
        if column in self.fills:
            fill = self._filled(column)
            return f"{name}={fill}" if negate else f"{name}!={fill}"
        if negate:
            return f'(NOT {name}=* OR {name}="")'
        return f'({name}=* {name}!="")' if inner else f'{name}=* {name}!=""'

    def filled(self, column: str) -> str | None:
        """A term that leaves out the rows in which a data model filled a column; None where it fills none."""
        return f"{self._name(column)}!={self._filled(column)}" if column in self.fills else None

    def _filled(self, column: str) -> str:
        fill = self.fills[column]
        return fill if self.types.get(column, Type.TEXT).is_number else escaped_text(fill)

    def _atom(self, node: Expression) -> str | None:
        if any(column not in self.types for column in columns(node)):
            return None
        match node:
            case Comparison(operator=operator, left=Column(name=name), right=Constant(value=value)):
                if isinstance(value, bool):
                    return f'{self._name(name)}{operator}"{str(value).lower()}"'
                if isinstance(value, str) or value is None or not self.types[name].is_number:
                    return None
                return f"{self._name(name)}{operator}{value!r}"
            case In(item=Column(name=name), choices=ListLiteral(items=items), cased=cased):
                texts = [self._value((item,)) for item in items if isinstance(item, str)]
                if self.types[name] is Type.ADDRESS or None in texts or (texts and cased and name not in self.exact):
                    return None
                listed = [text for text in texts if text] + [repr(item) for item in items if not isinstance(item, str)]
                if len(listed) == 1:
                    return f"{self._name(name)}={listed[0]}"
                return f"{self._name(name)} IN ({', '.join(listed)})"
            case TextMatch(item=Column(name=name), parts=parts, cased=cased):
                value = self._value(parts)
                if self.types[name] is Type.ADDRESS or value is None or (cased and name not in self.exact):
                    return None
                return f"{self._name(name)}={value}"
            case (
                Comparison()
                | In()
                | TextMatch()
                | Regex()
                | InNetwork()
                | Exists()
                | Column()
                | Constant()
                | ListLiteral()
                | Lookup()
                | Parameter()
                | Arithmetic()
                | Call()
                | Case()
                | And()
                | Or()
                | Not()
            ):
                return None
            case _:
                assert_never(node)

    def _name(self, column: str) -> str:
        return search_name(f"{self.prefix}{column}")

    def _value(self, parts: tuple[str | Wildcard, ...]) -> str | None:
        """A text or a pattern with wildcards at its ends only, in quotes; None where `search` would misread it."""
        inner = [part for part in parts if isinstance(part, str)]
        ends = [index for index, part in enumerate(parts) if part is Wildcard.ANY]
        if len(inner) != 1 or Wildcard.ONE in parts or any(index not in {0, len(parts) - 1} for index in ends):
            return None
        (text,) = inner
        if "*" in text or not is_sayable(text) or (not ends and means_network(text)):
            return None
        start, end = ("*" if position in ends else "" for position in (0, len(parts) - 1))
        return escaped_text(f"{start}{text}{end if len(parts) > 1 else ''}")


def _pieces(parts: tuple[str | Wildcard, ...]) -> list[tuple[str | Wildcard, ...]]:
    """What every text that matches a pattern must begin with, end with and contain."""
    found: list[tuple[str | Wildcard, ...]] = []
    for index, part in enumerate(parts):
        if not isinstance(part, str) or len(part) < _ENOUGH:
            continue
        before = () if index == 0 else (Wildcard.ANY,)
        after = () if index == len(parts) - 1 else (Wildcard.ANY,)
        found.append((*before, part, *after))
    return found
