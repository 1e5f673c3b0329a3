"""The machines of a generated network, and which Falcon agent id is which machine."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TENANT = blake2b(b"polysigma tenant", digest_size=16).hexdigest()
"""The Falcon customer id (cid) of every generated row."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: the name it reports, its Falcon agent id, its addresses and its user."""

    name: str
    aid: str
    ip: str
    ip6: str
    user: str


def agent_id(name: str) -> str:
    """The Falcon agent id of a host: 32 hexadecimal digits that depend on its name alone, without regard to case."""
    return blake2b(f"polysigma host {name.lower()}".encode(), digest_size=16).hexdigest()


class HostDirectory:
    """The hosts of a scenario: by name without regard to case, and by Falcon agent id.

    A test that compares hits across shapes turns every `aid` back into a name with `computer`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._hosts = {name.lower(): _host(name, index) for index, name in enumerate(names)}
        self._by_aid = {host.aid: host for host in self._hosts.values()}

    def __iter__(self) -> Iterator[Host]:
        return iter(self._hosts.values())

    def __len__(self) -> int:
        return len(self._hosts)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._hosts

    def host(self, name: str) -> Host:
        """The host of that name. Raises PolysigmaError for any other."""
        try:
            return self._hosts[name.lower()]
        except KeyError:
            raise PolysigmaError(Diagnostic("unknown-host", f"no host is called {name!r}")) from None

    def aid(self, computer: str) -> str:
        """The agent id of the host of that name. Raises PolysigmaError for an unknown name."""
        return self.host(computer).aid

    def computer(self, aid: str) -> str:
        """The name of the host with that agent id. Raises PolysigmaError for an unknown id."""
        try:
            return self._by_aid[aid].name
        except KeyError:
            raise PolysigmaError(Diagnostic("unknown-host", f"no host has the agent id {aid!r}")) from None


def _host(name: str, index: int) -> Host:
    number = index + 10
    return Host(
        name=name,
        aid=agent_id(name),
        ip=f"10.1.{number // 250}.{number % 250 + 1}",
        ip6=f"2001:db8:1::{number:x}",
        user=f"CORP\\user{index + 1:02d}",
    )
