"""What survives, and why: the table of mutants that nothing can tell from their query, in `tests/prove/survivors/`.

One file per detection, and `everywhere.toml` for what is so in all of them. An entry names the platforms, the faults as
descriptions of mutants in which `*` stands for anything (`\\*` for itself), and why nothing tells these. It is held to
its word: a fault
that matches no mutant of a named platform, or a mutant that was killed, is stale or too loose.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from query_mutants import Mutant

FOLDER = Path(__file__).parents[1] / "prove" / "survivors"
EVERYWHERE = "everywhere"
GONE_THROUGH = {
    "falcon": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "edge_device_admin_exposure",
        "irc_connection_from_workstation",
        "miner_stratum_connection",
        "persistence_then_beacon",
        "powershell_download_loop",
        "regular_beacon_to_rare_destination",
        "smtp_spam_burst",
        "socks_relay_node",
        "telnet_ssh_spray",
        "unmanaged_device_beacon",
    ),
    "splunk_sysmon": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "irc_connection_from_workstation",
        "miner_stratum_connection",
        "persistence_then_beacon",
        "powershell_download_loop",
        "regular_beacon_to_rare_destination",
        "smtp_spam_burst",
        "socks_relay_node",
        "telnet_ssh_spray",
    ),
    "splunk_cim": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "irc_connection_from_workstation",
        "miner_stratum_connection",
        "powershell_download_loop",
        "smtp_spam_burst",
        "socks_relay_node",
        "telnet_ssh_spray",
    ),
    "sysmon_json": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "irc_connection_from_workstation",
        "miner_stratum_connection",
        "persistence_then_beacon",
        "powershell_download_loop",
        "smtp_spam_burst",
        "socks_relay_node",
        "telnet_ssh_spray",
    ),
    "defender": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "irc_connection_from_workstation",
        "miner_stratum_connection",
        "persistence_then_beacon",
        "powershell_download_loop",
        "smtp_spam_burst",
        "socks_relay_node",
        "telnet_ssh_spray",
    ),
    "sentinel": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "edge_device_admin_exposure",
        "irc_connection_from_workstation",
        "miner_stratum_connection",
        "persistence_then_beacon",
        "powershell_download_loop",
        "smtp_spam_burst",
        "socks_relay_node",
        "telnet_ssh_spray",
    ),
    "asim": (
        "dns_query_burst_dga",
        "powershell_download_loop",
    ),
    "fdr": (
        "botnet_node_beaconing",
        "connection_burst_ddos",
        "dns_query_burst_dga",
        "irc_connection_from_workstation",
        "persistence_then_beacon",
        "powershell_download_loop",
        "smtp_spam_burst",
        "telnet_ssh_spray",
    ),
}
"""By platform, the queries whose survivors have been gone through. Of the others see `POLYSIGMA_MUTANTS`."""


@dataclass(frozen=True)
class Fault:
    """One description of mutants that survive on some platforms: `*` stands for any text, the rest for itself."""

    rule: str
    """The detection, or `everywhere`."""
    platforms: tuple[str, ...]
    words: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.words}"

    def of(self, rule: str, platform: str) -> bool:
        """Whether it speaks of the query of a detection on a platform."""
        return self.rule in {rule, EVERYWHERE} and platform in self.platforms

    def matches(self, mutant: Mutant) -> bool:
        """Whether the whole description of a mutant is this one."""
        pattern = ".*".join(re.escape(part.replace(r"\*", "*")) for part in re.split(r"(?<!\\)\*", self.words))
        return re.fullmatch(pattern, str(mutant), re.DOTALL) is not None


@cache
def faults() -> tuple[Fault, ...]:
    """All of them, by file and in its order."""
    files = sorted(FOLDER.glob("*.toml"), key=lambda file: (file.stem != EVERYWHERE, file.stem))
    return tuple(
        Fault(file.stem, tuple(entry["platforms"]), words, entry["why"])
        for file in files
        for entry in tomllib.loads(file.read_text(encoding="utf-8"))["survivor"]
        for words in entry["faults"]
    )


def excused(rule: str, platform: str, mutant: Mutant) -> bool:
    """Whether an entry says why nothing tells a mutant of a query."""
    return any(fault.matches(mutant) for fault in faults() if fault.of(rule, platform))


def too_loose(rule: str, platform: str, killed: Iterable[Mutant]) -> list[str]:
    """The faults that are said to survive, each with a mutant of that description that does not."""
    listed = [fault for fault in faults() if fault.of(rule, platform)]
    return [f"{fault} matches {mutant}" for mutant in killed for fault in listed if fault.matches(mutant)]
