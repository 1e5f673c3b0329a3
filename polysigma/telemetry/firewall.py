"""A network whose hosts have no sensor: what its firewall reports of their connections, as each platform holds it.

The firewall is one of Fortinet's or an ASA of Cisco's, which says when a session is built and when it is torn down
(302013 and 302014, Cisco ASA Series Syslog Messages). It sees packets, so an address has one spelling, whatever its end
calls it. Sources of what each platform makes of it:

* Sentinel and ASIM: the parsers of Azure/Azure-Sentinel, ASimNetworkSessionFortinetFortiGate.yaml 0.6.0 and
  ASimNetworkSessionCiscoASA.yaml 1.1.0.
* Splunk: splunk.github.io/splunk-add-on-for-cisco-asa (DataTypes: cisco:asa in Network Traffic; ConfigureLookups:
  `action` by message); the end is `teardown`, which the model prescribes for `action`.
* Falcon: the field list of CrowdStrike's parser fortinet-fortigate.

Assumptions that no source we could read settles, and that no query tests: the tags of an ASA's events on Falcon
(`#event.module`, `#event.dataset`, `#repo`), FortiGate's source type and `vendor_product` in Splunk, and the word
`start` of a FortiGate for the start of a session.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Literal

from polysigma.telemetry.events import FirewallSession, NetworkConnection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from polysigma.telemetry.events import Event, Vendor

Row = dict[str, Any]

_FIELDS = {
    "SourceIp": "src_ip",
    "SourcePort": "src_port",
    "DestinationIp": "dst_ip",
    "DestinationPort": "dst_port",
    "Protocol": "protocol",
}
"""What an endpoint's event loses on its way is lost here under these names."""
_OWN = frozenset({*_FIELDS.values(), "action", "blocked"})
_PORTS = frozenset({"src_port", "dst_port"})
_NUMBERS = {"tcp": "6", "udp": "17"}
LASTS = 30.0
"""The seconds between the two reports of one session."""


@dataclass(frozen=True, slots=True)
class Make:
    """What a firewall is called on each platform."""

    cef: Row
    asim: Row
    falcon: Row
    vendor_product: str
    """In Splunk's model."""
    sourcetype: str


MAKES: dict[Vendor, Make] = {
    "fortinet": Make(
        cef={"DeviceVendor": "Fortinet", "DeviceProduct": "Fortigate"},
        asim={"EventVendor": "Fortinet", "EventProduct": "Fortigate"},
        falcon={
            "#Vendor": "fortinet",
            "#event.module": "fortigate",
            "#event.dataset": "fortigate.traffic",
            "#repo": "3pi_fortinet_fortigate",
        },
        vendor_product="Fortinet Firewall",
        sourcetype="fortigate_traffic",
    ),
    "cisco": Make(
        cef={"DeviceVendor": "Cisco", "DeviceProduct": "ASA"},
        asim={"EventVendor": "Cisco", "EventProduct": "ASA"},
        falcon={
            "#Vendor": "cisco",
            "#event.module": "asa",
            "#event.dataset": "asa.log",
            "#repo": "3pi_cisco_asa",
        },
        vendor_product="Cisco ASA",
        sourcetype="cisco:asa",
    ),
}


def passing(
    events: Iterable[Event],
    device: str,
    blocks: Collection[str],
    *,
    vendor: Vendor = "fortinet",
    reports: Literal["sessions", "starts_and_ends", "ends"] = "sessions",
) -> Iterator[FirewallSession]:
    """The sessions that a firewall reports of the connections of hosts behind it; other events it does not see.

    `blocks` are the addresses that it lets nobody connect to. A session that is reported in parts lasts for `LASTS`.
    """
    ends: list[tuple[float, int, FirewallSession]] = []
    for number, session in enumerate(_sessions(events, device, blocks)):
        while ends and ends[0][0] <= session.time:
            yield heappop(ends)[2]
        if reports == "sessions" or not session.allowed:
            yield replace(session, vendor=vendor)
            continue
        if reports == "starts_and_ends":
            yield replace(session, vendor=vendor, part="start")
        time = session.time + LASTS
        end = replace(session, vendor=vendor, part="end", time=time, arrival=session.arrival + LASTS)
        heappush(ends, (time, number, end))
    while ends:
        yield heappop(ends)[2]


def _sessions(events: Iterable[Event], device: str, blocks: Collection[str]) -> Iterator[FirewallSession]:
    for event in events:
        if not isinstance(event, NetworkConnection):
            continue
        here, there = (event.local_ip, event.local_port), (event.remote_ip, event.remote_port)
        source, destination = (here, there) if event.initiated else (there, here)
        yield FirewallSession(
            time=event.time,
            arrival=event.arrival,
            device=device,
            protocol=event.protocol,
            src_ip=source[0],
            src_port=source[1],
            dst_ip=destination[0],
            dst_port=destination[1],
            allowed=destination[0] not in blocks,
            overrides=tuple(_lost(event)),
            answered=event.answered,
        )


def _lost(event: NetworkConnection) -> Iterator[tuple[str, str | None]]:
    for field, value in event.overrides:
        name = _FIELDS.get(field, field)
        # The host's own name in another case is nothing that the firewall writes.
        if name in _OWN or (name == "Computer" and not value):
            yield name, value


def _how(session: FirewallSession) -> str:
    """What a FortiGate did with a session, in its own word."""
    if not session.allowed:
        return "deny"
    if session.part == "start":
        return "start"
    return "timeout" if not session.answered else "close" if session.protocol == "tcp" else "accept"


