"""One kind of traffic on one host: the dice, the window, and how its events are made."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING

from polysigma.telemetry.addresses import Spelling, is_ipv6
from polysigma.telemetry.events import DnsQuery, NetworkConnection, Process, ProcessCreation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.telemetry.events import Event
    from polysigma.telemetry.hosts import Host

HOUR = 3600.0
DAY = 86400.0
SERVICES = "C:\\Windows\\System32\\services.exe"
EXPLORER = "C:\\Windows\\explorer.exe"
SVCHOST = "C:\\Windows\\System32\\svchost.exe"
SYSTEM = "NT AUTHORITY\\SYSTEM"
NETWORK_SERVICE = "NT AUTHORITY\\NETWORK SERVICE"


class Lane:
    """What a kind of traffic needs to make the events of one host: `start` and `end` bound it, `rng` is its own.

    Nothing here or in the kinds reads the clock, the process or the global random state: a seed gives the same events
    everywhere. Kinds yield their events in the order of time.
    """

    def __init__(self, host: Host, seed: str, start: float, end: float) -> None:
        self.host = host
        self.rng = Random(seed)  # noqa: S311 - dice, not secrets
        self.habits = Random(f"{seed.partition('/')[0]} habits {host.name.lower()}")  # noqa: S311 - the same in all lanes
        self.start = start
        self.end = end
        self._begin_of_day = min(max(self.habits.gauss(8.4, 0.8), 5.5), 11.0) * HOUR
        self._length_of_day = min(max(self.habits.gauss(8.7, 1.1), 4.0), 12.0) * HOUR
        self._weekends = self.habits.random() < 0.1
        self._days = f"{seed.partition('/')[0]} days {host.name.lower()}"
        self._port = 49152 + int(self.rng.random() * 16000)
        self._latency = 2.0 + 6.0 * self.rng.random()
        self._processes = 0

    def workdays(self) -> Iterator[tuple[float, float]]:
        """When the host's user is at work within the window: (from, until), a day at a time, by UTC.

        The same for every kind of traffic on the host.
        """
        midnight = self.start - self.start % DAY
        while midnight < self.end:
            weekend = datetime.fromtimestamp(midnight, UTC).weekday() >= 5
            day = Random(f"{self._days} {midnight:.0f}")  # noqa: S311 - dice, not secrets
            begin = midnight + self._begin_of_day + day.gauss(0, 900)
            end = begin + self._length_of_day + day.gauss(0, 1800)
            if (not weekend or self._weekends) and end > self.start and begin < self.end:
                yield max(begin, self.start), min(end, self.end)
            midnight += DAY

    def at_work(self, events: Iterator[Event]) -> Iterator[Event]:
        """Those of some events that fall into the hours of work."""
        days = self.workdays()
        begin, end = next(days, (self.end, self.end))
        for event in events:
            while event.time >= end and begin < self.end:
                begin, end = next(days, (self.end, self.end))
            if begin <= event.time < end:
                yield event

    def every(self, period: float, jitter: float = 0.0, phase: float | None = None) -> Iterator[float]:
        """Times a period apart until the window ends.

        Each gap varies evenly by the fraction `jitter` of the period; the first comes `phase` seconds after the start
        of the window, or at a random point of the first period.
        """
        time = self.start + (self.rng.random() * period if phase is None else phase)
        while time < self.end:
            yield time
            time += period * (1 + jitter * (2 * self.rng.random() - 1)) if jitter else period

    def poisson(self, per_hour: float, start: float | None = None, end: float | None = None) -> Iterator[float]:
        """Times at random, `per_hour` of them in an hour on average."""
        time = self.start if start is None else start
        end = self.end if end is None else end
        while per_hour > 0:
            time += self.rng.expovariate(per_hour / HOUR)
            if time >= end:
                return
            yield time

    def launch(self, time: float, image: str, *, user: str | None = None, command_line: str | None = None) -> Process:
        """A process that starts at `time`; `created` makes the event of it."""
        user = user or self.host.user
        service = user.startswith("NT AUTHORITY")
        parent = SERVICES if service else EXPLORER
        self._processes += 1
        key = f"{self.host.name.lower()} {image} {time:.3f} {self._processes}"
        mark = blake2b(key.encode(), digest_size=16).hexdigest()
        machine = self.host.aid[:8]
        parent_mark = blake2b(f"{self.host.name.lower()} {parent}".encode(), digest_size=16).hexdigest()
        return Process(
            image=image,
            command_line=command_line or f'"{image}"',
            user=user,
            parent_image=parent,
            parent_command_line=parent,
            pid=1000 + 4 * (int(mark[:4], 16) % 8000),
            parent_pid=600 + 4 * (int(parent_mark[:4], 16) % 100),
            started=time,
            guid=f"{{{machine}-{mark[:4]}-{mark[4:8]}-{mark[8:12]}-{mark[12:24]}}}",
            parent_guid=f"{{{machine}-{parent_mark[:4]}-{parent_mark[4:8]}-{parent_mark[8:12]}-{parent_mark[12:24]}}}",
            falcon_id=str(int(mark[:15], 16)),
            falcon_parent_id=str(int(parent_mark[:15], 16)),
        )

    def resident(self, image: str, user: str = SYSTEM, command_line: str | None = None) -> Process:
        """A process that was already running when the window began."""
        return self.launch(self.start - self.rng.random() * 5 * DAY - 60, image, user=user, command_line=command_line)

    def created(self, process: Process) -> ProcessCreation:
        time = round(process.started, 3)
        return ProcessCreation(time, self._arrival(time), self.host, process)

    def connect(
        self,
        time: float,
        process: Process,
        ip: str,
        port: int,
        *,
        protocol: str = "tcp",
        name: str | None = None,
        spelling: Spelling = Spelling.NATIVE,
        local_port: int | None = None,
    ) -> NetworkConnection:
        """A connection that the host opens."""
        if local_port is None:
            local_port = self._port = self._port + 1 if self._port < 65535 else 49152
        time = round(time, 3)
        local = self.host.ip6 if is_ipv6(ip) else self.host.ip
        return NetworkConnection(
            time,
            time + self._latency + 4.0 * self.rng.random(),
            self.host,
            process,
            protocol,
            True,  # noqa: FBT003 - the order of the fields; keywords cost a tenth of the time of a long run
            local,
            local_port,
            ip,
            port,
            name,
            spelling,
        )

    def accept(self, time: float, process: Process, ip: str, port: int) -> NetworkConnection:
        """A connection that another machine opens to a port of the host."""
        time = round(time, 3)
        return NetworkConnection(
            time=time,
            arrival=self._arrival(time),
            host=self.host,
            process=process,
            protocol="tcp",
            initiated=False,
            local_ip=self.host.ip6 if is_ipv6(ip) else self.host.ip,
            local_port=port,
            remote_ip=ip,
            remote_port=49152 + int(self.rng.random() * 16000),
        )

    def look_up(
        self, time: float, process: Process, name: str, *answers: str, alias: str | None = None, status: int = 0
    ) -> DnsQuery:
        """A name that the host looks up."""
        time = round(time, 3)
        return DnsQuery(time, self._arrival(time), self.host, process, name, answers, alias, status)

    def _arrival(self, time: float) -> float:
        return time + self._latency + 4.0 * self.rng.random()
