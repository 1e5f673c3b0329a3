"""What could be excluded: from the alerts of a replay to selections that name a program and where it goes.

Only what names something narrow is proposed: never a port alone, never a network wider than a /24 (IPv6: /48), and a
program that runs other people's scripts only together with one address or name.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polysigma.replay import Hit

PROGRAM, HOST = "Image", "Computer"
ADDRESSES = ("DestinationIp", "SourceIp")
PORTS = ("DestinationPort", "SourcePort")

SCRIPT_HOSTS = frozenset(
    {
        *("powershell.exe", "pwsh.exe", "cmd.exe", "wscript.exe", "cscript.exe", "mshta.exe", "rundll32.exe"),
        *("regsvr32.exe", "svchost.exe", "msbuild.exe", "installutil.exe", "python.exe", "pythonw.exe", "java.exe"),
        *("javaw.exe", "node.exe", "curl.exe", "certutil.exe", "bitsadmin.exe", "bash", "sh", "python", "python3"),
        *("perl", "ruby", "node", "java", "curl", "wget", "nc", "ncat", "ssh"),
    }
)
"""Programs that do what others tell them: one of these is no reason to trust a connection (LOLBAS, GTFOBins)."""

_PROFILE = re.compile(r"^[A-Za-z]:\\Users\\(?!Public\\)[^\\]+(\\.+)$|^/(?:home|Users)/[^/]+(/.+)$", re.IGNORECASE)
_ANYBODYS = re.compile(
    r"\\(Users\\Public|AppData|Temp|ProgramData)\\|^/(tmp|var/tmp|dev/shm|home|Users)/", re.IGNORECASE
)
"""Where programs lie that need no administrator to put them there."""


@dataclass(frozen=True)
class Candidate:
    """A selection that may be excluded, and how many alerts it looks as if it would remove."""

    where: Mapping[str, Any]
    about: int
    width: int
    """How much it takes in, for the order among those that remove the same: an address, a network, a port, a host."""


@dataclass(slots=True)
class Proposal:
    """A selection that was tried: what is left of the alerts with it."""

    where: dict[str, Any]
    removes: int
    """So many alerts fewer."""
    removes_a_day: float
    hosts: int
    """On so many hosts."""
    loses: list[dict[str, Any]] = field(default_factory=list)
    """The hits, known to be malicious, that it hides."""

    def as_dict(self) -> dict[str, Any]:
        """The proposal as JSON-ready data."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def reason(self) -> str:
        """A reason to write down, until somebody has a better one."""
        said = ", ".join(f"{key.partition('|')[0]} {value}" for key, value in self.where.items())
        return f"{said}: {self.removes} alerts"[:250]


def collected(measures: Iterable[tuple[str, str]], fields: Mapping[str, Any]) -> dict[str, str]:
    """The lists of a rule that hold values of a field: name of the list to the field.

    `measures` are names and texts, in the order of the steps; a list made of a list holds the same.
    """
    found: dict[str, str] = {}
    for name, text in measures:
        match = re.match(r"\s*collect\(\s*(\w+)\s*,", text)
        if match:
            inner = match.group(1)
            source = inner if inner in fields else found.get(inner)
            if source:
                found[name] = source
    return found


def candidates(hits: Sequence[Hit], keys: Sequence[str], lists: Mapping[str, str], most: int) -> list[Candidate]:
    """The selections that look as if they would remove most alerts, not more than `most`.

    `keys` are the fields that identify a hit and that its events have; `lists` maps columns of lists to fields.
    """
    counted: dict[tuple[tuple[str, Any], ...], tuple[int, int]] = {}
    networks = _networks(hits, keys)
    for hit in hits:
        for where, width in _selections(hit, keys, lists, networks):
            key = tuple(where.items())
            counted[key] = (counted.get(key, (0, width))[0] + 1, width)
    made = [Candidate(dict(key), about, width) for key, (about, width) in counted.items()]
    return sorted(made, key=lambda one: (-one.about, one.width, str(one.where)))[:most]


def _networks(hits: Sequence[Hit], keys: Sequence[str]) -> dict[str, set[str]]:
    """The addresses among the alerts, by the network that they are in."""
    found: dict[str, set[str]] = defaultdict(set)
    for hit in hits:
        for name in keys:
            network = _network(hit.get(name)) if name in ADDRESSES else None
            if network:
                found[network].add(str(hit[name]))
    return found


def _network(value: Any) -> str | None:
    try:
        address = ipaddress.ip_address(str(value))
    except ValueError:
        return None
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def _selections(
    hit: Hit, keys: Sequence[str], lists: Mapping[str, str], networks: Mapping[str, set[str]]
) -> Iterator[tuple[dict[str, Any], int]]:
    """What could be said of one alert's events, each with its width."""
    programs = {str(one) for name, source in lists.items() if source == PROGRAM for one in hit.get(name) or ()}
    program = _program(programs.pop()) if len(programs) == 1 else None
    for name in keys:
        value = hit.get(name)
        if value is None or name == HOST or name in PORTS:
            continue
        network = _network(value) if name in ADDRESSES else None
        if program:
            yield {**program, name: value}, 0
            if network and len(networks[network]) > 1:
                yield {**program, f"{name}|cidr": network}, 1
        else:
            ports = {port: hit[port] for port in keys if port in PORTS and hit.get(port) is not None}
            yield {name: value, **ports}, 0
    if program and not _anybodys(program):
        for port in (name for name in keys if name in PORTS and hit.get(name) is not None):
            yield {**program, port: hit[port]}, 2
        if HOST in keys and hit.get(HOST):
            yield {HOST: hit[HOST], **program}, 3


def _program(path: str) -> dict[str, Any] | None:
    """A test of a program's path: without the name of the user, and by its end where only a name is recorded."""
    if not path.strip():
        return None
    match = _PROFILE.match(path)
    if match:
        return {f"{PROGRAM}|endswith": match.group(1) or match.group(2)}
    if "\\" in path or "/" in path:
        return {PROGRAM: path}
    return {f"{PROGRAM}|endswith": ("\\" if "." in path else "/") + path}


def _anybodys(program: Mapping[str, Any]) -> bool:
    """Whether a program may be doing somebody else's will, or be somebody else's: then it is no reason by itself."""
    path = str(next(iter(program.values())))
    name = re.split(r"[\\/]", path)[-1].lower()
    return name in SCRIPT_HOSTS or bool(_ANYBODYS.search(path))