def cef(session: FirewallSession) -> Row:
    """A row of CommonSecurityLog, without its time."""
    how = _how(session)
    told = {"Activity": f"traffic:forward {how}", "DeviceAction": how, "Protocol": _NUMBERS[session.protocol]}
    # What an ASA did stands in the text of its message only.
    row = {
        **MAKES[session.vendor].cef,
        **(told if session.vendor == "fortinet" else {"Protocol": session.protocol.upper()}),
        "Computer": session.device,
        "SourceIP": session.src_ip,
        "SourcePort": session.src_port,
        "DestinationIP": session.dst_ip,
        "DestinationPort": session.dst_port,
    }
    names = {
        "Computer": ("Computer",),
        "src_ip": ("SourceIP",),
        "src_port": ("SourcePort",),
        "dst_ip": ("DestinationIP",),
        "dst_port": ("DestinationPort",),
        "protocol": ("Protocol",),
        "action": ("DeviceAction", "Activity"),
        "blocked": ("DeviceAction", "Activity"),
    }
    return overridden(row, session, names)


def asim(session: FirewallSession) -> Row:
    """A row of `_Im_NetworkSession`, without its time."""
    row = {
        "EventCount": 1,
        "EventType": "NetworkSession",
        **MAKES[session.vendor].asim,
        **_outcome(session),
        "Dvc": session.device,
        "NetworkProtocol": session.protocol.upper(),
        "SrcIpAddr": session.src_ip,
        "SrcPortNumber": session.src_port,
        "DstIpAddr": session.dst_ip,
        "DstPortNumber": session.dst_port,
    }
    names = {
        "Computer": ("Dvc",),
        "src_ip": ("SrcIpAddr",),
        "src_port": ("SrcPortNumber",),
        "dst_ip": ("DstIpAddr",),
        "dst_port": ("DstPortNumber",),
        "protocol": ("NetworkProtocol",),
        "action": ("EventResult", "DvcAction"),
        "blocked": ("EventResult", "DvcAction"),
    }
    return overridden(row, session, names)


_OUTCOMES: dict[str, Row] = {
    "deny": {"DvcAction": "Deny", "EventResult": "Failure"},
    "accept": {"DvcAction": "Allow", "EventResult": "Success"},
    "close": {"EventResult": "Success"},
    "timeout": {"EventResult": "Failure"},
    # The table of the parser has no such word.
    "start": {},
}
"""What ASIM's parser of FortiGate makes of its words (ASimNetworkSessionFortinetFortiGate.yaml 0.6.0)."""


def _outcome(session: FirewallSession) -> Row:
    """What became of a session, as ASIM's parser of its make has it.

    That of an ASA (ASimNetworkSessionCiscoASA.yaml 1.1.0) tells the start from the end; the end of TCP (302014) has the
    result of its reason, which is `TCP FINs` or `SYN Timeout` here, and no action; that of UDP (302016) is allowed.
    """
    if session.vendor == "fortinet":
        return _OUTCOMES[_how(session)]
    if not session.allowed:
        return _OUTCOMES["deny"]
    part = {} if session.part == "whole" else {"EventSubType": session.part.capitalize()}
    if session.part == "end" and session.protocol == "tcp":
        return part | _OUTCOMES["close" if session.answered else "timeout"]
    return part | _OUTCOMES["accept"]


def common_model(session: FirewallSession) -> Row:
    """An event of the data set All_Traffic, without its time."""
    torn = session.vendor == "cisco" and session.part == "end"
    row = {
        "datamodel": "Network_Traffic.All_Traffic",
        "tag": ["network", "communicate"],
        "vendor_product": MAKES[session.vendor].vendor_product,
        "action": "teardown" if torn else "allowed" if session.allowed else "blocked",
        "dvc": session.device,
        "src": session.src_ip,
        "src_ip": session.src_ip,
        "src_port": str(session.src_port),
        "dest": session.dst_ip,
        "dest_ip": session.dst_ip,
        "dest_port": str(session.dst_port),
        "transport": session.protocol,
    }
    names = {
        "Computer": ("dvc",),
        "src_ip": ("src_ip", "src"),
        "src_port": ("src_port",),
        "dst_ip": ("dest_ip", "dest"),
        "dst_port": ("dest_port",),
        "protocol": ("transport",),
        "action": ("action",),
        "blocked": ("action",),
    }
    return overridden(row, session, names)


def parsed(session: FirewallSession) -> Row:
    """An event in Falcon Next-Gen SIEM, by the CrowdStrike Parsing Standard."""
    row = {
        **MAKES[session.vendor].falcon,
        "#Cps.version": "1.1.0",
        "#event.kind": "event",
        "#observer.type": "firewall",
        "@timestamp": round(session.time * 1000),
        "observer.hostname": session.device,
        "event.category[0]": "network",
        "event.type[0]": "connection",
        "event.type[1]": "allowed" if session.allowed else "denied",
        "event.action": "accept" if session.allowed else "deny",
        "network.transport": session.protocol,
        "source.ip": session.src_ip,
        "source.port": str(session.src_port),
        "destination.ip": session.dst_ip,
        "destination.port": str(session.dst_port),
    }
    names = {
        "Computer": ("observer.hostname",),
        "src_ip": ("source.ip",),
        "src_port": ("source.port",),
        "dst_ip": ("destination.ip",),
        "dst_port": ("destination.port",),
        "protocol": ("network.transport",),
        "action": ("event.type[1]", "event.action"),
        "blocked": ("event.type[1]", "event.action"),
    }
    return overridden(row, session, names)


def overridden(row: Row, session: FirewallSession, names: dict[str, tuple[str, ...]]) -> Row:
    """The row with what was lost of the session taken away; a number is never an empty text."""
    for field, value in session.overrides:
        for column in names[field]:
            if value is None or (not value and field in _PORTS and isinstance(row.get(column), int)):
                row.pop(column, None)
            elif column in row:
                row[column] = value
    return row
