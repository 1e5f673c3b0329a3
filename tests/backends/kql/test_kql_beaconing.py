"""The beaconing detection as KQL, run on rows as Defender, Sentinel and ASIM hold them, against the naive evaluator."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from sigma.exceptions import SigmaError

from polysigma.telemetry import generate, load_scenarios, render
from polysigma.telemetry.defender import DOMAIN

SCENARIOS = {
    drawn.name: drawn
    for drawn in load_scenarios(Path(__file__).parents[3] / "rules/botnet_node_beaconing/scenarios.yaml")
}
NUMBERS = ("TotalConnections", "ActiveHours", "MinHourlyConnections", "MaxHourlyConnections", "BeaconingScore")
KEYS = {
    "defender": ("DeviceId", "RemoteAddress", "RemotePort"),
    "sentinel": ("DeviceId", "RemoteAddress", "RemotePort"),
    "asim": ("HostKey", "DestinationAddress", "DstPortNumber"),
}
TIMES = {"defender": "Timestamp", "sentinel": "TimeGenerated", "asim": "TimeGenerated"}
SMALL = [name for name in SCENARIOS if name != "ten_hosts_and_four_bots"]
DAY = 86400


@cache
def rendered(name, platform):
    return list(render(generate(SCENARIOS[name]), platform))


def moment(row, platform):
    return datetime.fromisoformat(row[TIMES[platform]]).timestamp()


def ends(rows, platform):
    """The edges of hours at which the last window, and one in the middle, would end."""
    times = [moment(row, platform) for row in rows]
    last = int(max(times) // 3600 + 1) * 3600
    return sorted({last, last - int((max(times) - min(times)) / 2 // 3600) * 3600})


def within(rows, platform, end):
    return [row for row in rows if end - DAY <= moment(row, platform) < end]


def hits(rows, platform):
    """Key and numbers of each hit, in an order of their own. An IPv6 address is spelled by its network functions."""
    from ipaddress import ip_address

    host, address, port = KEYS[platform]
    return sorted(
        (row[host], str(ip_address(row[address])), int(row[port]), *(row[name] for name in NUMBERS)) for row in rows
    )


@cache
def all_scenarios(platform):
    """The rows of all scenarios at once, each with hosts of its own."""
    host = KEYS[platform][0].replace("HostKey", "Dvc")
    return [
        {**row, host: f"{row[host]}-{name}"} if row.get(host) else row
        for name in SMALL
        for row in rendered(name, platform)
    ]


@pytest.mark.parametrize("platform", KEYS)
def test_the_query_finds_what_the_evaluator_finds_in_every_scenario(platform, compiled, beaconing):
    made, rows = compiled(beaconing, platform), all_scenarios(platform)
    found = hits(made.executed(rows), platform)
    assert len(found) > 10
    assert found == hits(made.expected(rows), platform)


@pytest.mark.slow
@pytest.mark.parametrize("platform", KEYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_query_finds_what_the_evaluator_finds_in_windows(name, platform, compiled, beaconing):
    made, rows = compiled(beaconing, platform), rendered(name, platform)
    for end in ends(rows, platform):
        window = within(rows, platform, end)
        assert hits(made.executed(window), platform) == hits(made.expected(window), platform), end


def test_on_defender_the_reports_are_counted_by_their_weight(compiled, beaconing):
    made = compiled(beaconing, "defender")
    rows = rendered("twenty_connections", "defender")
    (hit,) = made.executed(rows)
    reports = [row for row in rows if row["ActionType"].endswith("AggregatedReport")]
    assert hit["TotalConnections"] == 20 > len(reports)


def test_raw_events_are_capped_so_that_they_could_not_show_the_beacon(compiled, beaconing):
    rows = [row for row in rendered("twenty_connections", "defender") if row["ActionType"] == "ConnectionSuccess"]
    assert len(rows) == 1


def test_a_hit_carries_time_report_and_device_of_one_and_the_same_event(compiled, beaconing):
    made = compiled(beaconing, "defender")
    rows = rendered("twenty_connections", "defender")
    (hit,) = made.executed(rows)
    (event,) = [row for row in rows if row["ReportId"] == hit["ReportId"]]
    assert event["DeviceId"] == hit["DeviceId"]
    assert datetime.fromisoformat(event["Timestamp"]).replace(tzinfo=None) == hit["Timestamp"]
    reports = [row for row in rows if row["ActionType"] == "ConnectionSuccessAggregatedReport"]
    assert event["Timestamp"] == max(row["Timestamp"] for row in reports)
    assert hit["DeviceName"].endswith(DOMAIN)


def test_a_hit_tells_the_programs_by_name_on_defender(compiled, beaconing):
    made = compiled(beaconing, "defender")
    rows = rendered("twenty_connections", "defender")
    (expected,), (hit,) = made.expected(rows), made.executed(rows)
    assert hit["Processes"] == f'["{expected["Processes"][0]}"]'


def test_inbound_connections_have_no_reports_so_counting_them_is_blind(compiled, beaconing):
    with pytest.raises(SigmaError, match="blind to it: raw connection events are capped"):
        compiled(beaconing.replace("Initiated: 'true'", "Initiated: 'false'"), "defender")


def test_buckets_of_less_than_the_hour_that_a_report_covers_are_blind(compiled, beaconing):
    with pytest.raises(SigmaError, match="one row covers 1h of events"):
        compiled(beaconing.replace("Hour: 1h", "Hour: 10m"), "defender")


def test_hosts_without_reports_are_not_counted(compiled, beaconing):
    with pytest.raises(SigmaError, match="blind"):
        compiled(
            beaconing.replace("category: network_connection", "category: network_connection\n    product: linux"),
            "defender",
        )


def test_where_nothing_is_counted_the_raw_events_are_read(compiled):
    made = compiled(
        [
            {
                "title": "Out",
                "name": "out",
                "logsource": {"category": "network_connection"},
                "detection": {"s": {"Initiated": "true", "Image|endswith": "\\folder\\x.exe"}, "condition": "s"},
            },
            {
                "title": "Several ports",
                "correlation": {
                    "type": "value_count",
                    "rules": ["out"],
                    "group-by": ["Computer"],
                    "timespan": "1h",
                    "condition": {"field": "DestinationPort", "gte": 3},
                },
            },
        ],
        "defender",
    )
    assert '"ConnectionSuccess"' in made.query
    assert "AggregatedReport" not in made.query
    assert "InitiatingProcessFolderPath" in made.query
