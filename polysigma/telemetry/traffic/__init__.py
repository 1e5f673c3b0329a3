"""The kinds of traffic that a scenario can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from polysigma.telemetry.traffic.bots import Beacon, Burst, Irc, Scan, SlowBeacon, Socks
from polysigma.telemetry.traffic.exact import Exact, Queries, Starts
from polysigma.telemetry.traffic.ordinary import (
    Backup,
    Browsing,
    Cdn,
    Inbound,
    Internal,
    Ipv6,
    Lookups,
    Monitoring,
    Ntp,
    Polling,
    Processes,
    Proxy,
    Push,
    Resolver,
    Updater,
)

AnyTraffic = Annotated[
    Backup
    | Beacon
    | Browsing
    | Burst
    | Cdn
    | Exact
    | Inbound
    | Internal
    | Ipv6
    | Irc
    | Lookups
    | Monitoring
    | Ntp
    | Polling
    | Processes
    | Proxy
    | Push
    | Queries
    | Resolver
    | Scan
    | SlowBeacon
    | Socks
    | Starts
    | Updater,
    Field(discriminator="kind"),
]
"""Any kind of traffic, told by its `kind`."""
