"""The address plan of generated networks, and the spellings in which platforms write an address.

The public internet is the documentation ranges and nothing else (RFC 5737, RFC 3849), so that no generated row
points at anyone: 198.51.100.0/24 and 192.0.2.0/24 hold ordinary services, 203.0.113.0/24 is left to scenarios.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

DOCUMENTATION = tuple(
    ip_network(network) for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)

_NOBODYS = (ip_network("192.88.99.0/24"), ip_network("64:ff9b:1::/48"))
"""What not every release of Python calls local: the former 6to4 relays (RFC 7526), local translation (RFC 8215)."""

INTERNAL_RESOLVER = "10.0.0.53"
PUBLIC_RESOLVER = "192.0.2.253"
TIME_SERVER = "192.0.2.123"
PROXY = "10.0.0.80"
DOMAIN_CONTROLLERS = ("10.0.0.10", "10.0.0.11")
FILE_SERVER = "10.0.0.20"
PRINTERS = ("10.0.3.7", "10.0.3.8")
PUSH_SERVER = "192.0.2.210"
MONITOR = "10.0.0.90"
BACKUP_SERVER = "192.0.2.230"
UPDATE_SERVERS = ("192.0.2.201", "192.0.2.202")
CDN = tuple(f"198.51.100.{last}" for last in range(221, 241))
SITES = tuple(
    [f"198.51.100.{last}" for last in range(1, 201)] + [f"192.0.2.{last}" for last in range(1, 101)],
)
"""Web sites, the most popular first."""


class Spelling(StrEnum):
    """How the remote address of a connection was written by what recorded it."""

    NATIVE = "native"
    """IPv4 as it is; IPv6 as the platform usually writes it (Sysmon writes all eight groups)."""
    COMPRESSED = "compressed"
    """IPv6 with `::`, on every platform."""
    MAPPED = "mapped"
    """An IPv4 address as `::ffff:192.0.2.1`: a dual-stack socket."""
    MAPPED_HEX = "mapped_hex"
    """The same in groups of hexadecimal digits: `0:0:0:0:0:ffff:c000:201`."""


def canonical(text: str) -> str:
    """The one spelling of an address: IPv4-mapped ones unwrapped, IPv6 compressed. Raises ValueError for no address."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def is_harmless(text: str) -> bool:
    """Whether generated traffic may point at an address: a documentation, private, local or multicast one."""
    address = ip_address(canonical(text))
    return address.is_multicast or not address.is_global or any(address in network for network in _NOBODYS)


def is_public(text: str) -> bool:
    """Whether an address stands for the public internet here."""
    address = ip_address(canonical(text))
    return any(address in network for network in DOCUMENTATION)


_NATIVE = Spelling.NATIVE


def spelled(text: str, spelling: Spelling, *, uncompressed: bool) -> str:
    """A canonical address in a spelling. `uncompressed` is how the platform writes IPv6 of its own accord."""
    if spelling is _NATIVE and ":" not in text:
        return text  # nearly all of them: most rows need no thought
    return _spelled(text, spelling, uncompressed)


@lru_cache(maxsize=4096)
def _spelled(text: str, spelling: Spelling, uncompressed: bool) -> str:  # noqa: FBT001 - a cache takes no keywords cheaply
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        if spelling is Spelling.MAPPED:
            return f"::ffff:{address}"
        if spelling is Spelling.MAPPED_HEX:
            wide = IPv6Address(0xFFFF << 32 | int(address))
            return _eight_groups(wide) if uncompressed else f"::ffff:{_eight_groups(wide).split(':', 6)[-1]}"
        return text
    if uncompressed and spelling is not Spelling.COMPRESSED:
        return _eight_groups(address)
    return text


def _eight_groups(address: IPv6Address) -> str:
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))


def is_ipv6(text: str) -> bool:
    return ":" in text


def site_name(index: int) -> str:
    """The name of the web site at `SITES[index]` (RFC 2606 names)."""
    return f"www.site-{index:03d}.example"
