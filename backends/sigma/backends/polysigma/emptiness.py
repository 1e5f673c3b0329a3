"""Where an empty text can be: it counts as missing, but many functions take it for a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.expressions import (
    Call,
    Case,
    Column,
    Exists,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Or,
    TextMatch,
    conjuncts,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


def may_be_empty(value: Expression, doubtful: Container[str]) -> bool:
    """Whether a value can be an empty text, if the doubtful columns can, as those that events come with."""
    match value:
        case Column(name=name):
            return name in doubtful
        case Case(branches=branches, otherwise=otherwise):
            return any(may_be_empty(item, doubtful) for item in (*(result for _, result in branches), otherwise))
        case Call(name="base_name"):
            return True  # of a path that ends in a separator
        case Call(name="lower" | "address" | "registry_key" | "labels", arguments=(item, *_)):
            return may_be_empty(item, doubtful)
        case _:
            return False


def filled(parts: Iterable[Expression]) -> set[str]:
    """The columns that cannot be empty text where all of some tests hold."""
    found = set()
    for part in parts:
        match part:
            case Exists(item=Column(name=name)) | InNetwork(item=Column(name=name)):
                found.add(name)
            case TextMatch(item=Column(name=name), parts=texts) if any(isinstance(text, str) for text in texts):
                found.add(name)
            case In(item=Column(name=name), choices=ListLiteral(items=items)) if "" not in items:
                found.add(name)
            case Or(items=items):
                found |= set.intersection(*(filled(conjuncts(item)) for item in items))
            case _:
                pass
    return found
