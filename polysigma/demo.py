"""The demonstration: a network with bots in it, a detection that does not know them, and what it finds.

Everything here goes through what a user would use: telemetry from a scenario, `convert`, `replay`. The only thing
added is the truth, which a generated network has and a real one has not: what each flow was made by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from polysigma.catalog import resolve
from polysigma.convert import compile_rule
from polysigma.engines.sql_text import TABLE
from polysigma.plan.durations import format_duration
from polysigma.replay import load_events, opened, replay
from polysigma.source import read_file
from polysigma.telemetry import NetworkConnection, generate, render, write_rows
from polysigma.telemetry.traffic.bots import Beacon, Irc, SlowBeacon, Socks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from polysigma.replay import Hit
    from polysigma.telemetry import AnyEvent, Scenario
    from polysigma.telemetry.traffic import AnyTraffic

    Bot = Beacon | Irc | Socks

DETECTION = "botnet_node_beaconing"

Flow = tuple[str, str, int]
"""A host, an address and a port: what the detection counts by."""

MEANINGS = {
    "backup": "nightly backup",
    "browsing": "popular web site",
    "cdn": "streaming",
    "inbound": "clients of a server",
    "internal": "internal traffic",
    "ipv6": "web over IPv6",
    "monitoring": "health check",
    "ntp": "time service",
    "polling": "page that polls",
    "proxy": "web through the proxy",
    "push": "notifications",
    "resolver": "name resolution",
    "updater": "update check",
}
"""What each kind of ordinary traffic is to whoever looks at an alert for it."""


@dataclass(slots=True)
class Recorded:
    """What was generated and written: how many events, how many of them rows of this shape, and who made each flow."""

    events: int
    rows: int
    origins: defaultdict[Flow, Counter[str]]
    """Connections of a flow by the kind of traffic that made them."""


@dataclass(frozen=True, slots=True)
class Found:
    """All alerts for one host, address and port, and what is really there."""

    flow: Flow
    score: int
    connections: int
    """The most connections that one of the alerts counted."""
    hours: int
    """The most active hours that one of the alerts counted."""
    alerts: int
    first: str
    """The end of the window of the first alert."""
    bot: bool
    what: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A bot that was not found, and why."""

    flow: Flow
    what: str
    why: str


def record(scenario: Scenario, path: Path, shape: str, progress: Callable[[int], None] | None = None) -> Recorded:
    """Generates a scenario's events and writes them in a platform's shape, noting who made each flow on the way.

    The rows are those of `generate(scenario)`. Raises PolysigmaError where the file cannot be written.
    """
    recorded = Recorded(0, 0, defaultdict(Counter))
    recorded.rows = write_rows(path, render(_noted(scenario, recorded, progress), shape))
    return recorded


def _noted(scenario: Scenario, recorded: Recorded, progress: Callable[[int], None] | None) -> Iterator[AnyEvent]:
    parts = (_marked(index, item, scenario) for index, item in enumerate(scenario.traffic))
    for event, kind in merge(*parts, key=lambda marked: marked[0].time):
        recorded.events += 1
        if progress and recorded.events % 10_000 == 0:
            progress(recorded.events)
        if isinstance(event, NetworkConnection) and event.initiated:
            flow = (event.host.name, event.remote_ip, event.remote_port)
            recorded.origins[flow][kind] += 1
        yield event


def _marked(index: int, item: AnyTraffic, scenario: Scenario) -> Iterator[tuple[AnyEvent, str]]:
    """The events of one part of the traffic. The others keep their places, since places seed the dice, and are mute."""
    mute = [other.model_copy(update={"hosts": []}) for other in scenario.traffic]
    mute[index] = item
    for event in generate(scenario.model_copy(update={"traffic": mute})):
        yield event, item.kind


