"""Events as Microsoft Defender for Endpoint records them: rows of advanced hunting, and of the same tables in Sentinel.

What Defender does not record is not rendered. A connection with the same values is recorded once in 24 hours
(FalconForce, Microsoft Defender for Endpoint Internals 0x04, 2022); the number of connections is in the hourly
aggregated reports, where they are switched on: by name of process, source address, remote address and remote port
(learn.microsoft.com/defender-endpoint/aggregated-reporting).

Assumptions that no source we could read settles: a report covers an hour of the clock and bears the time of the last
connection in it; the local port is none of the values by which raw events are capped; inbound connections have no
reports.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from polysigma.telemetry import firewall
from polysigma.telemetry.addresses import is_ipv6, is_public, spelled
from polysigma.telemetry.events import (
    DnsQuery,
    FirewallSession,
    NetworkConnection,
    ProcessCreation,
    base_name,
    sensed,
)
from polysigma.telemetry.sysmon import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.events import AnyEvent, Event
    from polysigma.telemetry.hosts import Host

Row = dict[str, Any]

TABLE = "$table"
"""Not a column: which of the platform's tables a row is in."""

DOMAIN = "corp.example"
_DAY = 86400
_HOUR = 3600
_PROTOCOLS = {"tcp": "Tcp", "udp": "Udp"}
_REPORTED = ("DeviceId", "DeviceName", "InitiatingProcessFileName", "LocalIP", "RemoteIP", "RemotePort")
_PLAIN_COLUMNS = {
    "CommandLine": "ProcessCommandLine",
    "ProcessId": "ProcessId",
    "Protocol": "Protocol",
    "DestinationHostname": "RemoteUrl",
}
"""Sigma field -> column, for fields that a scenario may lose on the way."""


def hunting(events: Iterable[AnyEvent], *, aggregated: bool = True) -> Iterator[Row]:
    """Rows of Defender XDR's advanced hunting; `aggregated` says whether aggregated reporting is switched on."""
    return _rows(sensed(events), "Timestamp", aggregated=aggregated)


def workspace(events: Iterable[AnyEvent], *, aggregated: bool = True) -> Iterator[Row]:
    """The same rows in a Log Analytics workspace, where their time is called TimeGenerated; and a firewall's log."""
    return _rows(events, "TimeGenerated", aggregated=aggregated)


def device_id(host: Host) -> str:
    """Defender's id of a machine: 40 hexadecimal digits, of which the first 32 are the host's agent id."""
    return f"{host.aid}{host.aid[:8]}"


def device_name(name: str) -> str:
    """The fully qualified name by which Defender calls a machine."""
    return f"{name.lower()}.{DOMAIN}"


class Recorder:
    """What the sensors remember. Bounded: what is older than a day, and reports of hours gone by, is forgotten."""

    def __init__(self) -> None:
        self.seen: dict[tuple[Any, ...], float] = {}
        self.swept = 0.0

    def records(self, key: tuple[Any, ...], time: float) -> bool:
        """Whether an event with these values is recorded: not within 24 hours of the last one that was."""
        if time - self.swept >= _DAY:
            self.seen = {known: last for known, last in self.seen.items() if time - last < _DAY}
            self.swept = time
        last = self.seen.get(key)
        if last is not None and time - last < _DAY:
            return False
        self.seen[key] = time
        return True


