"""Events as Sysmon records them, in the shapes in which shippers deliver the rows."""

from __future__ import annotations

from functools import lru_cache
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

from polysigma.schemas import load
from polysigma.telemetry.addresses import is_ipv6, spelled
from polysigma.telemetry.events import (
    PORT_NAMES,
    DnsQuery,
    NetworkConnection,
    ProcessCreation,
    base_name,
    hashes,
    query_results,
    sensed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.events import AnyEvent, Event

CHANNEL = "Microsoft-Windows-Sysmon/Operational"
PROVIDER = "Microsoft-Windows-Sysmon"
LOGGING_DELAY = 1.25
"""Sysmon logs a connection a second or two after it happened; UtcTime is the time of the event itself."""

_UNSET = "-"


def logged(events: Iterable[AnyEvent], *, connections: bool = True) -> Iterator[Event]:
    """The events that Sysmon logs.

    Connections only where its configuration asks for them, and only those that came about: an attempt that nobody
    answers is not supported (its maintainers in github.com/MicrosoftDocs/sysinternals/issues/81, of 2018 and 2019).
    """
    for event in sensed(events):
        if not isinstance(event, NetworkConnection) or (connections and event.answered):
            yield event


def flat(events: Iterable[AnyEvent], *, connections: bool = True) -> Iterator[dict[str, Any]]:
    """Flat rows: the envelope and the event's data side by side. Values of the event's data are text."""
    numbers: dict[str, int] = {}
    for event in logged(events, connections=connections):
        name = event.host.name
        number = numbers[name] = numbers.get(name, 0) + 1
        if isinstance(event, NetworkConnection):
            row = _connection(event, number)
        elif isinstance(event, DnsQuery):
            row = _query(event, number)
        else:
            row = _creation(event, number)
        if event.overrides:
            for column, value in event.overrides:
                if value is None:
                    row.pop(column, None)
                elif column in row:
                    row[column] = value
        yield row


def nxlog(events: Iterable[AnyEvent], *, connections: bool = True) -> Iterator[dict[str, Any]]:
    """Flat rows with the envelope's names as NXLog gives them (`Hostname`)."""
    return _shaped(flat(events, connections=connections), "nxlog")


def winlogbeat(events: Iterable[AnyEvent], *, connections: bool = True) -> Iterator[dict[str, Any]]:
    """Nested rows of Winlogbeat 7 and later: `winlog.event_data.DestinationIp`."""
    return _shaped(flat(events, connections=connections), "winlogbeat")


def winlogbeat6(events: Iterable[AnyEvent], *, connections: bool = True) -> Iterator[dict[str, Any]]:
    """Nested rows of Winlogbeat 6: `event_data.DestinationIp`."""
    return _shaped(flat(events, connections=connections), "winlogbeat6")


def _shaped(rows: Iterable[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    shape = load("sysmon").shapes[name]
    paths: dict[str, tuple[str, ...]] = {}
    for row in rows:
        shaped: dict[str, Any] = {}
        for column, value in row.items():
            if column not in paths:
                paths[column] = tuple(shape.path(column).split("."))
            *parents, leaf = paths[column]
            place = shaped
            for parent in parents:
                place = place.setdefault(parent, {})
            place[leaf] = value
        yield shaped


def utc_text(time: float, separator: str = " ") -> str:
    """Epoch seconds as `2026-03-02 08:51:00.008`."""
    seconds, milliseconds = divmod(round(time * 1000), 1000)
    return f"{_day(seconds // 86400)}{separator}{_clock(seconds % 86400)}.{milliseconds:03d}"


@lru_cache(maxsize=1024)
def _day(day: int) -> str:
    return strftime("%Y-%m-%d", gmtime(day * 86400))


@lru_cache(maxsize=86400)
def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _connection(event: NetworkConnection, number: int) -> dict[str, Any]:
    remote = spelled(event.remote_ip, event.spelling, uncompressed=True)
    # A dual-stack socket has both of its ends in IPv6.
    local = spelled(event.local_ip, event.spelling, uncompressed=True) if is_ipv6(remote) else event.local_ip
    here, there = (local, event.local_port, _UNSET), (remote, event.remote_port, event.remote_name or _UNSET)
    source, destination = (here, there) if event.initiated else (there, here)
    process = event.process
    ipv6 = "true" if is_ipv6(remote) else "false"
    return {
        "@timestamp": f"{utc_text(event.time + LOGGING_DELAY, 'T')}Z",
        "Computer": event.host.name,
        "Channel": CHANNEL,
        "Provider_Name": PROVIDER,
        "EventID": 3,
        "EventRecordID": number,
        "RuleName": _UNSET,
        "UtcTime": utc_text(event.time),
        "ProcessGuid": process.guid,
        "ProcessId": str(process.pid),
        "Image": process.image,
        "User": process.user,
        "Protocol": event.protocol,
        "Initiated": "true" if event.initiated else "false",
        "SourceIsIpv6": ipv6,
        "SourceIp": source[0],
        "SourceHostname": source[2],
        "SourcePort": str(source[1]),
        "SourcePortName": PORT_NAMES.get(source[1], _UNSET),
        "DestinationIsIpv6": ipv6,
        "DestinationIp": destination[0],
        "DestinationHostname": destination[2],
        "DestinationPort": str(destination[1]),
        "DestinationPortName": PORT_NAMES.get(destination[1], _UNSET),
    }


def _query(event: DnsQuery, number: int) -> dict[str, Any]:
    process = event.process
    return {
        "@timestamp": f"{utc_text(event.time + LOGGING_DELAY, 'T')}Z",
        "Computer": event.host.name,
        "Channel": CHANNEL,
        "Provider_Name": PROVIDER,
        "EventID": 22,
        "EventRecordID": number,
        "RuleName": _UNSET,
        "UtcTime": utc_text(event.time),
        "ProcessGuid": process.guid,
        "ProcessId": str(process.pid),
        "QueryName": event.name,
        "QueryStatus": str(event.status),
        "QueryResults": query_results(event) or _UNSET,
        "Image": process.image,
        "User": process.user,
    }


def _creation(event: ProcessCreation, number: int) -> dict[str, Any]:
    process = event.process
    return {
        "@timestamp": f"{utc_text(event.time + LOGGING_DELAY, 'T')}Z",
        "Computer": event.host.name,
        "Channel": CHANNEL,
        "Provider_Name": PROVIDER,
        "EventID": 1,
        "EventRecordID": number,
        "RuleName": _UNSET,
        "UtcTime": utc_text(event.time),
        "ProcessGuid": process.guid,
        "ProcessId": str(process.pid),
        "Image": process.image,
        "OriginalFileName": base_name(process.image),
        "CommandLine": process.command_line,
        "CurrentDirectory": "C:\\Windows\\System32\\",
        "User": process.user,
        "LogonId": "0x3e7" if process.integrity == "System" else "0x53c16",
        "TerminalSessionId": "0" if process.integrity == "System" else "1",
        "IntegrityLevel": process.integrity,
        "Hashes": hashes(process),
        "ParentProcessGuid": process.parent_guid,
        "ParentProcessId": str(process.parent_pid),
        "ParentImage": process.parent_image,
        "ParentCommandLine": process.parent_command_line,
    }
