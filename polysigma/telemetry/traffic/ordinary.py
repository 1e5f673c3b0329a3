"""What people and their machines do on a network all day: kinds of traffic with nothing wrong about them."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from math import log
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from polysigma.telemetry import addresses
from polysigma.telemetry import lane as lanes
from polysigma.telemetry.addresses import Spelling
from polysigma.telemetry.traffic.base import Traffic
from polysigma.telemetry.values import Address, Duration, Period, Port, Share  # noqa: TC001 - pydantic reads them

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.telemetry.events import Event, Process
    from polysigma.telemetry.lane import Lane

BROWSERS = (
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
    "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
)
_POPULARITY = list(accumulate(1 / rank for rank in range(1, len(addresses.SITES) + 1)))
"""Zipf: the second site has half the visits of the first, the third a third."""
_SPREAD = 1.3
"""Sigma of the log-normal pauses between two pages: most are short, a few are very long."""
_FAVOURITES = 25


def _any_site(lane: Lane) -> int:
    return bisect(_POPULARITY, lane.rng.random() * _POPULARITY[-1])


def _browser(lane: Lane) -> str:
    return BROWSERS[int(lane.habits.random() * len(BROWSERS))]


class Browsing(Traffic):
    """A person reading the web in working hours: favourite sites, bursts of connections to a page, long pauses."""

    kind: Literal["browsing"]
    pages_per_hour: float = Field(default=25.0, gt=0)
    via: Address | None = None
    """A proxy that all connections go to instead."""
    via_port: Port = 8080

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        favourites = [_any_site(lane) for _ in range(_FAVOURITES)]
        image = _browser(lane)
        pause = log(lanes.HOUR / self.pages_per_hour) - _SPREAD**2 / 2
        for begin, end in lane.workdays():
            time = begin + rng.expovariate(1 / 300)
            browser = lane.launch(time, image)
            yield lane.created(browser)
            while time < end:
                # Most visits are to a handful of sites that this person likes.
                site = favourites[int(_FAVOURITES * rng.random() ** 1.6)] if rng.random() < 0.75 else _any_site(lane)
                for event in self._page(lane, time, browser, site):
                    time = event.time
                    yield event
                time += rng.lognormvariate(pause, _SPREAD)
                if rng.random() < 0.02:
                    time += 600 * min(rng.paretovariate(1.2), 12)

    def _page(self, lane: Lane, time: float, browser: Process, site: int) -> Iterator[Event]:
        rng = lane.rng
        name, ip = addresses.site_name(site), addresses.SITES[site]
        if self.via is None:
            yield lane.look_up(time, browser, name, ip)
        for number in range(min(int(rng.paretovariate(1.4)), 12)):
            time += rng.expovariate(9)
            if self.via is not None:
                yield lane.connect(time, browser, self.via, self.via_port)
            elif number == 0 or rng.random() < 0.25:
                yield lane.connect(time, browser, ip, 443 if rng.random() < 0.97 else 80, name=name)
            else:
                # What a page embeds comes from somewhere else.
                yield lane.connect(time, browser, addresses.SITES[_any_site(lane)], 443)


class Proxy(Browsing):
    """Browsing through the company's proxy: one private address and port for everything."""

    kind: Literal["proxy"]  # type: ignore[assignment]
    via: Address | None = addresses.PROXY


class Ipv6(Traffic):
    """Web traffic over IPv6, and over dual-stack sockets, in every spelling that a platform may write."""

    kind: Literal["ipv6"]
    per_hour: float = Field(default=20.0, gt=0)
    mapped: Share = 0.25
    """The share of connections to IPv4 addresses through a dual-stack socket (`::ffff:192.0.2.1`)."""

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        mapped = (Spelling.MAPPED, Spelling.MAPPED, Spelling.MAPPED_HEX)
        for begin, end in lane.workdays():
            process = lane.launch(begin, _browser(lane))
            yield lane.created(process)
            for time in lane.poisson(self.per_hour, begin, end):
                site = _any_site(lane)
                if rng.random() < self.mapped:
                    spelling = mapped[int(rng.random() * 3)]
                    yield lane.connect(time, process, addresses.SITES[site], 443, spelling=spelling)
                else:
                    spelling = Spelling.COMPRESSED if rng.random() < 0.2 else Spelling.NATIVE
                    yield lane.connect(time, process, f"2001:db8:51::{site + 1:x}", 443, spelling=spelling)


