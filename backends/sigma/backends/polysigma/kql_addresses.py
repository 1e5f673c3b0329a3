"""Addresses in KQL: one spelling for all, and networks of IPv4 and IPv6, which have functions of their own.

Source: learn.microsoft.com/kusto/query, pages of parse_ipv6(), format_ipv4(), ipv4_is_in_any_range() and
ipv6_is_in_any_range().
"""

from __future__ import annotations

import ipaddress

from polysigma.plan.expressions import Expression, InNetwork, Not

from .kql_text import name, quoted, verbatim

_LAST_GROUPS, _AS_NUMBER = r".*:(\w+):(\w+)$", r"0x\1\2"
MAPPED = ipaddress.ip_network("::ffff:0:0/96")


def address_columns(column: str, source: str) -> list[tuple[str, str]]:
    """An address in one spelling, as columns of which each uses the one before; the last is called `column`.

    `parse_ipv6` writes every address as eight groups, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), in whatever
    spelling it came; those are IPv4 again, by their last two groups. Text that is no address stays, in lower case.
    """
    full = f"{column}Full"
    digits = f"replace_regex({name(full)}, {verbatim(_LAST_GROUPS)}, {verbatim(_AS_NUMBER)})"
    dotted = f"format_ipv4(tolong({digits}))"
    mapped = f'{name(full)} startswith "0000:0000:0000:0000:0000:ffff:"'
    lower = f"tolower({source})"
    return [
        (full, f"iff({source} contains {quoted(':')}, parse_ipv6({source}), {quoted('')})"),
        (
            column,
            f"case(\n        isempty({name(full)}), {lower},\n        {mapped}, {dotted},\n        {name(full)})",
        ),
    ]


def by_family(node: Expression) -> tuple[Expression, ...]:
    """`not in these networks` as one test for IPv4 and one for IPv6, since the functions know one family each."""
    if not (isinstance(node, Not) and of_two_families(node.item)):
        return (node,)
    assert isinstance(node.item, InNetwork)
    six = tuple(network for network in node.item.networks if ":" in network)
    four = tuple(network for network in node.item.networks if ":" not in network)
    return tuple(Not(InNetwork(node.item.item, networks, at=node.at)) for networks in (four, six))


def of_two_families(node: Expression) -> bool:
    """Whether a test names IPv4 and IPv6 networks, which makes two tests of it."""
    return isinstance(node, InNetwork) and len({":" in network for network in node.networks}) == 2


def full_spelling(text: str) -> str:
    """An address as `address_columns` spells it; other text in lower case."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text.lower()
    return address.exploded if isinstance(address, ipaddress.IPv6Address) else str(address)


def in_ranges(family: str, subject: str, networks: list[str]) -> str:
    """Whether an address (`ipv4`, `ipv6`) lies in one of some networks; null for what is no address."""
    listed = ", ".join(quoted(network) for network in networks)
    return f"{family}_is_in_any_range({subject}, {listed})"
