"""Connections at exact times, for scenarios that sit on the edge of a threshold or of a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from polysigma.telemetry import lane as lanes
from polysigma.telemetry.addresses import Spelling
from polysigma.telemetry.traffic.base import Traffic
from polysigma.telemetry.values import Address, Duration, Port, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from polysigma.telemetry.events import Event
    from polysigma.telemetry.lane import Lane


class Exact(Traffic):
    """Connections that are counted, not rolled: so many in each hour of the window, or at given times."""

    kind: Literal["exact"]
    to: Address
    port: Port
    hourly: list[int] | None = Field(default=None, min_length=1)
    """Connections in the first hour of the window, in the second, ...: evenly spread, none on the edge."""
    at: list[Duration] | None = Field(default=None, min_length=1)
    """Times after the start of the window."""
    inbound: bool = False
    """Opened by the other side."""
    protocol: Literal["tcp", "udp"] = "tcp"
    spelling: Spelling = Spelling.NATIVE
    image: str = "C:\\Windows\\Temp\\exact.exe"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.hourly is None) == (self.at is None):
            raise refusal("needs exactly one of `hourly` and `at`")
        if any(count < 0 for count in self.hourly or ()):
            raise refusal("`hourly` counts connections: none can be negative")
        return self

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident(self.image)
        for time in self._times(lane.start):
            if self.inbound:
                yield lane.accept(time, process, self.to, self.port)
            else:
                yield lane.connect(time, process, self.to, self.port, protocol=self.protocol, spelling=self.spelling)

    def _times(self, start: float) -> list[float]:
        if self.at is not None:
            return sorted(start + offset for offset in self.at)
        return [
            start + lanes.HOUR * (hour + (number + 0.5) / count)
            for hour, count in enumerate(self.hourly or ())
            for number in range(count)
        ]