class Cdn(Traffic):
    """Streams and downloads in working hours: dozens of connections to one of a few addresses, then nothing."""

    kind: Literal["cdn"]
    sessions_per_day: float = Field(default=2.0, gt=0)

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        for begin, end in lane.workdays():
            process = lane.launch(begin, _browser(lane))
            time = begin
            for start in lane.poisson(self.sessions_per_day * lanes.HOUR / (end - begin + 1), begin, end):
                time = max(time, start)
                edge = addresses.CDN[int(rng.random() * len(addresses.CDN))]
                yield lane.look_up(time, process, "media.example.net", edge, alias="edge.cdn.example")
                for _ in range(min(int(6 * rng.paretovariate(1.1)), 150)):
                    time += rng.lognormvariate(2.5, 1.0)
                    yield lane.connect(time, process, edge, 443)


class Polling(Traffic):
    """A page left open in a tab, or a desktop application: it asks its server again and again while its user works.

    The hardest of ordinary traffic for whoever looks for beacons: steady, and often to a server that nobody else uses.
    """

    kind: Literal["polling"]
    to: Address | None = None
    """The server; one of the less popular sites, another for each host, where left out."""
    port: Port = 443
    period: Period | None = None
    """Between half a minute and ten minutes, another for each host, where left out."""
    jitter: Share = 0.05

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        server = self.to or addresses.SITES[100 + int(rng.random() * (len(addresses.SITES) - 100))]
        period = self.period or 30 * 20 ** rng.random()
        for begin, end in lane.workdays():
            process = lane.launch(begin, _browser(lane))
            yield lane.created(process)
            time = begin + rng.random() * 1800
            while time < end:
                # Open for an hour or two, then closed for a while.
                closed = time + rng.lognormvariate(8.5, 0.7)
                while time < min(closed, end):
                    yield lane.connect(time, process, server, self.port)
                    time += period * (1 + self.jitter * (2 * rng.random() - 1))
                time += rng.expovariate(1 / 3600)


class Resolver(Traffic):
    """The DNS client service asking a resolver, day and night, more in working hours; each query from a new port."""

    kind: Literal["resolver"]
    to: Address = addresses.INTERNAL_RESOLVER
    per_hour: float = Field(default=12.0, gt=0)

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident(lanes.SVCHOST, lanes.NETWORK_SERVICE, "svchost.exe -k NetworkService -s Dnscache")
        days = lane.workdays()
        begin, end = next(days, (lane.end, lane.end))
        for time in lane.poisson(self.per_hour):
            if time >= end:
                begin, end = next(days, (lane.end, lane.end))
            # Thinning: at night a fifth is left.
            if begin <= time < end or lane.rng.random() < 0.2:
                yield lane.connect(time, process, self.to, 53, protocol="udp")


class Ntp(Traffic):
    """The time service: a steady period, always from and to port 123."""

    kind: Literal["ntp"]
    to: Address = addresses.TIME_SERVER
    period: Period = 1024.0

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident(lanes.SVCHOST, "NT AUTHORITY\\LOCAL SERVICE", "svchost.exe -k LocalService -s W32Time")
        for time in lane.every(self.period, 0.01):
            yield lane.connect(time, process, self.to, 123, protocol="udp", local_port=123)


class Updater(Traffic):
    """A scheduled task that asks for updates: the steadiest flow of all, and harmless."""

    kind: Literal["updater"]
    period: Period = 3600.0
    to: list[Address] = Field(default=list(addresses.UPDATE_SERVERS), min_length=1)
    port: Port = 443
    connections: int = Field(default=2, ge=1)
    """Connections each time."""
    image: str = "C:\\Program Files\\Common\\Update\\updater.exe"

    def events(self, lane: Lane) -> Iterator[Event]:
        for time in lane.every(self.period, 0.002):
            process = lane.launch(time, self.image, user=lanes.SYSTEM)
            yield lane.created(process)
            server = self.to[int(lane.rng.random() * len(self.to))]
            yield lane.look_up(time + 0.05, process, "update.example.com", server)
            for number in range(self.connections):
                yield lane.connect(time + 0.1 + 0.4 * number, process, server, self.port, name="update.example.com")


class Push(Traffic):
    """A client that holds one connection open for notifications, and opens it again whenever it breaks."""

    kind: Literal["push"]
    to: Address = addresses.PUSH_SERVER
    port: Port = 5228
    lasts: Period = 1800.0
    """The usual life of a connection; real ones vary widely about it."""

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident("C:\\Program Files\\Messenger\\messenger.exe", lane.host.user)
        time = lane.start + lane.rng.random() * self.lasts
        while time < lane.end:
            yield lane.connect(time, process, self.to, self.port)
            time += lane.rng.lognormvariate(log(self.lasts), 0.8)


