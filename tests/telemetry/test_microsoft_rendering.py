"""Rows as Defender, Sentinel and ASIM hold them: only known columns, and only what they would record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polysigma.schemas import load
from polysigma.telemetry import demo_scenario, generate, load_scenarios, render
from polysigma.telemetry.defender import TABLE, device_id

SCENARIOS = {
    drawn.name: drawn
    for drawn in load_scenarios(Path(__file__).parents[2] / "rules/botnet_node_beaconing/scenarios.yaml")
}
SCHEMAS = {"defender": "defender", "sentinel": "sentinel", "asim": "sentinel_asim"}


@pytest.fixture(scope="module")
def events():
    from itertools import islice

    return list(islice(generate(demo_scenario()), 3000))


def rows_of(name, platform, **options):
    return list(render(generate(SCENARIOS[name]), platform, **options))


@pytest.mark.parametrize("platform", SCHEMAS)
def test_rows_hold_only_columns_of_their_table(events, platform):
    tables = load(SCHEMAS[platform]).tables
    for row in render(events, platform):
        assert row.keys() - {TABLE} <= tables[row[TABLE]].keys()


def test_a_repeated_connection_is_recorded_once_a_day_and_counted_in_a_report_an_hour():
    rows = rows_of("twenty_connections", "defender")
    raw = [row for row in rows if row["ActionType"] == "ConnectionSuccess"]
    reports = [row for row in rows if row["ActionType"] == "ConnectionSuccessAggregatedReport"]
    assert len(raw) == 1
    assert sum(json.loads(row["AdditionalFields"])["uniqueEventsAggregated"] for row in reports) == 20
    assert len({row["Timestamp"][:13] for row in reports}) == len(reports)


def test_reports_are_there_only_where_they_are_switched_on():
    rows = rows_of("twenty_connections", "defender", aggregated=False)
    assert {row["ActionType"] for row in rows} == {"ConnectionSuccess"}


def test_reports_tell_the_name_of_the_process_the_addresses_and_the_remote_port():
    (report, *_) = [row for row in rows_of("twenty_connections", "defender") if "Aggregated" in row["ActionType"]]
    assert report.keys() == {
        *(TABLE, "Timestamp", "ActionType", "DeviceId", "DeviceName", "InitiatingProcessFileName"),
        *("LocalIP", "RemoteIP", "RemotePort", "AdditionalFields", "ReportId"),
    }


def test_the_workspace_calls_the_time_otherwise():
    ours, theirs = rows_of("twenty_connections", "defender"), rows_of("twenty_connections", "sentinel")
    assert [row["Timestamp"] for row in ours] == [row["TimeGenerated"] for row in theirs]


def test_a_device_is_found_again_by_its_agent_id():
    directory = SCENARIOS["twenty_connections"].directory
    (host,) = {row["DeviceId"] for row in rows_of("twenty_connections", "defender")}
    assert any(device_id(known) == host for known in directory)
    assert directory.computer(host[:32])


def test_only_outbound_connections_are_reported():
    rows = rows_of("inbound_connections", "defender")
    ends = ("LocalIP", "RemoteIP", "RemotePort")
    ways = {}
    for row in rows:
        ways.setdefault(row["ActionType"], set()).add(tuple(row[column] for column in ends))
    assert ways["InboundConnectionAccepted"]
    assert ways["ConnectionSuccessAggregatedReport"] == ways["ConnectionSuccess"]


def test_a_session_has_its_source_at_the_end_that_opened_it():
    rows = rows_of("inbound_connections", "asim")
    sessions = [row for row in rows if row[TABLE] == "_Im_NetworkSession"]
    assert {row["DvcIpAddr"] == row["SrcIpAddr"] for row in sessions} == {True, False}
    assert all(row["DvcIpAddr"] in {row["SrcIpAddr"], row["DstIpAddr"]} for row in sessions)
    assert all(row["EventCount"] == 1 for row in rows)
