"""Rules about firewall logs: the words for an action, the reporting device, and who does not see them."""

from __future__ import annotations

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.catalog import read_rules
from polysigma.claims import Logsource
from polysigma.prove import Status, prove
from sigma.backends.polysigma import KqlBackend, LogScaleBackend, SplBackend
from sigma.pipelines.polysigma import pipelines, platform

RULE = """
title: Session
name: session
id: 6f5c9b1e-8f0a-4c63-9a0c-0d6d5b1f0101
status: test
logsource: {category: firewall}
detection:
    selection:
        dst_port: 23
        action: allowed
        src_ip|cidr: 10.0.0.0/8
    internal:
        dst_ip|cidr: [10.0.0.0/8, 192.168.0.0/16]
    condition: selection and not internal
level: low
"""
CORRELATION = """
---
title: Many Sessions
name: many_sessions
id: 6f5c9b1e-8f0a-4c63-9a0c-0d6d5b1f0102
status: test
correlation:
    type: event_count
    rules: [session]
    group-by: [Computer, src_ip, dst_ip]
    timespan: 2h
    condition: {gte: 2}
polysigma:
    version: 1
    schedule: {every: 1h}
    steps:
        - group:
            by: [Computer, src_ip, dst_ip]
            measures: {Sessions: count(), Actions: 'collect(action, 3)', Ports: distinct(dst_port)}
        - where: Sessions >= 2
level: low
"""
SCENARIOS = """
- name: cameras
  span: 1h
  hosts: [cam-01, cam-02, cam-03]
  firewall: {name: Edge-FW-01, blocks: [203.0.113.66]}
  traffic:
    - {kind: exact, hosts: [cam-01], to: 203.0.113.10, port: 23, at: [1s, 2s]}
    - {kind: exact, hosts: [cam-02], to: 203.0.113.66, port: 23, at: [3s, 4s]}
    - {kind: exact, hosts: [cam-03], to: 203.0.113.10, port: 23, at: [5s, 6s]}
    - {kind: exact, hosts: [cam-03], to: 203.0.113.10, port: 80, at: [7s, 8s]}
  oddities:
    - {kind: missing, hosts: [cam-03], fields: [Computer]}
  hit:
    - {Computer: edge-fw-01, src_ip: 10.1.0.11, dst_ip: 203.0.113.10, Sessions: 2, Ports: 1}
  miss:
    - {src_ip: 10.1.0.12}
    - {src_ip: 10.1.0.13}
"""
BACKENDS = {"asim": KqlBackend, "sentinel": KqlBackend, "splunk_cim": SplBackend, "falcon": LogScaleBackend}


def converted(name, **selection):
    rule = yaml.safe_load(RULE)
    rule["detection"] = {"selection": selection, "condition": "selection"}
    (query,) = BACKENDS[name](pipelines[name]()).convert(SigmaCollection.from_dicts([rule]))
    return [line for line in query.splitlines() if not line.startswith(("//", "```"))]


def test_a_rule_finds_the_same_on_every_platform_that_holds_firewall_logs(tmp_path):
    (tmp_path / "rule.yml").write_text(RULE + CORRELATION, encoding="utf-8")
    (tmp_path / "scenarios.yaml").write_text(SCENARIOS, encoding="utf-8")
    files, findings = read_rules([str(tmp_path / "rule.yml")])
    assert findings == []
    wanted = [(name, platform(name).targets[0]) for name in BACKENDS]
    proof = prove(files, wanted)
    assert [str(one) for verdict in proof.verdicts for one in verdict.differences] == []
    assert {verdict.platform: verdict.status for verdict in proof.verdicts} == dict.fromkeys(
        BACKENDS, Status.APPROXIMATE
    )
    assert all(len(verdict.cases) == 1 for verdict in proof.verdicts)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_word_for_letting_pass_means_the_same(name):
    queries = {tuple(converted(name, action=word)) for word in ("allowed", "accept", "Permit", 2, "forward")}
    assert len(queries) == 1
    assert converted(name, blocked="false") == converted(name, action="allowed")
    assert converted(name, blocked="true") == converted(name, action="deny")


@pytest.mark.parametrize("name", BACKENDS)
def test_a_word_that_is_not_known_is_refused_by_name(name):
    with pytest.raises(SigmaError, match="'alowed' of action"):
        converted(name, action="alowed")


def test_a_closed_set_of_words_is_met_by_equality_where_the_index_serves():
    assert converted("asim", action="accept")[3:] == ['| where EventResult == "Success"']
    assert converted("splunk_cim", action="accept")[0].endswith('action="allowed"')


def test_a_column_of_the_table_is_not_taken_for_a_derived_one_of_another_category():
    lines = converted("sentinel", dst_port=23)
    assert lines == [
        "CommonSecurityLog",
        '| where DeviceProduct in ("Fortigate", "FortiGate", "PAN-OS", "VPN-1 & FireWall-1")',
        "| where DestinationPort == 23",
    ]


def test_what_defenders_parser_calls_as_a_firewalls_session_is_none():
    lines = converted("asim", dst_port=23)
    assert '| where EventProduct !in ("M365 Defender for Endpoint", "Sysmon for Linux")' in lines


@pytest.mark.parametrize("name", ["defender", "splunk_sysmon", "sysmon_json", "fdr"])
def test_platforms_of_endpoint_sensors_refuse_with_the_reason(name):
    refusal = platform(name).refusal_for(Logsource(category="firewall"))
    assert refusal is not None
    assert "it is the log of a firewall" in refusal.reason


def test_a_product_says_nothing_about_the_events_of_a_category_that_is_not_claimed_by_product():
    scope = platform("falcon").scope(Logsource(category="firewall", product="windows"))
    assert scope is not None
    assert "event_platform" not in scope.event


def test_what_a_platform_claims_it_does_not_refuse_with_the_one_that_it_extends():
    assert platform("defender").refusal_for(Logsource(category="firewall"))
    assert platform("sentinel").refusal_for(Logsource(category="firewall")) is None
    assert platform("sentinel").refusal_for(Logsource(product="windows", service="system"))
    assert platform("fdr").refusal_for(Logsource(category="process_access"))
