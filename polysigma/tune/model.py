"""What tuning measures: how many alerts each value of a parameter would raise, and what of what is known it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polysigma.plan.metadata import ParameterValue


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a parameter, all others as they are."""

    value: ParameterValue
    label: str
    """The value for people; of a list, what is missing from it: `without 4444`."""
    alerts: int
    """Alerts in all of the data."""
    alerts_a_day: float
    found: int | None = None
    """How many of the hits that are known to be malicious it finds; None where none are known."""
    false: int | None = None
    """How many of the alerts are for something known to be benign, or in scenarios not named; None where it is not
    known what is."""
    default: bool = False
    """Whether this is the value that the rule (or the tuning) has now."""

    def as_dict(self) -> dict[str, Any]:
        """The point as JSON-ready data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Curve:
    """How sensitive a rule is to one of its parameters."""

    parameter: str
    about: str
    unit: str | None
    raising: str | None
    """What raising it costs and brings, as the rule says."""
    lowering: str | None
    points: tuple[Point, ...]
    """In ascending order of a number; of a list, the whole list first."""
    known: int = 0
    """How many hits are known to be malicious: the most that `found` can be."""
    refused: tuple[str, ...] = ()
    """Values that could not be tried, and why."""

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, which have a place on an axis."""
        return all(isinstance(point.value, int | float) and not isinstance(point.value, bool) for point in self.points)

    @property
    def default(self) -> Point | None:
        """The point of the value that the rule has now."""
        return next((point for point in self.points if point.default), None)

    def as_dict(self) -> dict[str, Any]:
        """The curve as JSON-ready data."""
        return {
            "parameter": self.parameter,
            "about": self.about,
            "unit": self.unit,
            "raise": self.raising,
            "lower": self.lowering,
            "known": self.known,
            "points": [point.as_dict() for point in self.points],
            "refused": list(self.refused),
        }
