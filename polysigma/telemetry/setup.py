"""How a site has set up what records its events: what a platform is told to leave out, or has besides.

What is left out here shows as a loss of the platform. Where nothing is said, everything that can record does.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

_FROZEN = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SysmonSetup(BaseModel):
    """Sysmon's configuration."""

    model_config = _FROZEN

    connections: bool = True
    """Whether it asks for network connections. Sysmon's own default is that it does not (NetworkConnect)."""


class FalconSetup(BaseModel):
    """Where in Next-Gen SIEM a search runs."""

    model_config = _FROZEN

    repository: str | None = None
    """The one repository that is searched (`base_sensor`); all of them where left out."""


class DefenderSetup(BaseModel):
    """Settings of Defender for Endpoint."""

    model_config = _FROZEN

    aggregated: bool = True
    """Whether aggregated reporting is switched on."""


class AsimSetup(BaseModel):
    """What is behind the unifying parsers of network sessions."""

    model_config = _FROZEN

    sensor: Literal["sysmon", "sysmon_for_linux", "defender"] = "sysmon"
    """The sensor on the hosts."""
    direction: bool = True
    """Whether its parser tells the direction of a session, or the address of the device that reports it."""


class CimSetup(BaseModel):
    """What feeds Splunk's data models, besides Sysmon on the hosts."""

    model_config = _FROZEN

    direction: bool = True
    """Whether the sources of traffic tell its direction, which the model does not prescribe."""
    network: bool = False
    """The firewall at the perimeter and the resolver of the house report too, and know hosts by their addresses."""
    security_log: bool = False
    """Windows' security log reports the start of processes too (event 4688)."""


class Setup(BaseModel):
    """A site's systems, one by one."""

    model_config = _FROZEN

    sysmon: SysmonSetup = SysmonSetup()
    falcon: FalconSetup = FalconSetup()
    defender: DefenderSetup = DefenderSetup()
    asim: AsimSetup = AsimSetup()
    splunk_cim: CimSetup = CimSetup()

    def options(self, renderer: str) -> dict[str, Any]:
        """What the renderer of a platform is to be told."""
        system = _SYSTEMS.get(renderer)
        return getattr(self, system).model_dump() if system else {}


_SYSTEMS = {
    "sysmon": "sysmon",
    "sysmon_nxlog": "sysmon",
    "sysmon_winlogbeat": "sysmon",
    "sysmon_winlogbeat6": "sysmon",
    "splunk_sysmon": "sysmon",
    "falcon": "falcon",
    "defender": "defender",
    "sentinel": "defender",
    "asim": "asim",
    "splunk_cim": "splunk_cim",
}
"""Renderer -> what is set up there."""
