"""Events as the Falcon sensor records them: replicated rows (FDR) and rows in Next-Gen SIEM.

What the sensor does not record is not rendered: a socket without a connection is reported at its first send only, and
a name that a process looked up once is not reported again for 24 hours with the same answers. That an IPv4-mapped
address is reported as NetworkConnectIP6 with the mapped spelling is an assumption: no source we could read shows such
a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.telemetry import firewall
from polysigma.telemetry.addresses import is_ipv6, spelled
from polysigma.telemetry.events import (
    DnsQuery,
    FirewallSession,
    NetworkConnection,
    ProcessCreation,
    base_name,
    sensed,
)
from polysigma.telemetry.hosts import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.events import AnyEvent, Event

_DAY = 86400
_EGRESS = "198.51.100.250"
"""The address that the cloud sees all hosts come from (aip)."""
_PROTOCOLS = {"tcp": "6", "udp": "17"}
_INTEGRITY = {"System": "16384", "Medium": "8192"}
_PLAIN_COLUMNS = {
    "QueryName": "DomainName",
    "QueryStatus": "QueryStatus",
    "CommandLine": "CommandLine",
    "ProcessId": "RawProcessId",
    "Protocol": "Protocol",
    "Initiated": "ConnectionDirection",
}
"""Sigma field -> column, for fields that a scenario may lose on the way."""


def replicated(events: Iterable[AnyEvent]) -> Iterator[dict[str, Any]]:
    """Rows of the Falcon Data Replicator: every value is text; no ComputerName."""
    for _, row in _rows(sensed(events)):
        yield row


def siem(
    events: Iterable[AnyEvent], *, computer_name: bool = True, repository: str | None = None
) -> Iterator[dict[str, Any]]:
    """Rows in Next-Gen SIEM: the same with tags and metadata, and with the host's name unless it is switched off.

    A firewall's log is there by the names of CrowdStrike's parsing standard. `repository` is the only one whose rows a
    search meets.
    """
    rows = _tagged(events, computer_name)
    return rows if repository is None else (row for row in rows if row["#repo"] == repository)


def _tagged(events: Iterable[AnyEvent], computer_name: bool) -> Iterator[dict[str, Any]]:  # noqa: FBT001 - of `siem`
    for event, row in _rows(events):
        if isinstance(event, FirewallSession):
            yield row
            continue
        tagged = {
            "#event_simpleName": row["event_simpleName"],
            "#repo": "base_sensor",
            "#cid": TENANT,
            "@timestamp": int(row["timestamp"]),
            **row,
        }
        computer = dict(event.overrides).get("Computer", event.host.name)
        if computer_name and computer is not None:
            tagged["ComputerName"] = computer
        if isinstance(event, ProcessCreation):
            tagged["FileName"] = base_name(dict(event.overrides).get("Image", event.process.image) or "")
            tagged["UserName"] = base_name(event.process.user)
        yield tagged


class _Recorder:
    """What the sensors remember, so as not to report it again. Bounded: names are forgotten at the end of a day."""

    def __init__(self) -> None:
        self.day = -1
        self.names: set[tuple[str, str, tuple[str, ...]]] = set()
        self.sockets: set[tuple[str, str, int]] = set()

    def records(self, event: Event) -> bool:
        if isinstance(event, DnsQuery):
            day = int(event.time // _DAY)
            if day != self.day:
                self.day, self.names = day, set()
            name = (event.process.guid, event.name.lower(), event.answers)
            if name in self.names:
                return False
            self.names.add(name)
        elif isinstance(event, NetworkConnection) and event.protocol == "udp" and event.local_port < 1024:
            # A service's own socket: it sends from one port for as long as it runs.
            socket = (event.process.guid, event.remote_ip, event.remote_port)
            if socket in self.sockets:
                return False
            self.sockets.add(socket)
        return True


def _rows(events: Iterable[AnyEvent]) -> Iterator[tuple[AnyEvent, dict[str, Any]]]:
    recorder = _Recorder()
    for number, event in enumerate(events):
        if isinstance(event, FirewallSession):
            yield event, firewall.parsed(event)
            continue
        if not recorder.records(event):
            continue
        if isinstance(event, NetworkConnection):
            row = _connection(event, number)
        elif isinstance(event, DnsQuery):
            row = _query(event, number)
        else:
            row = _creation(event, number)
        if event.overrides:
            _override(row, event)
        yield event, row


def _common(event: Event, name: str, version: int, number: int) -> dict[str, Any]:
    digits = f"{number:032x}"
    return {
        "event_simpleName": name,
        "name": f"{name}V{version}",
        "aid": event.host.aid,
        "cid": TENANT,
        "aip": _EGRESS,
        "event_platform": "Win",
        "id": f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}",
        "timestamp": str(round(event.arrival * 1000)),
        "ConfigBuild": "1007.3.0000001.1",
        "ConfigStateHash": "1",
        "Entitlements": "15",
        "EffectiveTransmissionClass": "3",
        "EventOrigin": "1",
    }


def _connection(event: NetworkConnection, number: int) -> dict[str, Any]:
    remote = spelled(event.remote_ip, event.spelling, uncompressed=False)
    family = "IP6" if is_ipv6(remote) else "IP4"
    local = spelled(event.local_ip, event.spelling, uncompressed=False) if family == "IP6" else event.local_ip
    row = _common(event, f"{'NetworkConnect' if event.initiated else 'NetworkReceiveAccept'}{family}", 5, number)
    row[f"LocalAddress{family}"] = local
    row["LocalPort"] = str(event.local_port)
    row[f"RemoteAddress{family}"] = remote
    row["RemotePort"] = str(event.remote_port)
    row["Protocol"] = _PROTOCOLS[event.protocol]
    row["ConnectionDirection"] = "0" if event.initiated else "1"
    row["ConnectionFlags"] = "0"
    row["InContext"] = "0"
    row["ContextBaseFileName"] = base_name(event.process.image)
    row["ContextProcessId"] = event.process.falcon_id
    row["ContextTimeStamp"] = f"{event.time:.3f}"
    return row


def _query(event: DnsQuery, number: int) -> dict[str, Any]:
    row = _common(event, "DnsRequest", 4, number)
    old = [answer for answer in event.answers if not is_ipv6(answer)]
    new = [answer for answer in event.answers if is_ipv6(answer)]
    row["DomainName"] = event.name
    row["RequestType"] = "28" if new and not old else "1"
    row["QueryStatus"] = str(event.status)
    row["DnsRequestCount"] = "1"
    row["DualRequest"] = "0"
    row["InterfaceIndex"] = "0"
    if old:
        row["FirstIP4Record"] = old[0]
        row["IP4Records"] = "".join(f"{answer};" for answer in old)
    if new:
        row["FirstIP6Record"] = new[0]
        row["IP6Records"] = "".join(f"{answer};" for answer in new)
    if event.alias:
        row["CNAMERecords"] = f"{event.alias};"
    row["ContextBaseFileName"] = base_name(event.process.image)
    row["ContextProcessId"] = event.process.falcon_id
    row["ContextTimeStamp"] = f"{event.time:.3f}"
    return row


def _creation(event: ProcessCreation, number: int) -> dict[str, Any]:
    process = event.process
    row = _common(event, "ProcessRollup2", 19, number)
    row["ImageFileName"] = _device_path(process.image)
    row["CommandLine"] = process.command_line
    row["ParentBaseFileName"] = base_name(process.parent_image)
    row["RawProcessId"] = str(process.pid)
    row["TargetProcessId"] = process.falcon_id
    row["ParentProcessId"] = process.falcon_parent_id
    row["SourceProcessId"] = process.falcon_parent_id
    row["ProcessStartTime"] = f"{event.time:.3f}"
    row["IntegrityLevel"] = _INTEGRITY[process.integrity]
    row["SessionId"] = "0" if process.integrity == "System" else "1"
    row["UserSid"] = "S-1-5-18" if process.integrity == "System" else "S-1-5-21-1-2-3-1001"
    row["SHA256HashData"] = process.sha256
    row["MD5HashData"] = process.md5
    row["SHA1HashData"] = "0" * 40
    return row


def _device_path(image: str) -> str:
    return f"\\Device\\HarddiskVolume3{image[2:]}" if image[1:2] == ":" else image


def _override(row: dict[str, Any], event: Event) -> None:
    """Carry over what a scenario lost or changed, as far as this platform has a column for it."""
    for field, recorded in event.overrides:
        columns, value = _columns(field, recorded, event)
        for column in columns:
            if column not in row:
                continue
            if value is None:
                del row[column]
            else:
                row[column] = value


def _columns(field: str, value: str | None, event: Event) -> tuple[tuple[str, ...], str | None]:
    """The columns of a Sigma field, and the value that they get."""
    if field == "Computer":
        # A name in another case is still the same agent; a row without a host has no agent id.
        return (("aid",), value) if not value else ((), None)
    if field == "Image":
        if isinstance(event, ProcessCreation):
            return ("ImageFileName",), _device_path(value) if value else value
        return ("ContextBaseFileName",), base_name(value) if value else value
    if field == "UtcTime":
        return ("ContextTimeStamp", "ProcessStartTime"), value
    side, _, part = field.partition("Ip") if field.endswith("Ip") else field.partition("Port")
    if side in {"Source", "Destination"} and not part and isinstance(event, NetworkConnection):
        end = "Remote" if (side == "Destination") == event.initiated else "Local"
        if field.endswith("Port"):
            return (f"{end}Port",), value
        return (f"{end}AddressIP4", f"{end}AddressIP6"), value
    column = _PLAIN_COLUMNS.get(field)
    return ((column,) if column else ()), value