class Backup(Traffic):
    """The nightly backup: many connections to one server in half an hour, then none until the next night."""

    kind: Literal["backup"]
    to: Address = addresses.BACKUP_SERVER
    port: Port = 443
    at: Duration = 3600.0
    """When it starts, after midnight UTC."""
    connections: int = Field(default=40, ge=1)

    def events(self, lane: Lane) -> Iterator[Event]:
        night = lane.start - lane.start % lanes.DAY + self.at + lane.rng.random() * 1200
        while night < lane.end:
            process = lane.launch(night, "C:\\Program Files\\Backup\\agent.exe", user=lanes.SYSTEM)
            yield lane.created(process)
            time = night
            for _ in range(int(self.connections * (0.7 + 0.6 * lane.rng.random()))):
                time += lane.rng.expovariate(self.connections / 1800)
                yield lane.connect(time, process, self.to, self.port)
            night += lanes.DAY


class Monitoring(Traffic):
    """A health check: the same address and port every minute, day and night, a few of them missed."""

    kind: Literal["monitoring"]
    to: Address = addresses.MONITOR
    port: Port = 8443
    period: Period = 60.0
    missed: Share = 0.01

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident("C:\\Program Files\\Monitor\\agent.exe")
        for time in lane.every(self.period, 0.02):
            if lane.rng.random() >= self.missed:
                yield lane.connect(time, process, self.to, self.port)


class Internal(Traffic):
    """Chatter inside: domain controllers, the file server, printers."""

    kind: Literal["internal"]
    per_hour: float = Field(default=15.0, gt=0)

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        system = lane.resident("System")
        lsass = lane.resident("C:\\Windows\\System32\\lsass.exe")
        spooler = lane.resident("C:\\Windows\\System32\\spoolsv.exe")
        for time in lane.poisson(self.per_hour):
            dice = rng.random()
            if dice < 0.5:
                controller = addresses.DOMAIN_CONTROLLERS[int(rng.random() * 2)]
                yield lane.connect(time, lsass, controller, (88, 389, 445, 135)[int(rng.random() * 4)])
            elif dice < 0.9:
                yield lane.connect(time, system, addresses.FILE_SERVER, 445)
            else:
                yield lane.connect(time, spooler, addresses.PRINTERS[int(rng.random() * 2)], 9100)


class Inbound(Traffic):
    """A server that the internet talks to: connections that others opened."""

    kind: Literal["inbound"]
    port: Port = 443
    per_hour: float = Field(default=30.0, gt=0)
    image: str = "C:\\Windows\\System32\\inetsrv\\w3wp.exe"

    def events(self, lane: Lane) -> Iterator[Event]:
        process = lane.resident(self.image)
        for time in lane.poisson(self.per_hour):
            # A few regular clients, and a long tail of others.
            client = int(250 * lane.rng.random() ** 3) + 1
            ip = f"203.0.113.{client}" if lane.rng.random() < 0.9 else f"2001:db8:c::{client:x}"
            yield lane.accept(time, process, ip, self.port)


class Lookups(Traffic):
    """Names looked up by one process: ordinary ones, or made by a domain generation algorithm."""

    kind: Literal["lookups"]
    per_hour: float = Field(default=60.0, gt=0)
    generated: bool = False
    """Random-looking names, most of which do not exist."""
    missing: Share = 0.9
    """The share of generated names that do not exist."""
    image: str = lanes.SVCHOST

    def events(self, lane: Lane) -> Iterator[Event]:
        rng = lane.rng
        process = lane.resident(self.image, lane.host.user)
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        for time in lane.poisson(self.per_hour):
            if not self.generated:
                site = _any_site(lane)
                yield lane.look_up(time, process, addresses.site_name(site), addresses.SITES[site])
                continue
            name = "".join(letters[int(rng.random() * 36)] for _ in range(12 + int(rng.random() * 8))) + ".example"
            if rng.random() < self.missing:
                yield lane.look_up(time, process, name, status=9003)
            else:
                yield lane.look_up(time, process, name, f"203.0.113.{int(rng.random() * 250) + 1}")


class Processes(Traffic):
    """Programs that people and schedules start."""

    kind: Literal["processes"]
    per_hour: float = Field(default=8.0, gt=0)
    image: str | None = None
    """One program instead of the usual mixture."""
    command_line: str | None = None

    def events(self, lane: Lane) -> Iterator[Event]:
        usual = (
            ("C:\\Windows\\System32\\notepad.exe", "notepad.exe notes.txt"),
            ("C:\\Windows\\System32\\cmd.exe", "cmd.exe /c dir"),
            ("C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE", '"WINWORD.EXE" /n report.docx'),
            ("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "powershell.exe -NoProfile Get-Date"),
            ("C:\\Windows\\System32\\taskhostw.exe", "taskhostw.exe"),
        )
        for begin, end in lane.workdays():
            for time in lane.poisson(self.per_hour, begin, end):
                image, command_line = usual[int(lane.rng.random() ** 2 * len(usual))]
                if self.image is not None:
                    image, command_line = self.image, self.command_line or f'"{self.image}"'
                yield lane.created(lane.launch(time, image, command_line=command_line))
