"""How Falcon Next-Gen SIEM records an event that has Sigma's fields, and what of the event can be told from its row.

Written from the rows named in `pipelines/sigma/pipelines/polysigma/falcon.yaml`, not from its claims: a wrong claim is
to be found here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .naive import FILLER

if TYPE_CHECKING:
    from .naive import Event

PLATFORMS = {"windows": "Win", "linux": "Lin", "macos": "Mac", None: "Win"}
LEVELS = {"untrusted": "0", "low": "4096", "medium": "8192", "high": "12288", "system": "16384"}
_TEXT = {
    "process_creation": {
        "CommandLine": "CommandLine",
        "md5": "MD5HashData",
        "sha1": "SHA1HashData",
        "sha256": "SHA256HashData",
    },
    "network_connection": {},
    "dns_query": {"QueryName": "DomainName"},
    "registry_set": {"Details": "RegStringValue"},
    "registry_event": {"Details": "RegStringValue"},
    "driver_load": {"md5": "MD5HashData", "sha256": "SHA256HashData"},
    "image_load": {"md5": "MD5HashData", "sha256": "SHA256HashData"},
    "ps_script": {"ScriptBlockText": "ScriptContent"},
    "windows_security": {
        "TargetUserName": "UserName",
        "TargetDomainName": "LogonDomain",
        "TargetUserSid": "UserSid",
        "LogonType": "LogonType",
        "IpAddress": "RemoteAddressIP4",
        "WorkstationName": "ClientComputerName",
        "AuthenticationPackageName": "AuthenticationPackage",
        "TaskName": "TaskName",
        "TaskContent": "TaskXml",
    },
    "windows_taskscheduler": {"TaskName": "TaskName"},
}
PATHS = {
    "process_creation": {"Image": "ImageFileName"},
    "file_event": {"TargetFilename": "TargetFileName", "Image": "ContextImageFileName"},
    "file_delete": {"TargetFilename": "TargetFileName"},
    "file_rename": {"TargetFilename": "TargetFileName", "SourceFilename": "SourceFileName"},
    "image_load": {"ImageLoaded": "ImageFileName", "Image": "TargetImageFileName"},
    "driver_load": {"ImageLoaded": "ImageFileName"},
}
NAMES = {
    "process_creation": {"ParentImage": "ParentBaseFileName"},
    "network_connection": {"Image": "ContextBaseFileName"},
    "dns_query": {"Image": "ContextBaseFileName"},
}
_LOGGED = {"4624": "UserLogon", "4625": "UserLogonFailed2", "4698": "ScheduledTaskRegistered"}
_EVENTS = {
    "process_creation": "ProcessRollup2", "dns_query": "DnsRequest", "file_event": "PeFileWritten",
    "file_delete": "FileDeleteInfo", "file_rename": "FileRenameInfo", "registry_set": "RegGenericValueUpdate",
    "registry_add": "AsepKeyUpdate", "image_load": "ClassifiedModuleLoad", "driver_load": "DriverLoad",
    "ps_script": "ScriptControlScanTelemetry",
}  # fmt: skip
RECORDED = {*_EVENTS, "network_connection", "registry_event", "windows_security", "windows_taskscheduler"}
"""The categories and services of which events are recorded."""
HASHES = {
    "process_creation": ("MD5", "SHA1", "SHA256"),
    "image_load": ("MD5", "SHA256"),
    "driver_load": ("MD5", "SHA256"),
}
_SEPARATOR = {"linux": "/", "macos": "/"}


def shape(category: str, product: str | None, field: str, parts: tuple[str, str, str]) -> str:
    """A text of a field from what it starts with, holds and ends with, as events have it."""
    start, inner, end = parts
    if field == "IpAddress" and not any(parts):
        return "203.0.113.9"
    separator = _SEPARATOR.get(product or "", "\\")
    if field in PATHS.get(category, {}) or field in NAMES.get(category, {}):
        if start and not (inner or end):
            text = start
        else:
            body = f"{inner}{separator if end[:1].isalnum() and inner else ''}{FILLER if inner else ''}{end}"
            root = "" if separator == "/" else "C:"
            if start:
                text = f"{start}{FILLER}{body}"
            elif body[:2] == ":\\":
                text = f"C{body}"
            elif body[:1] == separator:
                text = f"{root}{separator}{FILLER}{body}"
            elif re.match(r"[A-Za-z]:\\", body):
                text = body
            else:
                text = f"{root}{separator}{FILLER}{separator}{FILLER}{body}"
        if field in NAMES.get(category, {}) and (inner or end or separator in start):
            text = f"Q:{separator}{FILLER}{separator}{base_name(text)}"
        return text
    if field == "TargetObject" and not start:
        start = "HKLM" if (inner or end).startswith("\\") else "HKLM\\" if not (inner or end).startswith("HK") else ""
        between = "\\" if inner and end and not end.startswith("\\") else ""
        return f"{start}{inner}{FILLER if inner else ''}{between}{end}"
    after = FILLER if inner or (start and end) else ""
    return f"{start}{FILLER if start and inner else ''}{inner}{after}{end}" or FILLER


def seen(category: str, product: str | None, event: Event, *, raw: bool = False) -> Event:
    """The event as far as its row tells it; `raw` rows of the replicator name no user but by an identifier."""
    told = {*_TEXT.get(category, {}), *PATHS.get(category, {}), *NAMES.get(category, {}), "Computer"}
    told |= {"TargetObject"} if category.startswith("registry") else set()
    kept = {field: text for field, text in event.items() if field in told}
    match category:
        case "process_creation":
            if product == "windows" or product is None:
                kept |= {field: event[field] for field in ("IntegrityLevel", "LogonId") if field in event}
            else:
                kept |= {"User": event["User"]} if "User" in event and not raw else {}
            kept |= {"ProcessId": event["ProcessId"]} if "ProcessId" in event else {}
        case "network_connection":
            fields = ("DestinationIp", "SourceIp", "DestinationPort", "SourcePort", "Protocol")
            kept |= {field: event[field] for field in fields if field in event}
            kept["Initiated"] = {"true": "true", "false": "false"}[event.get("Initiated", "true").lower()]
            six = ":" in event.get("DestinationIp", "") or event.get("SourceIsIpv6", "").lower() == "true"
            kept["SourceIsIpv6"] = kept["DestinationIsIpv6"] = str(six).lower()
        case "registry_event" | "registry_add" | "registry_set":
            default = "CreateKey" if category == "registry_add" else "SetValue"
            kept["EventType"] = {"setvalue": "SetValue", "createkey": "CreateKey"}[
                event.get("EventType", default).lower()
            ]
            if re.match(r"[DQ]WORD|Binary Data$|\(Empty\)$", event.get("Details", ""), re.IGNORECASE):
                del kept["Details"]
        case "windows_security":
            kept["EventID"] = event.get("EventID", "4624")
            unknown = {
                "4624": ("TaskName", "TaskContent"),
                "4625": ("TaskName", "TaskContent", "TargetUserSid", "AuthenticationPackageName"),
                "4698": tuple(_TEXT[category].keys() - {"TaskName", "TaskContent"}),
            }
            for field in unknown[kept["EventID"]]:
                kept.pop(field, None)
            if kept["EventID"] != "4698":
                # The log says "-" where there is no value; and an address is recorded where it is IPv4.
                kept = {"IpAddress": "-", "WorkstationName": "-", **kept}
                kept |= {"IpAddress": "-"} if ":" in kept["IpAddress"] else {}
        case "windows_taskscheduler":
            kept["EventID"] = {"106": "106"}[event.get("EventID", "106")]
        case _:
            pass
    for algorithm in HASHES.get(category, ()):
        found = re.search(rf"{algorithm}=([0-9A-Fa-f]+)", event.get("Hashes", ""))
        if found:
            kept[algorithm.lower()] = found[1]
    if category in HASHES:
        listed = [f"{name}={kept[name.lower()]}" for name in HASHES[category] if name.lower() in kept]
        kept |= {"Hashes": ",".join(listed)} if listed else {}
    return kept


def row(category: str, product: str | None, event: Event, *, raw: bool = False) -> dict[str, str]:
    """The row of an event of which no more is there than can be told; `raw` as the replicator delivers it (the lines
    that `schemas/falcon_fdr.json` was made of): other names for the event's name and its time, and all values text."""
    whole = _row(category, product, event)
    if raw:
        whole["event_simpleName"], whole["timestamp"] = whole.pop("#event_simpleName"), whole.pop("@timestamp")
    return whole


