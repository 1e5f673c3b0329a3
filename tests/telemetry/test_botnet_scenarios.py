"""The expectations of the beaconing detection, recounted from rendered rows by a few lines of plain Python.

This is no engine and no plan: it reads the rule's description, so that scenarios are right before anything else is.
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from polysigma.telemetry import demo_scenario, generate, load_scenarios, render

RULE = Path(__file__).parents[2] / "rules/botnet_node_beaconing/scenarios.yaml"
SCENARIOS = load_scenarios(RULE)
WATCHED = {*range(6660, 6670), 6697, 1080, 4444}
PUBLIC = [ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
HOUR = 3600


def connections(drawn, platform):
    """(host, address, port, time) of every outbound connection in the rows, as far as they tell."""
    directory = drawn.directory
    for row in render(generate(drawn), platform):
        if platform == "sysmon":
            if row["EventID"] != 3 or row["Initiated"] != "true":
                continue
            host, address, port = row.get("Computer"), row.get("DestinationIp"), row.get("DestinationPort")
            time = datetime.fromisoformat(row["UtcTime"]).replace(tzinfo=UTC).timestamp()
        else:
            if not row["event_simpleName"].startswith("NetworkConnect"):
                continue
            host = directory.computer(row["aid"]) if row.get("aid") else None
            address = row.get("RemoteAddressIP4") or row.get("RemoteAddressIP6")
            port = row.get("RemotePort")
            time = float(row["ContextTimeStamp"])
        if not host or not address or not port:
            continue
        parsed = ip_address(address)
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        if any(parsed in network for network in PUBLIC):
            yield host, str(parsed), int(port), time


@cache
def found_in(name, platform):
    return hits(next(drawn for drawn in SCENARIOS if drawn.name == name), platform)


def hits(drawn, platform):
    """Every hit of every window of 24 hours that ends on an hour."""
    hours = defaultdict(Counter)
    for host, address, port, time in connections(drawn, platform):
        hours[host, address, port][int(time // HOUR)] += 1
    found = []
    for (host, address, port), counts in hours.items():
        for end in range(min(counts) + 1, max(counts) + 25):
            window = [count for hour, count in counts.items() if end - 24 <= hour < end]
            total, active = sum(window), len(window)
            if total < 20 or active < 3:
                continue
            conditions = [
                (3, port in WATCHED),
                (2, total / active > 10 and total > 50),
                (2, total > 200),
                (1, total > 100),
            ]
            score = next((score for score, holds in conditions if holds), 0)
            if score >= 1:
                found.append(
                    {
                        "Computer": host,
                        "DestinationIp": address,
                        "DestinationPort": port,
                        "TotalConnections": total,
                        "ActiveHours": active,
                        "MinHourlyConnections": min(window),
                        "MaxHourlyConnections": max(window),
                        "BeaconingScore": score,
                    }
                )
    return found


def fits(hit, expected):
    return all(str(hit[field]).lower() == str(value).lower() for field, value in expected.items())


@pytest.mark.parametrize("platform", ["sysmon", "fdr"])
@pytest.mark.parametrize("drawn", SCENARIOS, ids=lambda drawn: drawn.name)
def test_a_scenario_holds_what_it_expects(drawn, platform):
    found = found_in(drawn.name, platform)
    for expected in drawn.hit:
        assert any(fits(hit, expected) for hit in found), expected
    for expected in drawn.miss:
        assert not [hit for hit in found if fits(hit, expected)], expected
    keys = ("Computer", "DestinationIp", "DestinationPort")
    named = [{key: expected[key] for key in keys if key in expected} for expected in drawn.hit]
    others = [hit for hit in found if not any(fits(hit, name) for name in named)]
    assert drawn.other_hits or not others


@pytest.mark.parametrize("drawn", SCENARIOS, ids=lambda drawn: drawn.name)
def test_both_shapes_hold_the_same_hits(drawn):
    def ordered(found):
        return sorted(found, key=lambda hit: tuple(str(value) for value in hit.values()))

    assert ordered(found_in(drawn.name, "sysmon")) == ordered(found_in(drawn.name, "fdr"))


def test_the_scenarios_hold_ten_kinds_of_ordinary_traffic_and_four_bots():
    kinds = {item.kind for drawn in SCENARIOS for item in drawn.traffic}
    assert kinds >= {"browsing", "resolver", "ntp", "cdn", "updater", "push", "backup", "monitoring", "ipv6", "proxy"}
    assert kinds >= {"beacon", "irc", "socks", "slow_beacon"}


def test_the_demo_holds_what_it_expects_and_a_few_false_positives():
    # A day and a half holds all four bots at work; the whole is the business of the demo.
    drawn = demo_scenario().model_copy(update={"span": 36 * 3600.0})
    found = hits(drawn, "sysmon")
    for expected in drawn.hit:
        assert any(fits(hit, expected) for hit in found)
    for expected in drawn.miss:
        assert not any(fits(hit, expected) for hit in found)
    keys = {(hit["Computer"], hit["DestinationIp"], hit["DestinationPort"]) for hit in found}
    assert 3 < len(keys) < 30