def search(path: Path, shape: str, progress: Callable[[float], None] | None = None) -> list[Hit]:
    """Converts the detection to SQL for data of a shape, and runs it as its schedule would have."""
    with opened([path], shape) as inputs:
        compiled = compile_rule(DETECTION, inputs.family.platform, "sql", table=TABLE)
        with load_events(compiled.query, inputs) as events:
            done = replay(compiled.plan, compiled.query, events, progress=progress)
            return list(done.hits)


def judge(hits: Iterable[Hit], origins: Mapping[Flow, Counter[str]], scenario: Scenario) -> list[Found]:
    """The alerts by flow, with what is really there: bots first, then by what it is, most alerts first."""
    flows: dict[Flow, list[Hit]] = defaultdict(list)
    for hit in hits:
        flows[_flow(hit, scenario)].append(hit)
    planted = dict(bots(scenario))
    found = []
    for flow, alerts in flows.items():
        kinds = origins.get(flow, Counter())
        kind = max(kinds.items(), key=itemgetter(1))[0] if kinds else "unknown"
        found.append(
            Found(
                flow=flow,
                score=max(hit["BeaconingScore"] for hit in alerts),
                connections=max(hit["TotalConnections"] for hit in alerts),
                hours=max(hit["ActiveHours"] for hit in alerts),
                alerts=len(alerts),
                first=min(hit["window_end"] for hit in alerts),
                bot=flow in planted,
                what=describe(planted[flow]) if flow in planted else MEANINGS.get(kind, kind),
            )
        )
    return sorted(found, key=lambda one: (not one.bot, one.what, -one.alerts, -one.connections, one.flow))


def missed(scenario: Scenario, found: Iterable[Found], origins: Mapping[Flow, Counter[str]]) -> list[Missed]:
    """The planted bots that no alert names, each with the reason in numbers."""
    seen = {one.flow for one in found}
    threshold = parameter("min_connections")
    days = scenario.span / 86400
    result = []
    for flow, item in bots(scenario):
        if flow in seen:
            continue
        daily = sum(origins.get(flow, Counter()).values()) / days
        why = f"it makes about {daily:.0f} connections a day, and the detection asks for {threshold}"
        result.append(Missed(flow, describe(item), why if daily < threshold else "its score stays too low"))
    return result


def bots(scenario: Scenario) -> list[tuple[Flow, Bot]]:
    """The planted bots that call home: each with the host, address and port by which it should be found."""
    return [
        ((name, item.to, item.port), item)
        for item in scenario.traffic
        if isinstance(item, Beacon | Irc | Socks) and isinstance(item.hosts, list)
        for name in item.hosts
    ]


def describe(bot: Bot) -> str:
    """What a bot does, in a few words."""
    match bot:
        case SlowBeacon():
            return f"slow bot, calls every {format_duration(int(bot.period))}"
        case Beacon():
            return f"bot, calls every {format_duration(int(bot.period))}"
        case Irc():
            return "bot, rejoins IRC"
        case Socks():
            return "SOCKS relay"


def parameter(name: str) -> Any:
    """The value of a parameter of the detection, as its rule gives it."""
    for path in resolve(DETECTION):
        for document in read_file(path):
            if isinstance(document.value, dict) and "polysigma" in document.value:
                return document.value["polysigma"]["parameters"][name]["value"]
    raise KeyError(name)


def alerts(hits: Iterable[Hit], scenario: Scenario) -> set[tuple[Any, ...]]:
    """What identifies alerts, whatever platform recorded the events: flow, window, count and score."""
    return {(_flow(hit, scenario), hit["window_end"], hit["TotalConnections"], hit["BeaconingScore"]) for hit in hits}


def _flow(hit: Hit, scenario: Scenario) -> Flow:
    """The flow of a hit. Falcon's replicated rows have no host name, so a host there is its agent id."""
    computer = str(hit["Computer"])
    if computer not in scenario.directory:
        computer = scenario.directory.computer(computer)
    return scenario.directory.host(computer).name, hit["DestinationIp"], hit["DestinationPort"]
