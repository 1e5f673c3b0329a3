"""A rule without a correlation is proven too: its hits are events, told by the fields that its scenarios name."""

from __future__ import annotations

import textwrap

import pytest

from polysigma.catalog import read_rules
from polysigma.convert import pairs, platforms
from polysigma.prove import Status, prove

RULE = """
    title: IRC Without TLS
    id: 0f6f7b06-0a3b-4f3e-9b4d-7d5b1f0f2c11
    status: experimental
    description: A connection to the port of IRC.
    logsource:
        category: network_connection
    detection:
        selection:
            DestinationPort: {port}
            Initiated: 'true'
        condition: selection
    level: low
"""
SCENARIOS = """
    - name: on_the_port
      hosts: [ws-01, ws-02]
      traffic:
        - {kind: exact, to: 203.0.113.10, port: 6667, at: [1m], hosts: [ws-01]}
        - {kind: exact, to: 203.0.113.10, port: 6668, at: [2m], hosts: [ws-02]}
      hit:
        - {Computer: ws-01, DestinationIp: 203.0.113.10, DestinationPort: 6667}
      miss:
        - {Computer: ws-02}
"""


@pytest.fixture
def proof(tmp_path):
    def one(platform, *, port=6667, scenarios=SCENARIOS):
        folder = tmp_path / "irc"
        folder.mkdir(exist_ok=True)
        (folder / "rule.yml").write_text(textwrap.dedent(RULE.format(port=port)), encoding="utf-8")
        (folder / "scenarios.yaml").write_text(textwrap.dedent(scenarios), encoding="utf-8")
        files, findings = read_rules([str(folder)])
        assert not findings
        return prove(files, pairs([platform] if platform else [], None))

    return one


@pytest.mark.parametrize("platform", platforms())
def test_events_are_told_by_the_fields_of_the_rule_on_every_platform(proof, platform):
    if platform in {"defender", "sentinel", "asim"}:
        pytest.importorskip("duckdb_kql", reason="KQL is run by duckdb-kql (extra `prove`)")
    (verdict,) = proof(platform).verdicts
    assert [str(difference) for difference in verdict.differences] == []
    assert verdict.status in {Status.EXACT, Status.APPROXIMATE}
    assert [case.hits for case in verdict.cases] == [1]


def test_a_rule_that_finds_another_event_than_expected_is_wrong(proof):
    found = proof("falcon", port=6668)
    (verdict,) = found.verdicts
    assert verdict.status is Status.WRONG
    said = [difference.message for difference in verdict.differences]
    assert any("does not find Computer ws-01" in message for message in said)
    assert any("finds Computer ws-02, DestinationIp 203.0.113.10, DestinationPort 6668" in message for message in said)


def test_a_field_that_a_platform_does_not_have_is_no_part_of_its_hits(proof):
    scenarios = SCENARIOS.replace("DestinationPort: 6667}", "DestinationPort: 6667, ProcessGuid: '{0}'}")
    found = proof("splunk_cim", scenarios=scenarios)
    (verdict,) = found.verdicts
    assert verdict.status is Status.WRONG
    assert "does not find" in verdict.differences[0].message
