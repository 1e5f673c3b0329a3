"""Events as Splunk holds them: Sysmon by its add-on, and under the names of the Common Information Model."""

from __future__ import annotations

from itertools import tee
from typing import TYPE_CHECKING, Any

from polysigma.telemetry import firewall, sysmon
from polysigma.telemetry.addresses import INTERNAL_RESOLVER, is_ipv6, is_public, spelled
from polysigma.telemetry.events import (
    DnsQuery,
    FirewallSession,
    NetworkConnection,
    ProcessCreation,
    base_name,
    hashes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.events import AnyEvent, Event

SOURCE = f"XmlWinEventLog:{sysmon.CHANNEL}"


def sysmon_addon(events: Iterable[AnyEvent], *, connections: bool = True) -> Iterator[dict[str, Any]]:
    """Rows of the Splunk Add-on for Sysmon; every value is text but the time, which is when the event was logged."""
    drawn, again = tee(sysmon.logged(events, connections=connections))
    for event, row in zip(drawn, sysmon.flat(again), strict=True):
        del row["@timestamp"]
        code = str(row.pop("EventID"))
        row["EventRecordID"] = str(row["EventRecordID"])
        row["Name"] = row.pop("Provider_Name")
        yield {
            "_time": round(event.time + sysmon.LOGGING_DELAY, 3),
            "host": event.host.name,
            "source": SOURCE,
            "sourcetype": "XmlWinEventLog",
            "EventCode": code,
            "EventID": code,
            **row,
        }


def common_model(
    events: Iterable[AnyEvent], *, direction: bool = True, network: bool = False, security_log: bool = False
) -> Iterator[dict[str, Any]]:
    """Rows under the names of the CIM, as an endpoint's add-on would give them; a host is told by its name.

    `direction` says whether sources tell the direction of traffic, which the model does not prescribe. With `network`
    the firewall at the perimeter and the resolver report as well; with `security_log` Windows does, of processes. What
    the three add is what the model asks of them: the host by its address, the application protocol as `app`
    (docs.splunk.com, CIM: Network Traffic, Network Resolution, Endpoint).

    `datamodel` is no field of Splunk's: it names the data set that the tags put an event in, as the schema does.
    """
    for event in events:
        rows = [_firewall(event)] if isinstance(event, FirewallSession) else _reported(event)
        if network and not isinstance(event, FirewallSession):
            rows += _on_the_way(event)
        if security_log and isinstance(event, ProcessCreation):
            rows.append({"_time": round(event.time, 3), **_audited(event)})
        for row in rows:
            if not direction:
                row.pop("direction", None)
            yield {name: value for name, value in row.items() if value is not None}


def _firewall(event: FirewallSession) -> dict[str, Any]:
    source = firewall.MAKES[event.vendor].sourcetype
    return {"_time": round(event.time, 3), "sourcetype": source, **firewall.common_model(event)}


def _reported(event: Event) -> list[dict[str, Any]]:
    """What Sysmon on the host reports."""
    if isinstance(event, NetworkConnection):
        if not event.answered:
            return []
        row = _traffic(event)
    elif isinstance(event, DnsQuery):
        row = _resolution(event)
    else:
        row = _process(event)
    row = {"_time": round(event.time, 3), "host": event.host.name, "sourcetype": "XmlWinEventLog", **row}
    for name, value in event.overrides:
        own = ("dest",) if "process" in row or row.get("direction") == "inbound" else ("src",)
        for column in own if name == "Computer" else _COLUMNS.get(name, ()):
            if column in row:
                row[column] = value
    return [row]


def _on_the_way(event: Event) -> list[dict[str, Any]]:
    """What the firewall at the perimeter reports of a connection, and the resolver of the house of a lookup."""
    if isinstance(event, NetworkConnection) and is_public(event.remote_ip):
        (session,) = firewall.passing([event], PERIMETER, ())
        service = event.remote_port if event.initiated else event.local_port
        direction = "outbound" if event.initiated else "inbound"
        return [_firewall(session) | {"direction": direction, "app": _PROTOCOLS.get(service, "unknown")}]
    if isinstance(event, DnsQuery) and not event.encrypted:
        row = _resolution(event) | {"src": event.host.ip, "dest": INTERNAL_RESOLVER}
        return [{"_time": round(event.time, 3), "sourcetype": "MSAD:NT6:DNS", **row}]
    return []


def _audited(event: ProcessCreation) -> dict[str, Any]:
    """Event 4688: it tells no hash, no GUID, and of the parent the path only."""
    process = event.process
    return {
        "host": event.host.name,
        "sourcetype": "XmlWinEventLog",
        **_start(event),
        "process_id": hex(process.pid),
        "parent_process_id": hex(process.parent_pid),
    }


PERIMETER = "perimeter-fw"
_PROTOCOLS = {22: "ssh", 25: "smtp", 53: "dns", 80: "http", 123: "ntp", 443: "https", 6667: "irc", 6697: "irc"}
"""Ports whose application protocol a firewall tells; of the rest it knows none."""

_COLUMNS = {
    "Image": ("app", "process_path"),
    "DestinationIp": ("dest_ip",),
    "DestinationPort": ("dest_port",),
    "SourceIp": ("src_ip",),
    "SourcePort": ("src_port",),
    "QueryName": ("query",),
    "CommandLine": ("process",),
}
"""Where what is lost of an event is lost in the model."""


def _traffic(event: NetworkConnection) -> dict[str, Any]:
    remote = spelled(event.remote_ip, event.spelling, uncompressed=True)
    local = spelled(event.local_ip, event.spelling, uncompressed=True) if is_ipv6(remote) else event.local_ip
    here = (event.host.name, local, event.local_port)
    there = (event.remote_name or event.remote_ip, remote, event.remote_port)
    source, destination = (here, there) if event.initiated else (there, here)
    return {
        "datamodel": "Network_Traffic.All_Traffic",
        "tag": ["network", "communicate"],
        "action": "allowed",
        "app": event.process.image,
        "direction": "outbound" if event.initiated else "inbound",
        "dvc": event.host.name,
        "src": source[0],
        "src_ip": source[1],
        "src_port": str(source[2]),
        "dest": destination[0],
        "dest_ip": destination[1],
        "dest_port": str(destination[2]),
        "process_guid": event.process.guid,
        "process_id": str(event.process.pid),
        "transport": event.protocol,
    }


def _resolution(event: DnsQuery) -> dict[str, Any]:
    answers = list(event.answers)
    return {
        "datamodel": "Network_Resolution.DNS",
        "tag": ["network", "resolution", "dns"],
        "src": event.host.name,
        "query": event.name,
        "answer": answers or None,
        "answer_count": str(len(answers)),
        "reply_code_id": str(event.status),
    }


def _start(event: ProcessCreation) -> dict[str, Any]:
    """What every log of a start tells of it."""
    process = event.process
    return {
        "datamodel": "Endpoint.Processes",
        "tag": ["process", "report"],
        "action": "allowed",
        "dest": event.host.name,
        "user": process.user.rpartition("\\")[2],
        "process": process.command_line,
        "process_path": process.image,
        "process_name": base_name(process.image),
        "parent_process_path": process.parent_image,
        "parent_process_name": base_name(process.parent_image),
    }


def _process(event: ProcessCreation) -> dict[str, Any]:
    process = event.process
    return {
        **_start(event),
        "process_id": str(process.pid),
        "process_guid": process.guid,
        "process_hash": hashes(process),
        "process_integrity_level": process.integrity.lower(),
        "original_file_name": base_name(process.image),
        "parent_process": process.parent_command_line,
        "parent_process_id": str(process.parent_pid),
        "parent_process_guid": process.parent_guid,
    }
