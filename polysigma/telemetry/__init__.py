"""Telemetry made to order: a scenario, its canonical events, and the rows that each platform would hold of them.

Rows come from the vendors' schemas (`polysigma.schemas`), never from the mapping that they put to the test.
"""

from polysigma.telemetry.events import (
    AnyEvent,
    DnsQuery,
    Event,
    FirewallSession,
    NetworkConnection,
    Process,
    ProcessCreation,
)
from polysigma.telemetry.generation import demo_scenario, generate
from polysigma.telemetry.hosts import TENANT, Host, HostDirectory
from polysigma.telemetry.rendering import RENDERERS, recorded, render, write_rows
from polysigma.telemetry.scenarios import SCENARIOS, Expectation, Scenario, json_schema, load_scenarios

__all__ = [
    "RENDERERS",
    "SCENARIOS",
    "TENANT",
    "AnyEvent",
    "DnsQuery",
    "Event",
    "Expectation",
    "FirewallSession",
    "Host",
    "HostDirectory",
    "NetworkConnection",
    "Process",
    "ProcessCreation",
    "Scenario",
    "demo_scenario",
    "generate",
    "json_schema",
    "load_scenarios",
    "recorded",
    "render",
    "write_rows",
]
