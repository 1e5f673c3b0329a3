"""Events as Microsoft Sentinel's normalised view shows them: rows of ASIM's unifying parsers.

They are those of hosts with Sysmon, by what the parsers of Azure/Azure-Sentinel (Parsers/ASim*) make of its events:
one row an event (EventCount 1). That for Windows (ASimNetworkSessionMicrosoftSysmon.yaml 0.1) tells no direction, but
the address of the device that reports, and the program at the other end; that for Linux (version 0.3.1 of
ASimNetworkSessionMicrosoftLinuxSysmon.yaml) tells both at the host's end, and the type NetworkSession. Or the network
sessions are those of Defender for Endpoint, which come from its raw events (version 0.4 of
vimNetworkSessionMicrosoft365Defender.yaml): once in 24 hours for the same values, with the program's name at the end
whose host reports, the first part of the host's name, and the type NetworkSession.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from polysigma.telemetry import firewall
from polysigma.telemetry.addresses import spelled
from polysigma.telemetry.defender import TABLE, Recorder, values
from polysigma.telemetry.events import DnsQuery, FirewallSession, NetworkConnection, ProcessCreation, base_name
from polysigma.telemetry.sysmon import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.telemetry.events import AnyEvent, Event

Row = dict[str, Any]

_COLUMNS = {
    "Computer": ("Dvc",),
    "CommandLine": ("TargetProcessCommandLine",),
    "QueryName": ("DnsQuery",),
    "SourceIp": ("SrcIpAddr",),
    "DestinationIp": ("DstIpAddr",),
    "SourcePort": ("SrcPortNumber",),
    "DestinationPort": ("DstPortNumber",),
    "DestinationHostname": ("DstHostname",),
    "Image": ("SrcProcessName", "DstProcessName", "TargetProcessName"),
}
"""Sigma field -> the columns that may hold it, for fields that a scenario may lose on the way."""
_OF_DEFENDER = {"EventProduct": "M365 Defender for Endpoint", "EventType": "NetworkSession"}
_OF_LINUX = {"EventProduct": "Sysmon for Linux", "EventType": "NetworkSession"}
_NUMBERS = frozenset({"SrcPortNumber", "DstPortNumber"})


def normalised(
    events: Iterable[AnyEvent],
    *,
    sensor: Literal["sysmon", "sysmon_for_linux", "defender"] = "sysmon",
    direction: bool = True,
) -> Iterator[Row]:
    """Rows of `_Im_NetworkSession`, `_Im_Dns` and `_Im_ProcessCreate`.

    `sensor` is what the hosts have; `direction` says whether its parser tells which end opened a session, by the
    direction or by the address of the device that reports.
    """
    recorder = Recorder()
    for event in events:
        match event:
            case FirewallSession():
                yield {
                    TABLE: "_Im_NetworkSession",
                    "TimeGenerated": f"{utc_text(event.time, 'T')}Z",
                    **firewall.asim(event),
                }
                continue
            case NetworkConnection() if sensor == "defender":
                if not recorder.records(values(event), event.time):
                    continue
                row = _at_its_end(event) | _OF_DEFENDER
                row["SrcProcessName" if event.initiated else "DstProcessName"] = base_name(event.process.image)
                row["Dvc"] = event.host.name.split(".")[0]
                row["EventResult"] = "Success" if event.answered else "Failure"
            case NetworkConnection():
                if not event.answered:
                    continue
                row = _at_its_end(event) | _OF_LINUX if sensor == "sysmon_for_linux" else _session(event)
            case DnsQuery():
                row = _query(event)
            case ProcessCreation():
                row = _creation(event)
        if not direction:
            row.pop("NetworkDirection", None)
            row.pop("DvcIpAddr", None)
        for field, value in event.overrides:
            for column in _COLUMNS.get(field, ()):
                if column in row:
                    row[column] = value
                    if value is None or (value == "" and column in _NUMBERS):
                        del row[column]
        yield row


def _common(event: Event, table: str, kind: str) -> Row:
    return {
        TABLE: table,
        "TimeGenerated": f"{utc_text(event.time, 'T')}Z",
        "EventCount": 1,
        "EventType": kind,
        "EventVendor": "Microsoft",
        "EventProduct": "Sysmon",
        "Dvc": event.host.name,
    }


def _session(event: NetworkConnection) -> Row:
    remote = spelled(event.remote_ip, event.spelling, uncompressed=True)
    here, there = ("Src", "Dst") if event.initiated else ("Dst", "Src")
    row = _common(event, "_Im_NetworkSession", "EndpointNetworkSession") | {
        "DvcIpAddr": event.local_ip,
        "NetworkProtocol": event.protocol.upper(),
        f"{here}IpAddr": event.local_ip,
        f"{here}PortNumber": event.local_port,
        f"{there}IpAddr": remote,
        f"{there}PortNumber": event.remote_port,
        # Sysmon's parser fills the end that did not open the session.
        "DstProcessName" if event.initiated else "SrcProcessName": event.process.image,
        "DstUsername" if event.initiated else "SrcUsername": event.process.user,
    }
    if event.remote_name:
        row[f"{there}Hostname"] = event.remote_name
    return row


def _at_its_end(event: NetworkConnection) -> Row:
    """A session with its direction, and with the program and the user at the end whose host reports."""
    row = _session(event) | {"NetworkDirection": "Outbound" if event.initiated else "Inbound"}
    here, there = ("Src", "Dst") if event.initiated else ("Dst", "Src")
    for name in ("ProcessName", "Username"):
        row[f"{here}{name}"] = row.pop(f"{there}{name}")
    return row


def _query(event: DnsQuery) -> Row:
    return _common(event, "_Im_Dns", "Query") | {
        "EventSubType": "response",
        "DnsQuery": event.name,
        "DnsResponseCode": event.status % 9000,
        "SrcProcessName": event.process.image,
        "SrcUsername": event.process.user,
    }


def _creation(event: ProcessCreation) -> Row:
    process = event.process
    return _common(event, "_Im_ProcessCreate", "ProcessCreated") | {
        "TargetProcessName": process.image,
        "TargetProcessCommandLine": process.command_line,
        "TargetProcessIntegrityLevel": process.integrity,
        "TargetProcessFileOriginalName": base_name(process.image),
        "TargetProcessMD5": process.md5,
        "TargetProcessSHA256": process.sha256,
        "TargetUsername": process.user,
        "ActingProcessName": process.parent_image,
        "ActingProcessCommandLine": process.parent_command_line,
    }
