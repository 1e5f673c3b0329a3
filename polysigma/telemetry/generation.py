"""From a scenario to its events, in the order of time and in bounded memory."""

from __future__ import annotations

from functools import cache
from heapq import merge
from importlib.resources import as_file, files
from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING

from polysigma.telemetry.firewall import passing
from polysigma.telemetry.lane import Lane
from polysigma.telemetry.scenarios import Scenario, chosen, load_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.telemetry.events import AnyEvent, Event
    from polysigma.telemetry.hosts import Host
    from polysigma.telemetry.traffic import AnyTraffic
    from polysigma.telemetry.traffic.base import Scoped


def generate(scenario: Scenario) -> Iterator[AnyEvent]:
    """The events of a scenario by the endpoints' clocks, earliest first.

    Every kind of traffic on every host is a stream of its own dice, so that a change to one leaves the others as they
    were. Streams are merged as they are made: memory grows with their number, not with the number of events.
    """
    events = _on_hosts(scenario)
    wall = scenario.firewall
    return passing(events, wall.name, wall.blocks, vendor=wall.vendor, reports=wall.reports) if wall else events


def _on_hosts(scenario: Scenario) -> Iterator[Event]:
    directory = scenario.directory
    streams = []
    for index, item in enumerate(scenario.traffic):
        for name in _names(scenario, item, f"traffic {index}"):
            streams.append(_stream(scenario, item, directory.host(name), f"{scenario.seed}/{index}/{name.lower()}"))
    return merge(*streams, key=attrgetter("time"))


@cache
def demo_scenario() -> Scenario:
    """Three days of a network of forty hosts with four bots in it."""
    with as_file(files("polysigma.telemetry") / "demo.yaml") as path:
        (scenario,) = load_scenarios(path)
    return scenario


def _names(scenario: Scenario, scope: Scoped, purpose: str) -> list[str]:
    dice = Random(f"{scenario.seed}/{purpose}")  # noqa: S311 - dice, not secrets
    return chosen(scope, scenario.hosts, dice.sample)


def _window(scenario: Scenario, scope: Scoped) -> tuple[float, float]:
    until = scenario.span if scope.until is None else min(scope.until, scenario.span)
    return scenario.begin + scope.from_, scenario.begin + until


def _stream(scenario: Scenario, item: AnyTraffic, host: Host, seed: str) -> Iterator[Event]:
    start, end = _window(scenario, item)
    lane = Lane(host, seed, start, end)
    events = _within(item.events(lane), start, end)
    if item.while_ == "work":
        events = lane.at_work(events)
    for index, oddity in enumerate(scenario.oddities):
        if host.name in _names(scenario, oddity, f"oddity {index}"):
            dice = Random(f"{seed}/oddity {index}")  # noqa: S311 - dice, not secrets
            events = oddity.change(events, dice, *_window(scenario, oddity))
    return events


def _within(events: Iterator[Event], start: float, end: float) -> Iterator[Event]:
    for event in events:
        if event.time >= end:
            return
        if event.time >= start:
            yield event
