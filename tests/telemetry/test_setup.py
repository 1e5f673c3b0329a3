"""What a site has set up otherwise than usual, and what is recorded then."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.telemetry import RENDERERS, load_scenarios, recorded

HEAD = "- {name: one, span: 2h, hosts: [ws-01], miss: [{Computer: ws-01}], "
CALL = "{kind: exact, to: 203.0.113.10, port: 443, at: [1m, 90m]}"
SILENT = "{kind: exact, to: 203.0.113.10, port: 443, at: [1m, 90m], answered: false}"


@pytest.fixture
def rows(tmp_path):
    def of(platform, traffic=CALL, rest=""):
        path = tmp_path / "scenarios.yaml"
        path.write_text(f"{HEAD}traffic: [{traffic}]{rest}}}\n")
        (scenario,) = load_scenarios(path)
        return list(recorded(scenario, platform))

    return of


def count(rows, **wanted):
    return sum(all(row.get(name) == value for name, value in wanted.items()) for row in rows)


@pytest.mark.parametrize(
    "platform", ["sysmon", "sysmon_nxlog", "sysmon_winlogbeat", "sysmon_winlogbeat6", "splunk_sysmon"]
)
def test_sysmon_has_connections_only_where_its_configuration_asks_for_them(rows, platform):
    assert len(rows(platform)) == 2
    assert rows(platform, rest=", setup: {sysmon: {connections: false}}") == []


@pytest.mark.parametrize("platform", sorted(RENDERERS))
def test_an_attempt_that_nobody_answers_is_there_where_attempts_are_recorded(rows, platform):
    assert bool(rows(platform, SILENT)) == (platform in {"falcon", "fdr", "defender", "sentinel"})


def test_defender_says_that_it_failed(rows):
    found = rows("defender", SILENT)
    assert {row["ActionType"] for row in found} == {"ConnectionFailed", "ConnectionFailedAggregatedReport"}


def test_defender_has_no_reports_where_they_are_switched_off(rows):
    found = rows("defender", rest=", setup: {defender: {aggregated: false}}")
    assert [row["ActionType"] for row in found] == ["ConnectionSuccess"]


def test_a_search_of_one_repository_meets_no_other(rows):
    wall = ", firewall: {name: fw-01}"
    assert len(rows("falcon", rest=wall)) == 2
    assert rows("falcon", rest=f"{wall}, setup: {{falcon: {{repository: base_sensor}}}}") == []


def test_behind_asim_defender_shows_a_connection_once_a_day_with_the_name_of_the_program(rows):
    """vimNetworkSessionMicrosoft365Defender.yaml 0.4: the program at the end that reports, the type of any session."""
    (found,) = rows("asim", rest=", setup: {asim: {sensor: defender}}")
    assert found["SrcProcessName"] == "exact.exe"
    assert "DstProcessName" not in found
    assert (found["EventProduct"], found["EventType"]) == ("M365 Defender for Endpoint", "NetworkSession")


def test_behind_asim_sysmon_for_windows_tells_the_address_of_the_host_but_no_direction(rows):
    """ASimNetworkSessionMicrosoftSysmon.yaml 0.1, ASimNetworkSessionMicrosoftSysmonWindowsEvent.yaml 0.2.1."""
    for found in rows("asim"):
        assert found["DvcIpAddr"] == found["SrcIpAddr"]
        assert "NetworkDirection" not in found
        assert ("DstProcessName" in found, "SrcProcessName" in found) == (True, False)


def test_behind_asim_sysmon_for_linux_names_its_sessions_as_those_of_a_firewall_are(rows):
    """ASimNetworkSessionMicrosoftLinuxSysmon.yaml 0.3.1."""
    for found in rows("asim", rest=", setup: {asim: {sensor: sysmon_for_linux}}"):
        assert (found["EventProduct"], found["EventType"]) == ("Sysmon for Linux", "NetworkSession")
        assert found["NetworkDirection"] == "Outbound"
        assert ("DstProcessName" in found, "SrcProcessName" in found) == (False, True)


@pytest.mark.parametrize(("platform", "column"), [("asim", "DvcIpAddr"), ("splunk_cim", "direction")])
def test_a_direction_that_is_not_told_is_missing(rows, platform, column):
    assert all(column in row for row in rows(platform))
    assert not any(column in row for row in rows(platform, rest=f", setup: {{{platform}: {{direction: false}}}}"))


def test_the_perimeter_reports_a_connection_again_of_an_address_and_with_its_protocol(rows):
    found = rows("splunk_cim", rest=", setup: {splunk_cim: {network: true}}")
    assert len(found) == 4
    assert count(found, src="10.1.0.11", app="https", direction="outbound") == 2


def test_the_resolver_reports_a_lookup_again_unless_it_is_encrypted(rows):
    asked = "{kind: queries, names: [a.example]}"
    setup = ", setup: {splunk_cim: {network: true}}"
    assert [row["src"] for row in rows("splunk_cim", asked, setup)] == ["ws-01", "10.1.0.11"]
    hidden = "{kind: queries, names: [a.example], encrypted: true}"
    assert [row["src"] for row in rows("splunk_cim", hidden, setup)] == ["ws-01"]
    assert rows("defender", hidden) == []
    assert len(rows("falcon", hidden)) == 1


def test_the_security_log_reports_a_start_again_without_a_hash(rows):
    start = "{kind: starts, image: 'C:\\a.exe', command_line: a, at: [1m]}"
    found = rows("splunk_cim", start, ", setup: {splunk_cim: {security_log: true}}")
    assert ["process_hash" in row for row in found] == [True, False]


def test_a_firewall_that_reports_twice_reports_in_the_order_of_time(rows):
    calls = "{kind: exact, to: 203.0.113.10, port: 443, at: [1m, 70s, 5m]}"
    found = rows("asim", calls, ", firewall: {name: fw-01, vendor: cisco, reports: starts_and_ends}")
    assert [row["EventSubType"] for row in found] == ["Start", "Start", "End", "End", "Start", "End"]
    assert [row["TimeGenerated"] for row in found] == sorted(row["TimeGenerated"] for row in found)


@pytest.mark.parametrize(
    ("make", "reports", "told"),
    [
        # ASimNetworkSessionFortinetFortiGate.yaml 0.6.0: close has no action, and start stands in no table.
        ("fortinet", "sessions", [(None, "Success", None), ("Deny", "Failure", None)]),
        ("fortinet", "starts_and_ends", [(None, None, None), ("Deny", "Failure", None), (None, "Success", None)]),
        # ASimNetworkSessionCiscoASA.yaml 1.1.0: 302013 is allowed, 302014 (TCP FINs) has no action, 106023 is denied.
        (
            "cisco",
            "starts_and_ends",
            [("Allow", "Success", "Start"), ("Deny", "Failure", None), (None, "Success", "End")],
        ),
    ],
)
def test_asim_says_of_a_session_what_the_parser_of_the_firewall_makes_of_its_words(rows, make, reports, told):
    calls = "{kind: exact, to: 203.0.113.10, port: 443, at: [1m]}, {kind: exact, to: 203.0.113.9, port: 443, at: [61s]}"
    found = rows(
        "asim", calls, f", firewall: {{name: fw-01, vendor: {make}, reports: {reports}, blocks: [203.0.113.9]}}"
    )
    assert [tuple(row.get(name) for name in ("DvcAction", "EventResult", "EventSubType")) for row in found] == told


def test_the_end_of_a_session_of_an_asa_is_a_teardown_in_the_model(rows):
    found = rows("splunk_cim", rest=", firewall: {name: fw-01, vendor: cisco, reports: ends}")
    assert [row["action"] for row in found] == ["teardown", "teardown"]
    assert {row["sourcetype"] for row in found} == {"cisco:asa"}


def test_a_session_that_was_let_through_and_not_answered_is_a_failure_to_asim_and_a_timeout_to_fortinet(rows):
    wall = ", firewall: {name: fw-01}"
    assert {row["EventResult"] for row in rows("asim", SILENT, wall)} == {"Failure"}
    assert {row["DeviceAction"] for row in rows("sentinel", SILENT, wall)} == {"timeout"}


def test_a_socket_that_others_connect_to_has_no_port_besides_its_own(rows):
    with pytest.raises(PolysigmaError, match="local_port"):
        rows("falcon", "{kind: exact, to: 203.0.113.10, port: 80, at: [1m], inbound: true, local_port: 80}")
