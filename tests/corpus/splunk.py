"""How Splunk's add-ons extract an event of Sysmon or of a Windows log that has Sigma's fields: under the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.schemas import load

from .microsoft import kind_of, sysmon_hashes

if TYPE_CHECKING:
    from sigma.rule import SigmaLogSource

    from .naive import Event

CODES = {
    "process_creation": "1", "network_connection": "3", "driver_load": "6", "image_load": "7",
    "create_remote_thread": "8", "process_access": "10", "file_event": "11", "create_stream_hash": "15",
    "pipe_created": "17", "dns_query": "22", "file_delete": "23",
}  # fmt: skip
CHANNELS = {"ps_script": ("Microsoft-Windows-PowerShell/Operational", "4104"),
            "ps_module": ("Microsoft-Windows-PowerShell/Operational", "4103"),
            "windows_security": ("Security", None), "windows_system": ("System", None)}  # fmt: skip
EVENTS = {"setvalue": "13", "createkey": "12", "deletekey": "12", "deletevalue": "12", "renamekey": "14"}
_ALGORITHMS = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "IMPHASH": "imphash"}


class Sysmon:
    """Rows of the add-ons for Sysmon and for Windows."""

    def seen(self, source: SigmaLogSource, event: Event) -> Event:
        kind = kind_of(source)
        if kind in CHANNELS:
            return {"Channel": CHANNELS[kind][0]} | event
        told = dict(event)
        if kind == "registry":
            default = {"registry_add": "CreateKey", "registry_delete": "DeleteValue"}.get(source.category or "")
            told["EventType"] = event.get("EventType", default or "SetValue")
        code = EVENTS[told["EventType"].lower()] if kind == "registry" else CODES[kind]
        known = load("splunk_sysmon").tables[code]
        told["EventID"] = code
        if "Hashes" in known:
            told |= sysmon_hashes(event, _ALGORITHMS)
        return {name: text for name, text in told.items() if name in known or name in _ALGORITHMS.values()}

    def row(self, source: SigmaLogSource, event: Event) -> dict[str, Any]:
        kind = kind_of(source)
        found: dict[str, Any] = {name: text for name, text in event.items() if name not in _ALGORITHMS.values()}
        if kind in CHANNELS:
            channel, code = CHANNELS[kind]
            found |= {"Channel": channel, "source": f"XmlWinEventLog:{channel}"}
            found |= {"EventCode": code} if code else {}
        else:
            system = "Syslog:Linux-Sysmon" if source.product == "linux" else "XmlWinEventLog:Microsoft-Windows-Sysmon"
            found |= {"source": f"{system}/Operational", "Channel": f"{system.partition(':')[2]}/Operational"}
            found["EventCode"] = EVENTS[event["EventType"].lower()] if kind == "registry" else CODES[kind]
        if "EventID" in event:
            found["EventCode"] = found.pop("EventID")
        if "Provider_Name" in found:
            found["Name"] = found.pop("Provider_Name")
        return {"_time": 1.0, **found}