class _Reports:
    """The aggregated reports of the hour that runs."""

    def __init__(self, time_column: str) -> None:
        self.time_column = time_column
        self.hour = -1
        self.counts: dict[tuple[Any, ...], tuple[int, float, Row]] = {}

    def add(self, row: Row, time: float) -> Iterator[Row]:
        """Counts a connection; first gives the reports of the hour before, where a new one has begun."""
        hour = int(time // _HOUR)
        if hour != self.hour:
            yield from self.finished()
            self.hour = hour
        key = (row["ActionType"], *(row.get(column) for column in _REPORTED))
        count, _, first = self.counts.get(key, (0, 0.0, row))
        self.counts[key] = (count + 1, time, first)

    def finished(self) -> Iterator[Row]:
        for count, time, row in sorted(self.counts.values(), key=lambda report: report[1]):
            report = {column: row[column] for column in _REPORTED if column in row}
            yield {
                TABLE: row[TABLE],
                self.time_column: f"{utc_text(time, 'T')}Z",
                "ActionType": f"{row['ActionType']}AggregatedReport",
                **report,
                "AdditionalFields": json.dumps({"uniqueEventsAggregated": count}),
            }
        self.counts = {}


def _rows(events: Iterable[AnyEvent], time_column: str, *, aggregated: bool) -> Iterator[Row]:
    recorder, reports, number = Recorder(), _Reports(time_column), 0
    for event in events:
        if isinstance(event, FirewallSession):
            time = f"{utc_text(event.time, 'T')}Z"
            yield {TABLE: "CommonSecurityLog", time_column: time, **firewall.cef(event)}
            continue
        if isinstance(event, DnsQuery) and event.encrypted:
            continue  # the inspection reads packets
        row, key = _recorded(event)
        _override(row, event)
        made: list[Row] = []
        if aggregated and isinstance(event, NetworkConnection) and event.initiated:
            made += reports.add(row, event.time)
        if recorder.records(key, event.time):
            made.append({TABLE: row[TABLE], time_column: f"{utc_text(event.time, 'T')}Z", **row})
        for one in made:
            number += 1
            yield {**one, "ReportId": number}
    for report in reports.finished():
        number += 1
        yield {**report, "ReportId": number}


def _recorded(event: Event) -> tuple[Row, tuple[Any, ...]]:
    """A row without its time, and the values by which Defender tells whether it has recorded it before."""
    match event:
        case NetworkConnection():
            return _connection(event)
        case DnsQuery():
            return _query(event)
        case ProcessCreation():
            # Process creations are not known to be capped.
            return _creation(event), (event.process.guid, event.time)


def _common(event: Event, table: str, action: str) -> Row:
    name = dict(event.overrides).get("Computer", event.host.name)
    row: Row = {TABLE: table, "ActionType": action}
    if name:
        # A name in another case is still the same device; a row without a host has no device.
        row |= {"DeviceId": device_id(event.host), "DeviceName": device_name(name)}
    return row


def _account(user: str) -> tuple[str, str]:
    domain, _, name = user.rpartition("\\")
    return domain.lower(), name.lower()


def _initiating(event: NetworkConnection) -> Row:
    process = event.process
    domain, user = _account(process.user)
    return {
        "InitiatingProcessFileName": base_name(process.image),
        "InitiatingProcessFolderPath": process.image.lower(),
        "InitiatingProcessCommandLine": process.command_line,
        "InitiatingProcessId": process.pid,
        "InitiatingProcessSHA256": process.sha256,
        "InitiatingProcessMD5": process.md5,
        "InitiatingProcessParentFileName": base_name(process.parent_image),
        "InitiatingProcessParentId": process.parent_pid,
        "InitiatingProcessAccountDomain": domain,
        "InitiatingProcessAccountName": user,
    }


def _connection(event: NetworkConnection) -> tuple[Row, tuple[Any, ...]]:
    remote = spelled(event.remote_ip, event.spelling, uncompressed=False)
    local = spelled(event.local_ip, event.spelling, uncompressed=False) if is_ipv6(remote) else event.local_ip
    mapped = is_ipv6(remote) and not is_ipv6(event.remote_ip)
    made = "ConnectionSuccess" if event.answered else "ConnectionFailed"
    action = made if event.initiated else "InboundConnectionAccepted"
    row = _common(event, "DeviceNetworkEvents", action) | {
        "RemoteIP": remote,
        "RemotePort": event.remote_port,
        "RemoteUrl": event.remote_name,
        "LocalIP": local,
        "LocalPort": event.local_port,
        "Protocol": _PROTOCOLS[event.protocol],
        "RemoteIPType": "FourToSixMapping" if mapped else "Public" if is_public(event.remote_ip) else "Private",
        **_initiating(event),
    }
    row = {column: value for column, value in row.items() if value is not None}
    return row, values(event)


def values(event: NetworkConnection) -> tuple[Any, ...]:
    """The values by which raw events of connections are capped."""
    remote = spelled(event.remote_ip, event.spelling, uncompressed=False)
    port = event.remote_port if event.initiated else event.local_port
    return event.process.guid, event.initiated, event.answered, event.local_ip, remote, port


def _query(event: DnsQuery) -> tuple[Row, tuple[Any, ...]]:
    """A query on the wire: its process is not told."""
    found = {
        "direction": "Out",
        "query": event.name,
        "rcode": str(event.status % 9000),
        "answers": json.dumps(list(event.answers)),
    }
    if dict(event.overrides).get("QueryName", event.name) in {None, ""}:
        del found["query"]
    row = _common(event, "DeviceNetworkEvents", "DnsConnectionInspected") | {
        "RemotePort": 53,
        "LocalIP": event.host.ip,
        "Protocol": "Udp",
        "AdditionalFields": json.dumps(found),
    }
    return row, (event.host.name, event.name.lower(), event.answers)


def _creation(event: ProcessCreation) -> Row:
    process = event.process
    domain, user = _account(process.user)
    return _common(event, "DeviceProcessEvents", "ProcessCreated") | {
        "FileName": base_name(process.image),
        "FolderPath": process.image,
        "ProcessCommandLine": process.command_line,
        "ProcessId": process.pid,
        "ProcessIntegrityLevel": process.integrity,
        "ProcessVersionInfoOriginalFileName": base_name(process.image),
        "SHA256": process.sha256,
        "MD5": process.md5,
        "AccountDomain": domain,
        "AccountName": user,
        "InitiatingProcessFileName": base_name(process.parent_image),
        "InitiatingProcessFolderPath": process.parent_image.lower(),
        "InitiatingProcessCommandLine": process.parent_command_line,
        "InitiatingProcessId": process.parent_pid,
    }


def _override(row: Row, event: Event) -> None:
    """Carry over what a scenario lost or changed, as far as this platform has a column for it."""
    for field, value in event.overrides:
        for column, recorded in _columns(field, value, event):
            if column not in row:
                continue
            if recorded is None:
                del row[column]
            else:
                row[column] = recorded


def _columns(field: str, value: str | None, event: Event) -> list[tuple[str, str | None]]:
    """The columns of a Sigma field, each with what it gets."""
    if field == "Image":
        path = "FolderPath" if isinstance(event, ProcessCreation) else "InitiatingProcessFolderPath"
        name = "FileName" if isinstance(event, ProcessCreation) else "InitiatingProcessFileName"
        return [(path, value), (name, base_name(value) if value else value)]
    for side, local in (("Source", True), ("Destination", False)):
        if isinstance(event, NetworkConnection) and field in {f"{side}Ip", f"{side}Port"}:
            end = "Local" if local == event.initiated else "Remote"
            column = f"{end}{'IP' if field.endswith('Ip') else 'Port'}"
            # A lost number is null: an empty text is none.
            return [(column, value if column.endswith("IP") else value or None)]
    return [(_PLAIN_COLUMNS[field], value)] if field in _PLAIN_COLUMNS else []
