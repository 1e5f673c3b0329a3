"""The printed beaconing hunt, run on every scenario as Splunk holds it, window by window, against the oracle."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from sigma.collection import SigmaCollection

from polysigma.engines.reference import evaluate
from polysigma.engines.spl import compile_spl
from polysigma.engines.spl.values import number
from polysigma.telemetry import generate, load_scenarios, render
from polysigma.telemetry.addresses import canonical
from sigma.backends.polysigma import SplBackend
from sigma.pipelines.polysigma import pipelines

RULES = Path(__file__).parents[3] / "rules/botnet_node_beaconing"
SCENARIOS = {drawn.name: drawn for drawn in load_scenarios(RULES / "scenarios.yaml")}
HOUR, DAY = 3600, 86400
PLATFORMS = {
    "splunk_sysmon": ("HostKey", "DestinationAddress", "DestinationPort"),
    "splunk_cim": ("SourceKey", "DestinationAddress", "dest_port"),
}
NUMBERS = (
    "TotalConnections",
    "ActiveHours",
    "MinHourlyConnections",
    "MaxHourlyConnections",
    "BeaconingScore",
    "ConnectionsPerHour",
)


@cache
def compiled(platform):
    backend = SplBackend(processing_pipeline=pipelines[platform]())
    backend.compiled = {}
    backend.convert(SigmaCollection.from_yaml((RULES / "rule.yml").read_text()))
    (found,) = [one for several in backend.compiled.values() for one in several if one.plan.window]
    return found, compile_spl(found.query)


@cache
def rows_of(name, platform):
    return list(render(generate(SCENARIOS[name]), platform))


def windows(rows):
    """Every sixth T on an hour at which a window of a day holds an event, and the last one."""
    first, last = (int(pick(row["_time"] for row in rows) // HOUR + 1) * HOUR for pick in (min, max))
    return sorted({*range(first, last + DAY, 6 * HOUR), last})


def comparable(hits, keys):
    """The hits' keys and numbers; lists for display are not part of a hit."""
    found = {}
    for hit in hits:
        host, address, port = (hit[name] for name in keys)
        key = (host, canonical(address), number(port))
        numbers = {name: pytest.approx(number(hit[name])) for name in NUMBERS}
        assert key not in found
        found[key] = {**numbers, "WatchedPort": str(hit["WatchedPort"]).lower()}
    return found


def listed(hits, keys):
    """What each hit's display list shows, as a set."""
    shown = {}
    for hit in hits:
        processes = hit["Processes"] or []
        shown[hit[keys[0]], canonical(hit[keys[1]])] = {processes} if isinstance(processes, str) else set(processes)
    return shown


LARGE = "ten_hosts_and_four_bots"


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == LARGE else []) for name in SCENARIOS]
)
def test_the_query_hits_what_the_oracle_hits(name, platform):
    (result, query), keys = compiled(platform), PLATFORMS[platform]
    rows = rows_of(name, platform)
    for end in windows(rows):
        within = [row for row in rows if end - DAY <= row["_time"] < end]
        expected, found = evaluate(result.plan, within), query.run(rows, now=end + 7.0)
        assert comparable(found, keys) == comparable(expected, keys), end
        assert listed(found, keys) == listed(expected, keys), end


@pytest.mark.parametrize("platform", PLATFORMS)
def test_there_is_something_to_hit_and_to_miss(platform):
    hits = {
        name: sum(len(compiled(platform)[1].run(rows_of(name, platform), now=end)) for end in windows(rows))
        for name in ("nineteen_connections", "twenty_connections", "mapped_address_is_the_ipv4_address")
        if (rows := rows_of(name, platform))
    }
    assert hits["nineteen_connections"] == 0
    assert hits["twenty_connections"] > 0
    assert hits["mapped_address_is_the_ipv4_address"] > 0


RARE = Path(__file__).parents[3] / "rules/regular_beacon_to_rare_destination"


@pytest.mark.skipif(not RARE.is_dir(), reason="the detection is not in this package")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_search_for_regular_beacons_hits_what_the_oracle_hits(platform):
    """Nested groups, eventstats and numbers that are not whole."""
    backend = SplBackend(processing_pipeline=pipelines[platform]())
    backend.compiled = {}
    backend.convert(SigmaCollection.from_yaml((RARE / "rule.yml").read_text()))
    (result,) = [one for several in backend.compiled.values() for one in several if one.plan.window]
    query, hits = compile_spl(result.query), 0
    for drawn in load_scenarios(RARE / "scenarios.yaml")[:6]:
        rows = list(render(generate(drawn), platform))
        end = windows(rows)[-1]
        within = [row for row in rows if end - result.plan.window <= row["_time"] < end]
        expected, found = (
            {
                (row[keys[0]], canonical(row[keys[1]]), number(row[keys[2]])): (row["Hosts"], round(row["Evidence"], 6))
                for keys in [PLATFORMS[platform]]
                for row in each
            }
            for each in (evaluate(result.plan, within), query.run(rows, now=float(end)))
        )
        assert found == expected, drawn.name
        hits += len(found)
    assert hits
