"""Pages of a bounded size: a part that has a shorter form takes it where the whole would be too long.

A responder on a bad line at three in the morning waits for bytes, so the limit is a promise and not a wish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polysigma.site.markup import LIMIT, contents, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

AROUND = 2_500
"""Bytes kept for what stands around the body of a page."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page in its forms, the longest first."""

    forms: tuple[str, ...]
    rank: int = 0
    """Parts of a higher rank are shortened first; one of rank 0 has one form only."""


def part(form: str, *shorter: str, rank: int = 0) -> Part:
    return Part((form, *shorter), rank)


def fitted(first: str, parts: Sequence[Part], limit: int = LIMIT - AROUND) -> str:
    """The body of a page: its verdict, the links to its sections, and each part in the longest form that fits.

    Where the shortest forms do not fit either, the page is longer than the limit: nothing is left out in silence, and a
    test over the package's pages tells.
    """
    chosen = [0] * len(parts)
    steps = sorted(
        ((one.rank, index) for index, one in enumerate(parts) for _ in one.forms[1:]),
        key=lambda step: (-step[0], step[1]),
    )

    def whole() -> str:
        body = joined(*(one.forms[form] for one, form in zip(parts, chosen, strict=True)))
        return joined(first, contents(body), body)

    found = whole()
    for _, index in steps:
        if len(found.encode()) <= limit:
            break
        chosen[index] += 1
        found = whole()
    return found
