"""What every kind of traffic has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from polysigma.telemetry.values import Duration  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.telemetry.events import Event
    from polysigma.telemetry.lane import Lane


class Scoped(BaseModel):
    """Something that happens on some hosts of a scenario, in a part of its span."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hosts: Literal["all"] | int | list[str] = "all"
    """`all`, a number of hosts picked by the seed, or a list of names with `*` and `?` (`srv-*`)."""
    from_: Duration = Field(default=0.0, alias="from")
    """From when on, counted from the start of the scenario."""
    until: Duration | None = None
    """Until when, counted from the start of the scenario; to its end where left out."""


class Traffic(Scoped):
    """A kind of traffic: its parameters, and the events that it makes on one host."""

    while_: Literal["always", "work"] = Field(default="always", alias="while")
    """`work` for a machine that is off when its user is not at work."""

    def events(self, lane: Lane) -> Iterator[Event]:
        """The events on the host of a lane, in the order of time. What falls outside the window is cut off later."""
        raise NotImplementedError
