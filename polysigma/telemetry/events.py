"""Canonical events: what happened on a host, before any platform writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from polysigma.telemetry.addresses import Spelling, is_ipv6

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.hosts import Host

Overrides = tuple[tuple[str, str | None], ...]
"""(Sigma field, value) where what was recorded differs from what happened; None for a field that was lost."""

Vendor = Literal["fortinet", "cisco"]
"""Whose a firewall is: a FortiGate of Fortinet's, an ASA of Cisco's."""

PORT_NAMES = {
    22: "ssh",
    25: "smtp",
    53: "domain",
    80: "http",
    88: "kerberos",
    123: "ntp",
    135: "epmap",
    389: "ldap",
    443: "https",
    445: "microsoft-ds",
    1080: "socks",
}
"""Names of ports as a Windows services file gives them; a port that is not here has none."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a host. `number` tells apart the processes that one host ran."""

    image: str
    command_line: str
    user: str
    parent_image: str
    parent_command_line: str
    pid: int
    parent_pid: int
    started: float
    guid: str
    parent_guid: str
    falcon_id: str
    falcon_parent_id: str

    @property
    def integrity(self) -> str:
        return "System" if self.user.startswith("NT AUTHORITY") else "Medium"

    @property
    def sha256(self) -> str:
        return blake2b(self.image.lower().encode(), digest_size=32).hexdigest()

    @property
    def md5(self) -> str:
        return blake2b(self.image.lower().encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class NetworkConnection:
    """A connection as its host saw it. `initiated` is false where the other side opened it."""

    category: ClassVar[str] = "network_connection"

    time: float
    """Epoch seconds by the endpoint's clock, in whole milliseconds."""
    arrival: float
    """When the platform received it."""
    host: Host
    process: Process
    protocol: str
    initiated: bool
    local_ip: str
    local_port: int
    remote_ip: str
    """Canonical; what a platform writes follows from `spelling`."""
    remote_port: int
    remote_name: str | None = None
    spelling: Spelling = Spelling.NATIVE
    overrides: Overrides = ()
    answered: bool = True
    """False where it was attempted, and the other end never answered."""

    def fields(self) -> dict[str, Any]:
        """Sigma field -> typed value, without what was lost."""
        local, remote = (self.local_ip, self.local_port, None), (self.remote_ip, self.remote_port, self.remote_name)
        source, destination = (local, remote) if self.initiated else (remote, local)
        return _with_overrides(
            {
                "Computer": self.host.name,
                "UtcTime": self.time,
                **_process_fields(self.process),
                "Protocol": self.protocol,
                "Initiated": self.initiated,
                "SourceIsIpv6": is_ipv6(source[0]),
                "SourceIp": source[0],
                "SourcePort": source[1],
                "SourceHostname": source[2],
                "SourcePortName": PORT_NAMES.get(source[1]),
                "DestinationIsIpv6": is_ipv6(destination[0]),
                "DestinationIp": destination[0],
                "DestinationPort": destination[1],
                "DestinationHostname": destination[2],
                "DestinationPortName": PORT_NAMES.get(destination[1]),
            },
            self.overrides,
        )


@dataclass(frozen=True, slots=True)
class DnsQuery:
    """A name that a process looked up, and the answer. `status`: 0, or 9003 for no such name (Windows DNS)."""

    category: ClassVar[str] = "dns_query"

    time: float
    arrival: float
    host: Host
    process: Process
    name: str
    answers: tuple[str, ...]
    """Addresses, canonical."""
    alias: str | None = None
    """A CNAME on the way to the answer."""
    status: int = 0
    overrides: Overrides = ()
    encrypted: bool = False
    """Asked over HTTPS or TLS: nobody on the way can read it."""

    def fields(self) -> dict[str, Any]:
        """Sigma field -> typed value, without what was lost."""
        return _with_overrides(
            {
                "Computer": self.host.name,
                "UtcTime": self.time,
                **_process_fields(self.process),
                "QueryName": self.name,
                "QueryStatus": self.status,
                "QueryResults": query_results(self),
            },
            self.overrides,
        )


@dataclass(frozen=True, slots=True)
class ProcessCreation:
    """The start of a process."""

    category: ClassVar[str] = "process_creation"

    time: float
    arrival: float
    host: Host
    process: Process
    overrides: Overrides = ()

    def fields(self) -> dict[str, Any]:
        """Sigma field -> typed value, without what was lost."""
        process = self.process
        return _with_overrides(
            {
                "Computer": self.host.name,
                "UtcTime": self.time,
                **_process_fields(process),
                "CommandLine": process.command_line,
                "OriginalFileName": base_name(process.image),
                "IntegrityLevel": process.integrity,
                "Hashes": hashes(process),
                "md5": process.md5,
                "sha256": process.sha256,
                "ParentProcessGuid": process.parent_guid,
                "ParentProcessId": process.parent_pid,
                "ParentImage": process.parent_image,
                "ParentCommandLine": process.parent_command_line,
            },
            self.overrides,
        )


@dataclass(frozen=True, slots=True)
class FirewallSession:
    """A session that a firewall let pass or not, and reported; nothing on its two ends does."""

    category: ClassVar[str] = "firewall"

    time: float
    arrival: float
    device: str
    """The name of the firewall."""
    protocol: str
    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    allowed: bool
    overrides: Overrides = ()
    answered: bool = True
    vendor: Vendor = "fortinet"
    part: Literal["whole", "start", "end"] = "whole"
    """What the report is about: a session from its start to its end, or one of these."""

    def fields(self) -> dict[str, Any]:
        """Sigma field -> typed value, without what was lost."""
        return _with_overrides(
            {
                "Computer": self.device,
                "UtcTime": self.time,
                "src_ip": self.src_ip,
                "src_port": self.src_port,
                "dst_ip": self.dst_ip,
                "dst_port": self.dst_port,
                "protocol": self.protocol,
                "action": "allowed" if self.allowed else "blocked",
                "blocked": "false" if self.allowed else "true",
            },
            self.overrides,
        )


Event = NetworkConnection | DnsQuery | ProcessCreation
"""What the sensor on a host sees."""
AnyEvent = Event | FirewallSession


def sensed(events: Iterable[AnyEvent]) -> Iterator[Event]:
    """What sensors on hosts see of some events."""
    return (event for event in events if not isinstance(event, FirewallSession))


def base_name(path: str) -> str:
    return path.rpartition("\\")[2]


def hashes(process: Process) -> str:
    """The Hashes field, as Sysmon writes it."""
    return f"MD5={process.md5.upper()},SHA256={process.sha256.upper()}"


def query_results(query: DnsQuery) -> str | None:
    """The answers as Sysmon writes them: `type:  5 alias;::ffff:192.0.2.1;`, with nothing where there are none."""
    parts = [f"type:  5 {query.alias}"] if query.alias else []
    parts += [answer if is_ipv6(answer) else f"::ffff:{answer}" for answer in query.answers]
    return "".join(f"{part};" for part in parts) or None


def _process_fields(process: Process) -> dict[str, Any]:
    return {
        "ProcessGuid": process.guid,
        "ProcessId": process.pid,
        "Image": process.image,
        "User": process.user,
    }


def _with_overrides(fields: dict[str, Any], overrides: Overrides) -> dict[str, Any]:
    fields.update(overrides)
    return {name: value for name, value in fields.items() if value is not None}
