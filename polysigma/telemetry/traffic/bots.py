"""What a machine does that no longer belongs to its owner alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from polysigma.telemetry.traffic.base import Traffic
from polysigma.telemetry.values import Address, Duration, Period, Port, Share, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from polysigma.telemetry.events import Event
    from polysigma.telemetry.lane import Lane

_DROPPED = "C:\\Users\\Public\\Libraries\\hostsvc.exe"


class Beacon(Traffic):
    """A bot that checks in: a period with jitter, to one address and port."""

    kind: Literal["beacon"]
    to: Address
    port: Port = 443
    period: Period = 300.0
    jitter: Share = 0.3
    """Each wait varies evenly by this fraction of the period, up and down."""
    phase: Duration | None = None
    """When the first check-in comes, after the window begins; at random within the first period where left out."""
    missed: Share = 0.0
    protocol: Literal["tcp", "udp"] = "tcp"
    image: str = _DROPPED
    domain: str | None = None
    """A name that the bot looks up before each check-in."""

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.launch(lane.start, self.image, command_line=f'"{self.image}" -s')
        yield lane.created(process)
        for time in lane.every(self.period, self.jitter, self.phase):
            if self.missed and lane.rng.random() < self.missed:
                continue
            if self.domain:
                yield lane.look_up(time, process, self.domain, self.to)
            yield lane.connect(time, process, self.to, self.port, protocol=self.protocol, name=self.domain)


class SlowBeacon(Beacon):
    """A bot that checks in a few times a day: low and slow."""

    kind: Literal["slow_beacon"]  # type: ignore[assignment]
    period: Period = 10800.0
    jitter: Share = 0.35


class Irc(Traffic):
    """A bot in an IRC channel that is thrown out again and again, and comes back with growing patience."""

    kind: Literal["irc"]
    to: Address
    port: Port = 6667
    session: Period = 900.0
    """How long it stays on average."""
    image: str = "C:\\Users\\Public\\mirc32.exe"

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        process = lane.launch(lane.start, self.image)
        yield lane.created(process)
        time = lane.start + rng.random() * 120
        while time < lane.end:
            for attempt in range(1 + int(rng.random() * 3)):
                time += 5 * 2**attempt * (0.8 + 0.4 * rng.random())
                yield lane.connect(time, process, self.to, self.port)
            time += rng.expovariate(1 / self.session)


class Socks(Traffic):
    """A relay for hire: it fetches its tasks from a controller on the SOCKS port and carries them out as itself."""

    kind: Literal["socks"]
    to: Address
    port: Port = 1080
    tasks_per_hour: float = Field(default=12.0, gt=0)
    relayed: float = Field(default=2.0, ge=0)
    """Connections to somewhere else that a task makes on average."""
    inbound: float = Field(default=0.0, ge=0)
    """Connections an hour that customers open to the relay itself."""
    image: str = "C:\\ProgramData\\netproxy\\netproxy.exe"

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        process = lane.launch(lane.start, self.image)
        yield lane.created(process)
        share = self.inbound / (self.inbound + self.tasks_per_hour)
        last = lane.start
        for planned in lane.poisson(self.inbound + self.tasks_per_hour):
            time = max(planned, last)
            if rng.random() < share:
                yield lane.accept(time, process, f"203.0.113.{int(rng.random() * 250) + 1}", self.port)
            else:
                yield lane.connect(time, process, self.to, self.port)
                for _ in range(int(rng.random() * (2 * self.relayed + 1))):
                    time += rng.expovariate(1)
                    target = f"198.51.100.{int(rng.random() * 254) + 1}"
                    yield lane.connect(time, process, target, (443, 443, 80, 25)[int(rng.random() * 4)])
            last = time


class Burst(Traffic):
    """Many connections in a short time, to one address or to its ports in turn: a flood, a spray, a spam run."""

    kind: Literal["burst"]
    to: list[Address] = Field(min_length=1)
    ports: list[Port] = Field(default=[80], min_length=1)
    connections: int = Field(default=500, ge=1)
    at: Duration = 0.0
    lasts: Period = 600.0
    image: str = _DROPPED

    def events(self, lane: Lane) -> Iterator[Event]:
        start = lane.start + self.at
        process = lane.launch(start, self.image)
        yield lane.created(process)
        gap = self.lasts / self.connections
        for number in range(self.connections):
            time = start + gap * (number + lane.rng.random())
            yield lane.connect(time, process, self.to[number % len(self.to)], self.ports[number % len(self.ports)])


class Scan(Traffic):
    """A port scan: every port of every target once, in an order of its own."""

    kind: Literal["scan"]
    to: list[Address] = Field(min_length=1)
    ports: list[Port] | None = None
    first_port: Port = 1
    last_port: Port = 1024
    """Without a list of ports: all from `first_port` to `last_port`."""
    per_second: float = Field(default=20.0, gt=0)
    at: Duration = 0.0
    image: str = _DROPPED

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_port > self.last_port:
            raise refusal("first_port must not be above last_port")
        return self

    def events(self, lane: Lane) -> Iterator[Event]:
        time = lane.start + self.at
        process = lane.launch(time, self.image)
        yield lane.created(process)
        ports = self.ports if self.ports is not None else list(range(self.first_port, self.last_port + 1))
        targets = [(ip, port) for ip in self.to for port in ports]
        lane.rng.shuffle(targets)
        for ip, port in targets:
            time += lane.rng.expovariate(self.per_second)
            yield lane.connect(time, process, ip, port)
