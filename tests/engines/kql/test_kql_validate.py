"""Microsoft's binder behind our interface: findings with a code, a place, and the word of Microsoft."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import Position, Severity
from polysigma.engines.kql import validate as module
from polysigma.engines.kql.validate import unavailable, validate

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")


@pytest.mark.parametrize(
    ("query", "code", "at"),
    [
        ("DeviceNetworkEvents\n| where Nope == 1", "kql-unknown-name", Position(2, 9)),
        ("DeviceNetworkEventz | take 1", "kql-unknown-table", Position(1, 1)),
        ("DeviceNetworkEvents | where nope(1)", "kql-unknown-function", Position(1, 29)),
        ("DeviceNetworkEvents | where strlen() > 1", "kql-arity", Position(1, 29)),
        ("DeviceNetworkEvents | where RemotePort in~ ('1')", "kql-operand-type", Position(1, 29)),
        ("DeviceNetworkEvents | wher RemotePort == 1", "kql-syntax", Position(1, 23)),
    ],
)
def test_a_fault_is_reported_with_its_place(query, code, at):
    first = validate(query, "defender", "rule.kql")[0]
    assert (first.code, first.severity, first.file) == (code, Severity.ERROR, "rule.kql")
    assert first.at.line == at.line
    assert abs(first.at.column - at.column) <= 12


def test_a_right_query_has_no_finding():
    assert validate("DeviceNetworkEvents | where RemotePort == 443 | summarize count() by DeviceId", "defender") == []


def test_the_same_table_has_another_time_in_a_workspace():
    query = "DeviceNetworkEvents | where TimeGenerated > ago(1d)"
    assert validate(query, "sentinel") == []
    assert [one.code for one in validate(query, "defender")] == ["kql-unknown-name"]


def test_parsers_are_functions_with_the_parameters_of_time():
    assert validate("_Im_Dns(starttime=ago(1d), endtime=now()) | where DnsQuery == 'a'", "sentinel_asim") == []
    assert validate("_Im_Dns | take 1", "sentinel_asim") == []


def test_places_count_characters_also_behind_astral_ones():
    (finding,) = validate('DeviceNetworkEvents\n| where RemoteUrl == "\U0001f600" and Nope == 1', "defender")
    assert finding.at == Position(2, 30)


def test_without_kustology_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert "polysigma[kql-validate]" in unavailable()
