"""`network(address, bits)`: what it keeps, and that every engine keeps the same of the same events."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysigma.catalog import read_rules
from polysigma.convert import platforms
from polysigma.engines.reference.expressions import evaluator
from polysigma.plan.expressions import Call, Column, Constant
from polysigma.plan.faults import PlanError
from polysigma.plan.parser import parse_expression
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, infer
from polysigma.prove import perform
from polysigma.prove.prepare import prepare


def kept(address, bits):
    return evaluator(Call("network", (Column("a"), Constant(bits))))({"a": address})


@pytest.mark.parametrize(
    ("address", "bits", "network"),
    [
        ("203.0.113.9", 24, "203.0.113"),
        ("203.0.113.9", 16, "203.0"),
        ("2001:db8::1", 24, "2001:db8:0"),
        ("2001:db8::1", 16, "2001:db8"),
        ("::1", 16, "0:0"),
        ("ws-01", 24, None),
        (None, 24, None),
    ],
)
def test_it_keeps_the_first_parts_of_an_address(address, bits, network):
    assert kept(address, bits) == network


@given(st.ip_addresses(), st.ip_addresses(), st.sampled_from([16, 24]))
def test_two_addresses_have_one_network_where_their_first_bits_are_the_same(one, other, bits):
    def first(address):
        address = getattr(address, "ipv4_mapped", None) or address
        return address.version, int(address) >> (address.max_prefixlen - bits * (1 if address.version == 4 else 2))

    assert (kept(str(one), bits) == kept(str(other), bits)) is (first(one) == first(other))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network(a, 25)", "16 or 24"),
        ("network(a, n)", "16 or 24"),
        ("network(a, 24.0)", "16 or 24"),
        ("network(a)", "takes 2 arguments"),
        ("network(n, 24)", "network needs address or text, not a"),
        ("network(a, '24')", "network needs integer or real"),
    ],
)
def test_other_arguments_are_refused(text, said):
    with pytest.raises(PlanError, match=said):
        infer(parse_expression(text), Scope({"a": Type.ADDRESS, "n": Type.INTEGER}, {}))


STEPS = """\
    steps:
        - derive:
              Network: network(DestinationIp, 24)
              Wide: network(DestinationIp, 16)
        - group:
              by: [Computer, Network]
              measures:
                  Connections: count()
                  Addresses: distinct(DestinationIp)
                  Wider: distinct(Wide)
        - annotate:
              by: [Computer]
              measures:
                  Networks: distinct(Network)
        - where: Connections >= :least
        - sort: [Connections desc, Computer, Network]
"""
SCENARIO = """\
- name: networks
  hosts: [ws-01]
  span: 2h
  traffic:
    - {kind: exact, to: 203.0.113.10, port: 6667, hourly: [9]}
    - {kind: exact, to: 203.0.113.250, port: 6667, hourly: [9]}
    - {kind: exact, to: 198.51.100.1, port: 6667, hourly: [9]}
    - {kind: exact, to: "2001:db8:1:1::1", port: 6667, hourly: [9]}
    - {kind: exact, to: "2001:db8:1::ff", port: 6667, hourly: [9]}
    - {kind: exact, to: "2001:db8:a::1", port: 6667, hourly: [9]}
  hit:
    - {Computer: ws-01, Network: 203.0.113, Connections: 18, Addresses: 2, Networks: 4}
    - {Computer: ws-01, Network: 198.51.100, Connections: 9, Addresses: 1, Networks: 4}
"""


@pytest.mark.parametrize("platform", sorted(platforms()))
def test_every_engine_finds_the_networks_that_the_oracle_finds(detection, platform):
    rule = Path(detection) / "rule.yml"
    text = rule.read_text(encoding="utf-8")
    start, end = text.index("    steps:"), text.index("    alert:")
    steps = STEPS
    rule.write_text(text[:start] + steps + text[end:], encoding="utf-8")
    (Path(detection) / "scenarios.yaml").write_text(SCENARIO, encoding="utf-8")
    files, _ = read_rules([detection])
    (done,), findings = prepare(list(files), [(platform, platforms()[platform][0])])
    assert not findings
    (bench,) = done.benches
    assert not bench.verdict.general, bench.verdict.general
    (trial,) = bench.trials
    outcome = perform(trial)
    assert outcome.error is None
    assert outcome.hits
    assert outcome.mismatch is None, outcome.mismatch
    assert {dict(hit.values)["Networks"] for hit in outcome.hits} == {4}
