"""Lookups: lists of texts that a site uploads to its platform, so that queries name them and do not hold them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from polysigma.plan.expressions import In, Lookup, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from polysigma.plan.steps import Plan

COLUMN = "value"
"""The one column of each lookup that is uploaded."""

PREFIX = "polysigma_"
"""What the names of lookups start with, on every platform: they are told from a site's own."""


def lookups_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The lookups that a plan asks for, by name, and what is in each."""
    found: dict[str, tuple[str, ...]] = {}
    for source in plan.sources:
        for node in walk(source.condition):
            if isinstance(node, In) and isinstance(node.choices, Lookup):
                found[node.choices.name] = node.choices.items
    return found


def rows_of(items: Iterable[str]) -> list[str]:
    """The values as they are uploaded, each once: in lower case, as queries compare them, since platforms differ in
    whether their lookups regard case; an IPv6 address in each spelling that one of our queries may ask for."""
    return list(dict.fromkeys(spelling for item in items for spelling in _spellings(_lower(item))))


def _lower(text: str) -> str:
    """Letter by letter, as the engines do it."""
    return "".join("i" if letter == "\u0130" else letter.lower() for letter in text)


def _spellings(text: str) -> Sequence[str]:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return (text,)
    eight = ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
    return tuple(dict.fromkeys((str(address), eight, address.exploded)))