def _row(category: str, product: str | None, event: Event) -> dict[str, str]:
    found = {"event_platform": PLATFORMS[product], "@timestamp": "1700000000000", "aid": "a1"}
    name = _EVENTS.get(category, "")
    for field, column in _TEXT.get(category, {}).items():
        if field in event:
            found[column] = event[field]
    for field, column in PATHS.get(category, {}).items():
        if field in event:
            found[column] = event[field] if product in _SEPARATOR else device(event[field])
    for field, column in NAMES.get(category, {}).items():
        if field in event:
            found[column] = base_name(event[field])
    match category:
        case "process_creation":
            if "IntegrityLevel" in event:
                level = event["IntegrityLevel"].lower()
                found["IntegrityLevel"] = LEVELS.get(level) or level.rpartition("-")[2]
            if "LogonId" in event:
                found["AuthenticationId"] = str(int(event["LogonId"], 0))
            if "User" in event:
                found["UserName"] = event["User"]
            if "ProcessId" in event:
                found["RawProcessId"] = event["ProcessId"]
        case "network_connection":
            six = "6" if event["DestinationIsIpv6"] == "true" else "4"
            inbound = event["Initiated"] == "false"
            name = f"NetworkReceiveAcceptIP{six}" if inbound else f"NetworkConnectIP{six}"
            ends = ("Local", "Remote") if inbound else ("Remote", "Local")
            for side, end in zip(("Destination", "Source"), ends, strict=True):
                if f"{side}Ip" in event:
                    found[f"{end}AddressIP{six}"] = event[f"{side}Ip"]
                if f"{side}Port" in event:
                    found[f"{end}Port"] = event[f"{side}Port"]
            if "Protocol" in event:
                found["Protocol"] = {"tcp": "6", "udp": "17", "icmp": "1"}[event["Protocol"].lower()]
        case "registry_set" | "registry_add" | "registry_event":
            key = event["EventType"] == "CreateKey"
            name = "AsepKeyUpdate" if key else "RegGenericValueUpdate"
            if "TargetObject" in event:
                path = kernel_key(event["TargetObject"])
                found["RegObjectName"], _, value = (path, "", "") if key else path.rpartition("\\")
                found |= {} if key else {"RegValueName": "" if value == "(Default)" else value}
        case "windows_security":
            name = _LOGGED[event["EventID"]]
            found = {column: text for column, text in found.items() if text != "-"}
        case "windows_taskscheduler":
            name = "ScheduledTaskRegistered"
        case _:
            pass
    found |= {"ComputerName": event["Computer"]} if "Computer" in event else {}
    return {"#event_simpleName": name, **found}


def base_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def device(path: str) -> str:
    """A path with a drive as the kernel names it; of other paths nothing is known."""
    return re.sub(r"^[A-Za-z]:(?=\\)", lambda _: r"\Device\HarddiskVolume13", path)


def kernel_key(path: str) -> str:
    """A registry path of Sysmon's as the kernel names it."""
    for short, name in (
        (r"HKLM\\System\\CurrentControlSet", "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001"),
        ("HKLM", "\\REGISTRY\\MACHINE"),
        ("HKU", "\\REGISTRY\\USER"),
        ("HKCR", "\\REGISTRY\\MACHINE\\SOFTWARE\\Classes"),
    ):
        found = re.match(rf"{short}(?=\\|$)", path, re.IGNORECASE)
        if found:
            return name + path[found.end() :]
    return path
