"""Events that are counted, not rolled, for scenarios that sit on the edge of a threshold or of a bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from polysigma.telemetry import lane as lanes
from polysigma.telemetry.addresses import Spelling
from polysigma.telemetry.traffic.base import Traffic
from polysigma.telemetry.values import Address, Duration, Period, Port, refusal

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
    local_port: Port | None = None
    """The port of the host's that all come from, as of a service's own socket; a new one each where left out."""
    answered: bool = True
    """Whether the other end answers; else there is an attempt at a connection, and none."""
    image: str = "C:\\Windows\\Temp\\exact.exe"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.hourly is None) == (self.at is None):
            raise refusal("needs exactly one of `hourly` and `at`")
        if any(count < 0 for count in self.hourly or ()):
            raise refusal("`hourly` counts connections: none can be negative")
        if self.local_port is not None and self.inbound:
            raise refusal("`local_port` is for connections that the host opens: of the others `port` is the host's")
        return self

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident(self.image)
        for time in self._times(lane.start):
            if self.inbound:
                event = lane.accept(time, process, self.to, self.port)
            else:
                event = lane.connect(
                    time,
                    process,
                    self.to,
                    self.port,
                    protocol=self.protocol,
                    spelling=self.spelling,
                    local_port=self.local_port,
                )
            yield event if self.answered else replace(event, answered=False)

    def _times(self, start: float) -> list[float]:
        if self.at is not None:
            return sorted(start + offset for offset in self.at)
        return [
            start + lanes.HOUR * (hour + (number + 0.5) / count)
            for hour, count in enumerate(self.hourly or ())
            for number in range(count)
        ]


class Starts(Traffic):
    """A program that is started at given times, with one command line."""

    kind: Literal["starts"]
    image: str
    command_line: str
    at: list[Duration] = Field(min_length=1)
    """Times after the start of the window."""

    def events(self, lane: Lane) -> Iterator[Event]:
        for offset in sorted(self.at):
            yield lane.created(lane.launch(lane.start + offset, self.image, command_line=self.command_line))


class Queries(Traffic):
    """Different names, each looked up once by one process: so many that look made up, so many that are words."""

    kind: Literal["queries"]
    made_up: int = Field(default=0, ge=0)
    """Names of twelve letters below the ending, without a vowel among them."""
    words: int = Field(default=0, ge=0)
    """Names of twelve letters, every second of them a vowel."""
    names: list[str] = Field(default=[])
    """Names as they are."""
    ending: str = "example"
    at: Duration = 0.0
    lasts: Period = 60.0
    missing: bool = True
    """Whether there are no such names; else each has an address."""
    encrypted: bool = False
    """Whether they are asked over HTTPS or TLS, so that nobody on the way can read them."""
    image: str = "C:\\Users\\Public\\Libraries\\hostsvc.exe"

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.made_up or self.words or self.names):
            raise refusal("needs names: `made_up`, `words` or `names`")
        return self

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident(self.image, lane.host.user)
        names = [
            *(self._name(lane, _CONSONANTS) for _ in range(self.made_up)),
            *(self._name(lane, _VOWELS) for _ in range(self.words)),
            *self.names,
        ]
        lane.rng.shuffle(names)
        for number, name in enumerate(names):
            time = lane.start + self.at + self.lasts * (number + 0.5) / len(names)
            if self.missing:
                event = lane.look_up(time, process, name, status=9003)
            else:
                event = lane.look_up(time, process, name, "203.0.113.80")
            yield replace(event, encrypted=True) if self.encrypted else event

    def _name(self, lane: Lane, second: str) -> str:
        """Twelve letters, the second of each pair from `second`: enough of them that two names are never the same."""
        pairs = (lane.rng.choice(_CONSONANTS) + lane.rng.choice(second) for _ in range(6))
        return f"{''.join(pairs)}.{self.ending}"


_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_VOWELS = "aeiou"
