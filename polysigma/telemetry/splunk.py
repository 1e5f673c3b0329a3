"""Events as Splunk holds them: Sysmon by its add-on, and under the names of the Common Information Model."""

from __future__ import annotations

from itertools import tee
from typing import TYPE_CHECKING, Any

from polysigma.telemetry import firewall, sysmon
from polysigma.telemetry.addresses import is_ipv6, spelled
from polysigma.telemetry.events import DnsQuery, FirewallSession, NetworkConnection, base_name, hashes, sensed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.events import AnyEvent, ProcessCreation

SOURCE = f"XmlWinEventLog:{sysmon.CHANNEL}"


def sysmon_addon(events: Iterable[AnyEvent]) -> Iterator[dict[str, Any]]:
    """Rows of the Splunk Add-on for Sysmon; every value is text but the time, which is when the event was logged."""
    drawn, again = tee(sensed(events))
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


def common_model(events: Iterable[AnyEvent]) -> Iterator[dict[str, Any]]:
    """Rows under the names of the CIM, as an endpoint's add-on would give them; a host is told by its name.

    `datamodel` is no field of Splunk's: it names the data set that the tags put an event in, as the schema does.
    """
    for event in events:
        if isinstance(event, FirewallSession):
            yield {"_time": round(event.time, 3), "sourcetype": "fortigate_traffic", **firewall.common_model(event)}
            continue
        if isinstance(event, NetworkConnection):
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
        yield {name: value for name, value in row.items() if value is not None}


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


def _process(event: ProcessCreation) -> dict[str, Any]:
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
        "process_id": str(process.pid),
        "process_guid": process.guid,
        "process_hash": hashes(process),
        "process_integrity_level": process.integrity.lower(),
        "original_file_name": base_name(process.image),
        "parent_process": process.parent_command_line,
        "parent_process_path": process.parent_image,
        "parent_process_name": base_name(process.parent_image),
        "parent_process_id": str(process.parent_pid),
        "parent_process_guid": process.parent_guid,
    }
