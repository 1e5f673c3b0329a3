"""How Defender, Sentinel and ASIM record an event that has Sigma's fields, and what of it can be told from its row.

Written from the tables' schemas and from the rows that `pipelines/sigma/pipelines/polysigma/*.yaml` name, not from the
claims there: a wrong claim is to be found here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .falcon import base_name

if TYPE_CHECKING:
    from sigma.rule import SigmaLogSource

    from .naive import Event

Row = dict[str, Any]
_INITIATING = {
    "Image": "InitiatingProcessFolderPath",
    "CommandLine": "InitiatingProcessCommandLine",
    "ProcessId": "InitiatingProcessId",
}
_TEXT = {
    "process_creation": {
        "Image": "FolderPath",
        "CommandLine": "ProcessCommandLine",
        "ParentImage": "InitiatingProcessFolderPath",
        "ParentCommandLine": "InitiatingProcessCommandLine",
        "OriginalFileName": "ProcessVersionInfoOriginalFileName",
        "Company": "ProcessVersionInfoCompanyName",
        "Description": "ProcessVersionInfoFileDescription",
        "Product": "ProcessVersionInfoProductName",
        "ProcessId": "ProcessId",
        "ParentProcessId": "InitiatingProcessId",
        "md5": "MD5",
        "sha1": "SHA1",
        "sha256": "SHA256",
    },
    "network_connection": {**_INITIATING, "Protocol": "Protocol", "DestinationHostname": "RemoteUrl"},
    "dns_query": {},
    "file_event": {**_INITIATING, "TargetFilename": "FolderPath"},
    "file_delete": {**_INITIATING, "TargetFilename": "FolderPath", "md5": "MD5", "sha1": "SHA1", "sha256": "SHA256"},
    "file_rename": {**_INITIATING, "TargetFilename": "FolderPath"},
    "image_load": {**_INITIATING, "ImageLoaded": "FolderPath", "md5": "MD5", "sha1": "SHA1", "sha256": "SHA256"},
    "driver_load": {"ImageLoaded": "FolderPath", "md5": "MD5", "sha1": "SHA1", "sha256": "SHA256"},
    "registry": {key: column for key, column in _INITIATING.items() if key != "CommandLine"},
    "pipe_created": {key: column for key, column in _INITIATING.items() if key != "CommandLine"},
    "create_remote_thread": {
        "SourceImage": "InitiatingProcessFolderPath",
        "SourceCommandLine": "InitiatingProcessCommandLine",
        "SourceProcessId": "InitiatingProcessId",
        "TargetProcessId": "ProcessId",
    },
    "process_access": {"SourceImage": "InitiatingProcessFolderPath", "SourceProcessId": "InitiatingProcessId"},
}
"""By category (all of the registry's are one): Sigma field -> the column with the same text."""
_NAMES = {
    "network_connection": {"ParentImage": "InitiatingProcessParentFileName"},
    "file_event": {"ParentImage": "InitiatingProcessParentFileName"},
    "file_rename": {"SourceFilename": "PreviousFileName"},
    "create_remote_thread": {"TargetImage": "FileName", "SourceParentImage": "InitiatingProcessParentFileName"},
    "process_access": {"TargetImage": "FileName"},
}
"""Fields of which the column holds the last part of the path only."""
_USERS = {
    "process_creation": {"User": "Account", "ParentUser": "InitiatingProcessAccount"},
    "create_remote_thread": {"SourceUser": "InitiatingProcessAccount"},
    "process_access": {"SourceUser": "InitiatingProcessAccount"},
}
_EVENTS = {
    "process_creation": ("DeviceProcessEvents", "ProcessCreated"),
    "network_connection": ("DeviceNetworkEvents", "ConnectionSuccess"),
    "dns_query": ("DeviceNetworkEvents", "DnsConnectionInspected"),
    "file_event": ("DeviceFileEvents", "FileCreated"),
    "file_delete": ("DeviceFileEvents", "FileDeleted"),
    "file_rename": ("DeviceFileEvents", "FileRenamed"),
    "image_load": ("DeviceImageLoadEvents", "ImageLoaded"),
    "driver_load": ("DeviceEvents", "DriverLoad"),
    "registry": ("DeviceRegistryEvents", ""),
    "pipe_created": ("DeviceEvents", "NamedPipeEvent"),
    "create_remote_thread": ("DeviceEvents", "CreateRemoteThreadApiCall"),
    "process_access": ("DeviceEvents", "OpenProcessApiCall"),
}
_REGISTRY = {
    "setvalue": "RegistryValueSet",
    "createkey": "RegistryKeyCreated",
    "deletekey": "RegistryKeyDeleted",
    "deletevalue": "RegistryValueDeleted",
    "renamekey": "RegistryKeyRenamed",
}
_LEVELS = {
    **{name.lower(): name for name in ("Untrusted", "Low", "Medium", "High", "System")},
    "s-1-16-0": "Untrusted",
    "s-1-16-4096": "Low",
    "s-1-16-8192": "Medium",
    "s-1-16-12288": "High",
    "s-1-16-16384": "System",
}
_NUMBERS = re.compile(r"ProcessId$|^LogonId$|Port$|SessionId$")
_LENGTHS = {"MD5": 32, "SHA1": 40, "SHA256": 64, "IMPHASH": 32}
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256"}
_ENDS = ("DestinationIp", "DestinationPort", "SourceIp", "SourcePort")


def kind_of(source: SigmaLogSource) -> str:
    """The category, all of the registry's as one; of a service its name."""
    category = source.category or f"{source.product}_{source.service}"
    return "registry" if category.startswith("registry") else category


def sysmon_hashes(event: Event, algorithms: dict[str, str]) -> Event:
    """The hashes of an event by themselves and in Sysmon's list, as far as a platform has the algorithms."""
    found: Event = {}
    for algorithm, field in algorithms.items():
        listed = re.search(rf"(?:^|,){algorithm}=([0-9A-Fa-f]+)", event.get("Hashes", ""))
        text = event.get(field) or (listed[1] if listed else "")
        if text and not re.fullmatch(rf"[0-9A-Fa-f]{{{_LENGTHS[algorithm]}}}", text):
            raise ValueError(f"{text} is no {algorithm}")
        found |= {field: text} if text else {}
    parts = [f"{algorithm}={found[field]}" for algorithm, field in algorithms.items() if field in found]
    return {**found, "Hashes": ",".join(parts)} if parts else found


def written_key(path: str) -> str:
    """A registry path of Sysmon's with the hive's whole name."""
    for short, whole in (
        ("HKLM", "HKEY_LOCAL_MACHINE"),
        ("HKU", "HKEY_USERS"),
        ("HKCR", "HKEY_CLASSES_ROOT"),
    ):
        found = re.match(rf"{short}(?=\\|$)", path, re.IGNORECASE)
        if found:
            return whole + path[found.end() :]
    return path


def registry_data(details: str) -> tuple[str, str]:
    """Type and data of a value whose Details Sysmon has."""
    for name, kind in (("DWORD", "Dword"), ("QWORD", "Qword")):
        found = re.fullmatch(rf"{name} \((0x[0-9A-Fa-f]+(?:-0x[0-9A-Fa-f]+)?)\)", details, re.IGNORECASE)
        if found:
            return kind, str(int(found[1].replace("-0x", ""), 16))
    if details.lower() == "binary data":
        return "Binary", "00ff"
    return "String", "" if details.lower() == "(empty)" else details


class Defender:
    """Rows of advanced hunting; `time` is what the tables call their time, which differs in Sentinel."""

    time = "Timestamp"
    sessions = True

    def seen(self, source: SigmaLogSource, event: Event) -> Event:
        kind = kind_of(source)
        told = {*_TEXT[kind], *_NAMES.get(kind, {}), *_USERS.get(kind, {"User": ""}), "Computer"} - {*_HASHES.values()}
        if kind in {"driver_load", "dns_query"}:
            told -= {"User"}
        kept = {field: text for field, text in event.items() if field in told}
        if "MD5" in _TEXT[kind].values():
            kept |= sysmon_hashes(event, _HASHES)
        match kind:
            case "process_creation":
                kept |= {name: event[name] for name in ("IntegrityLevel", "LogonId") if name in event}
                if self.sessions and "TerminalSessionId" in event:
                    kept["TerminalSessionId"] = event["TerminalSessionId"]
            case "network_connection":
                kept |= {name: event[name] for name in _ENDS if name in event}
                kept["Initiated"] = {"true": "true", "false": "false"}[event.get("Initiated", "true").lower()]
            case "dns_query":
                kept |= {name: event[name] for name in ("QueryName", "QueryStatus") if name in event}
            case "pipe_created":
                kept |= {"PipeName": event["PipeName"]} if "PipeName" in event else {}
            case "registry":
                default = {"registry_add": "CreateKey", "registry_delete": "DeleteValue"}.get(source.category or "")
                kind_of_event = event.get("EventType", default or "SetValue")
                _REGISTRY[kind_of_event.lower()]
                kept["EventType"] = kind_of_event
                kept |= {"TargetObject": event["TargetObject"]} if "TargetObject" in event else {}
                if kind_of_event.lower() == "setvalue":
                    kept |= {"Details": event["Details"]} if "Details" in event else {}
            case _:
                pass
        return kept

    def row(self, source: SigmaLogSource, event: Event) -> Row:
        kind = kind_of(source)
        table, action = _EVENTS[kind]
        found: Row = {"$table": table, self.time: "2026-03-02T00:00:00Z", "ActionType": action, "DeviceId": "d1"}
        found["DeviceName"] = event.get("Computer", "")
        for field, column in _TEXT[kind].items():
            if field in event:
                found[column] = int(event[field]) if _NUMBERS.search(column) else event[field]
        for field, column in _NAMES.get(kind, {}).items():
            if field in event:
                found[column] = base_name(event[field])
        for field, prefix in _USERS.get(kind, {"User": "InitiatingProcessAccount"}).items():
            if field in event:
                domain, _, name = event[field].partition("\\")
                found |= {f"{prefix}Domain": domain if name else "", f"{prefix}Name": name or domain}
        match kind:
            case "process_creation":
                self._process(event, found)
            case "network_connection":
                inbound = event["Initiated"] == "false"
                found |= {"ActionType": "InboundConnectionAccepted"} if inbound else {}
                for side, end in zip(
                    ("Destination", "Source"), ("Local", "Remote") if inbound else ("Remote", "Local"), strict=True
                ):
                    found |= {f"{end}IP": event[f"{side}Ip"]} if f"{side}Ip" in event else {}
                    found |= {f"{end}Port": int(event[f"{side}Port"])} if f"{side}Port" in event else {}
            case "dns_query":
                status = {"rcode": str(int(event["QueryStatus"]) % 9000)} if "QueryStatus" in event else {}
                name = {"query": event["QueryName"]} if "QueryName" in event else {}
                found["AdditionalFields"] = json.dumps({"direction": "Out", **name, **status})
            case "pipe_created":
                named = {"PipeName": f"\\Device\\NamedPipe{event['PipeName']}"} if "PipeName" in event else {}
                found["AdditionalFields"] = json.dumps({"FileOperation": "File created", **named})
            case "registry":
                found |= registry_columns(event, self.previous)
                found["ActionType"] = _REGISTRY[event["EventType"].lower()]
            case _:
                pass
        return found

    previous = "PreviousRegistry"
    """Before the name of a column with what was there before it was deleted."""

    def _process(self, event: Event, found: Row) -> None:
        if "IntegrityLevel" in event:
            found["ProcessIntegrityLevel"] = _LEVELS[event["IntegrityLevel"].lower()]
        if "LogonId" in event:
            found["LogonId"] = int(event["LogonId"], 0)
        if "TerminalSessionId" in event:
            found["CreatedProcessSessionId"] = int(event["TerminalSessionId"])


def registry_columns(event: Event, previous: str) -> Row:
    """Key, value's name, type and data; of what was deleted in the columns of what was there before."""
    found: Row = {}
    gone = event["EventType"].lower().startswith("delete")
    prefix = previous if gone else "Registry"
    if "TargetObject" in event:
        path = written_key(event["TargetObject"])
        if event["EventType"].lower() in {"setvalue", "deletevalue"}:
            key, _, name = path.rpartition("\\")
            found |= {f"{prefix}Key": key, f"{prefix}ValueName": name}
        else:
            found |= {f"{prefix}Key": path}
    if "Details" in event:
        found["RegistryValueType"], found["RegistryValueData"] = registry_data(event["Details"])
    return found


_LOGS = {
    "ps_script": ("Microsoft-Windows-PowerShell/Operational", 4104),
    "ps_module": ("PowerShellCore/Operational", 4103),
    "windows_system": ("System", None),
    "windows_windefend": ("Microsoft-Windows-Windows Defender/Operational", None),
    "windows_taskscheduler": ("Microsoft-Windows-TaskScheduler/Operational", None),
    "windows_bits-client": ("Microsoft-Windows-Bits-Client/Operational", None),
    "windows_codeintegrity-operational": ("Microsoft-Windows-CodeIntegrity/Operational", None),
}
"""Windows event logs in the table Event: the log, and the event where the category says which."""


class Sentinel(Defender):
    """The same rows in a workspace, and the Windows event logs, of which some data is in columns and all in the XML."""

    time = "TimeGenerated"
    sessions = False
    COLUMNS = frozenset({"LogonType", "KeyLength", "ServiceStartType"})
    """Data that is read from its column only: events which have it are among those that the table knows."""

    def seen(self, source: SigmaLogSource, event: Event) -> Event:
        if kind_of(source) not in {*_LOGS, "windows_security"}:
            return super().seen(source, event)
        if any(text in {"", "-"} and field == "IpAddress" for field, text in event.items()):
            raise ValueError("how the table has an address that is not there, is not tested here")
        channel = "Security" if kind_of(source) == "windows_security" else _LOGS[kind_of(source)][0]
        return {**event, "Channel": channel}

    def row(self, source: SigmaLogSource, event: Event) -> Row:
        kind = kind_of(source)
        if kind not in {*_LOGS, "windows_security"}:
            return super().row(source, event)
        own = {"Computer", "EventID", "Provider_Name", "Channel"}
        data = {field: text for field, text in event.items() if field not in own}
        listed = "".join(f'<Data Name="{name}">{escaped(text)}</Data>' for name, text in data.items())
        found: Row = {"TimeGenerated": "2026-03-02T00:00:00Z", "Computer": event.get("Computer", "")}
        found["EventData"] = f"<EventData>{listed}</EventData>"
        if kind == "windows_security":
            found |= {"$table": "SecurityEvent", "Channel": "Security"}
            found |= {field: int(data[field]) for field in self.COLUMNS & data.keys()}
            found |= {"EventSourceName": event["Provider_Name"]} if "Provider_Name" in event else {}
        else:
            log, number = _LOGS[kind]
            found |= {"$table": "Event", "EventLog": log, "EventID": number}
            found |= {"Source": event["Provider_Name"]} if "Provider_Name" in event else {}
        found |= {"EventID": int(event["EventID"])} if "EventID" in event else {}
        return found


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_ASIM_TEXT = {
    "process_creation": {
        "Image": "TargetProcessName",
        "CommandLine": "TargetProcessCommandLine",
        "ParentImage": "ActingProcessName",
        "ParentCommandLine": "ActingProcessCommandLine",
        "ParentUser": "ActorUsername",
        "User": "TargetUsername",
        "CurrentDirectory": "TargetProcessCurrentDirectory",
        "OriginalFileName": "TargetProcessFileOriginalName",
        "Company": "TargetProcessFileCompany",
        "Description": "TargetProcessFileDescription",
        "Product": "TargetProcessFileProduct",
        "FileVersion": "TargetProcessFileVersion",
        "md5": "TargetProcessMD5",
        "sha1": "TargetProcessSHA1",
        "sha256": "TargetProcessSHA256",
        "imphash": "TargetProcessIMPHASH",
    },
    "network_connection": {"DestinationHostname": "DstHostname", "SourceHostname": "SrcHostname"},
    "dns_query": {"QueryName": "DnsQuery", "Image": "SrcProcessName", "User": "SrcUsername"},
    "file_event": {
        "TargetFilename": "TargetFilePath",
        "Image": "ActingProcessName",
        "CommandLine": "ActingProcessCommandLine",
        "User": "ActorUsername",
    },
    "file_delete": {"TargetFilename": "TargetFilePath", "Image": "ActingProcessName", "User": "ActorUsername"},
    "file_rename": {
        "TargetFilename": "TargetFilePath",
        "SourceFilename": "SrcFilePath",
        "Image": "ActingProcessName",
        "User": "ActorUsername",
    },
    "registry": {"Image": "ActingProcessName", "User": "ActorUsername"},
}
_ASIM_EVENTS = {
    "process_creation": ("_Im_ProcessCreate", "ProcessCreated"),
    "network_connection": ("_Im_NetworkSession", "EndpointNetworkSession"),
    "dns_query": ("_Im_Dns", "Query"),
    "file_event": ("_Im_FileEvent", "FileCreated"),
    "file_delete": ("_Im_FileEvent", "FileDeleted"),
    "file_rename": ("_Im_FileEvent", "FileRenamed"),
    "registry": ("_Im_RegistryEvent", ""),
}
_ASIM_HASHES = {**_HASHES, "IMPHASH": "imphash"}


class Asim:
    """Rows of the unifying parsers, as that of Sysmon gives them."""

    def seen(self, source: SigmaLogSource, event: Event) -> Event:
        kind = kind_of(source)
        told = {*_ASIM_TEXT[kind], "Computer"}
        kept = {field: text for field, text in event.items() if field in told}
        match kind:
            case "process_creation":
                kept |= sysmon_hashes(event, _ASIM_HASHES)
                kept |= {"IntegrityLevel": event["IntegrityLevel"]} if "IntegrityLevel" in event else {}
            case "network_connection":
                names = (*_ENDS, "Protocol", "Image", "User")
                kept |= {name: event[name] for name in names if name in event}
                kept["Initiated"] = {"true": "true", "false": "false"}[event.get("Initiated", "true").lower()]
            case "dns_query":
                kept |= {"QueryStatus": event["QueryStatus"]} if "QueryStatus" in event else {}
            case "registry":
                kept |= Defender().seen(source, {name: text for name, text in event.items() if name not in kept})
            case _:
                pass
        return kept

    def row(self, source: SigmaLogSource, event: Event) -> Row:
        kind = kind_of(source)
        table, happened = _ASIM_EVENTS[kind]
        found: Row = {"$table": table, "TimeGenerated": "2026-03-02T00:00:00Z", "EventType": happened, "EventCount": 1}
        found["Dvc"] = event.get("Computer", "")
        found |= {column: event[field] for field, column in _ASIM_TEXT[kind].items() if field in event}
        match kind:
            case "process_creation":
                if "IntegrityLevel" in event:
                    found["TargetProcessIntegrityLevel"] = _LEVELS[event["IntegrityLevel"].lower()]
            case "network_connection":
                inbound = event["Initiated"] == "false"
                found["NetworkDirection"] = "Inbound" if inbound else "Outbound"
                found |= {"NetworkProtocol": event["Protocol"].upper()} if "Protocol" in event else {}
                # Sysmon's parser fills the end that did not open the session.
                end = "Src" if inbound else "Dst"
                found |= {f"{end}ProcessName": event["Image"]} if "Image" in event else {}
                found |= {f"{end}Username": event["User"]} if "User" in event else {}
                for side, short in (("Destination", "Dst"), ("Source", "Src")):
                    found |= {f"{short}IpAddr": event[f"{side}Ip"]} if f"{side}Ip" in event else {}
                    found |= {f"{short}PortNumber": int(event[f"{side}Port"])} if f"{side}Port" in event else {}
            case "dns_query":
                found |= {"DnsResponseCode": int(event["QueryStatus"]) % 9000} if "QueryStatus" in event else {}
            case "registry":
                found |= {
                    column.replace("ValueName", "Value"): text
                    for column, text in registry_columns(event, "RegistryPrevious").items()
                }
                found["EventType"] = _REGISTRY[event["EventType"].lower()]
            case _:
                pass
        return found


RECORDERS = {"defender": Defender(), "sentinel": Sentinel(), "asim": Asim()}
