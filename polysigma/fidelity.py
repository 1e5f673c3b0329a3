"""How faithfully a query says what its rule says, and what it loses: the words of claims, printers and proofs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class FidelityLevel(StrEnum):
    """How faithfully a query on a platform says what the rule says, best first."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    BLIND = "blind"
    REFUSED = "refused"


def at_least(length: int, **parts: str | tuple[object, ...]) -> None:
    """Raises ValueError for a text or list that is too short to say what it is there for."""
    for name, part in parts.items():
        if len(part) < length:
            raise ValueError(f"`{name}` is too short")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A declared loss of fidelity."""

    level: Literal[FidelityLevel.APPROXIMATE, FidelityLevel.BLIND]
    reason: str
    unshown: str | None = None
    """Why no scenario can show it, as a sentence; None where one can."""

    def __post_init__(self) -> None:
        at_least(10, reason=self.reason, **({} if self.unshown is None else {"unshown": self.unshown}))


def approximately(reason: str, unshown: str | None = None) -> Loss:
    """A loss of what a query finds; `unshown` says why no scenario can show it."""
    return Loss(level=FidelityLevel.APPROXIMATE, reason=reason, unshown=unshown)
