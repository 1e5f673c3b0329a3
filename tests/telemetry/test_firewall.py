"""What a firewall reports of hosts without a sensor: only known columns, nothing from the hosts themselves."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.schemas import load
from polysigma.telemetry import FirewallSession, generate, load_scenarios, render
from polysigma.telemetry.defender import TABLE

SCENARIO = """
- name: cameras
  hosts: [cam-01, cam-02, cam-03]
  firewall: {name: Edge-FW-01, blocks: [203.0.113.66]}
  traffic:
    - {kind: exact, hosts: [cam-01], to: 203.0.113.10, port: 23, at: [1s, 2s]}
    - {kind: exact, hosts: [cam-02], to: 203.0.113.66, port: 23, at: [3s]}
    - {kind: exact, hosts: [cam-03], to: 203.0.113.10, port: 80, at: [4s]}
    - {kind: lookups, hosts: [cam-03]}
  oddities:
    - {kind: missing, hosts: [cam-03], fields: [DestinationPort, Computer, action], as: %s}
    - {kind: mixed_case, hosts: [cam-01], share: 1.0}
  hit:
    - {Computer: edge-fw-01, src_ip: 10.1.0.11}
"""
PLATFORMS = {"sentinel": "sentinel", "asim": "sentinel_asim", "splunk_cim": "splunk_cim", "falcon": "falcon"}


def drawn(tmp_path, lost="absent"):
    path = tmp_path / "scenarios.yaml"
    path.write_text(SCENARIO % lost, encoding="utf-8")
    (scenario,) = load_scenarios(path)
    return scenario


def rows_of(tmp_path, platform, lost="absent"):
    return list(render(generate(drawn(tmp_path, lost)), platform))


def table(row):
    return row.get(TABLE) or row.get("datamodel") or row["#observer.type"]


def test_the_firewall_reports_connections_and_nothing_else(tmp_path):
    events = list(generate(drawn(tmp_path)))
    assert all(isinstance(event, FirewallSession) for event in events)
    assert [(event.src_ip, event.dst_ip, event.dst_port, event.allowed) for event in events] == [
        ("10.1.0.11", "203.0.113.10", 23, True),
        ("10.1.0.11", "203.0.113.10", 23, True),
        ("10.1.0.12", "203.0.113.66", 23, False),
        ("10.1.0.13", "203.0.113.10", 80, True),
    ]


@pytest.mark.parametrize("lost", ["absent", "empty"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_rows_hold_only_columns_of_their_table(tmp_path, platform, lost):
    schema = load(PLATFORMS[platform])
    rows = rows_of(tmp_path, platform, lost)
    assert len(rows) == 4
    for row in rows:
        assert row.keys() - {TABLE} <= schema.tables[table(row)].keys()


@pytest.mark.parametrize("platform", ["sysmon", "fdr", "defender", "splunk_sysmon"])
def test_sensors_report_nothing(tmp_path, platform):
    assert rows_of(tmp_path, platform) == []


@pytest.mark.parametrize(
    ("platform", "port", "device", "outcome"),
    [
        ("sigma", "dst_port", "Computer", "action"),
        ("sentinel", "DestinationPort", "Computer", "DeviceAction"),
        ("asim", "DstPortNumber", "Dvc", "EventResult"),
        ("splunk_cim", "dest_port", "dvc", "action"),
        ("falcon", "destination.port", "observer.hostname", "event.type[1]"),
    ],
)
def test_what_a_row_lost_is_missing_and_the_others_have_it(tmp_path, platform, port, device, outcome):
    *whole, lost = rows_of(tmp_path, platform)
    assert not {port, device, outcome} & lost.keys()
    assert {row[device] for row in whole} == {"Edge-FW-01"}
    assert [str(row[port]) for row in whole] == ["23", "23", "23"]
    assert whole[0][outcome] == whole[1][outcome] != whole[2][outcome]


def test_a_number_that_was_lost_is_no_empty_text(tmp_path):
    for platform in ("sentinel", "asim"):
        lost = rows_of(tmp_path, platform, "empty")[-1]
        assert all(isinstance(value, int) for name, value in lost.items() if name.endswith(("Port", "PortNumber")))


def test_a_closed_session_has_no_action_in_asim_and_a_word_of_fortinets_in_sentinel(tmp_path):
    assert [row.get("DvcAction") for row in rows_of(tmp_path, "asim")] == [None, None, "Deny", None]
    assert [row.get("DeviceAction") for row in rows_of(tmp_path, "sentinel")[:3]] == ["close", "close", "deny"]


def test_only_the_firewall_and_the_hosts_can_be_expected(tmp_path):
    path = tmp_path / "scenarios.yaml"
    path.write_text(SCENARIO.replace("edge-fw-01", "other") % "absent", encoding="utf-8")
    with pytest.raises(PolysigmaError, match="no host is called other"):
        load_scenarios(path)


def test_what_it_blocks_is_an_address_of_nobodys(tmp_path):
    path = tmp_path / "scenarios.yaml"
    path.write_text(SCENARIO.replace("203.0.113.66]", "8.8.8.8]") % "absent", encoding="utf-8")
    with pytest.raises(PolysigmaError, match="belongs to somebody"):
        load_scenarios(path)
