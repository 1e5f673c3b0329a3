"""Portable correlations through the official `splunk` and `kusto` targets, with our pipelines."""

from __future__ import annotations

import pytest
from sigma.backends.kusto import KustoBackend
from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection

from polysigma.engines.kql.validate import unavailable, validate
from sigma.pipelines.polysigma import pipelines, platform

BASES = """
title: Outbound
name: outbound
logsource: {category: network_connection, product: windows}
detection: {selection: {Initiated: 'true', DestinationPort: 443}, condition: selection}
---
title: Outbound by another port
name: other
logsource: {category: network_connection, product: windows}
detection: {selection: {Initiated: 'true', DestinationPort: 8443}, condition: selection}
"""
CORRELATIONS = {
    "event_count": ("[outbound, other]", "{gte: 20}", "stats count"),
    "value_count": ("[outbound]", "{gte: 20, field: DestinationIp}", "stats dc({DestinationIp})"),
    "temporal": ("[outbound, other]", "{gte: 2}", "stats dc(event_type)"),
    "extended": ("[outbound, other]", "outbound and not other", "stats values(event_type)"),
}
COLUMNS = {
    "splunk_sysmon": {"Computer": "Computer", "DestinationIp": "DestinationIp", "DestinationPort": "DestinationPort"},
    "splunk_cim": {"Computer": "src", "DestinationIp": "dest_ip", "DestinationPort": "dest_port"},
}
EVENT = {"splunk_sysmon": 'EventCode="3"', "splunk_cim": 'tag="network" tag="communicate"'}


def collection(kind: str) -> SigmaCollection:
    rules, condition, _ = CORRELATIONS.get(kind, ("[outbound, other]", "{gte: 2}", ""))
    name = "temporal" if kind == "extended" else kind
    return SigmaCollection.from_yaml(
        f"{BASES}---\ntitle: Correlated\ncorrelation: {{type: {name}, rules: {rules}, "
        f"group-by: [Computer, DestinationPort], timespan: 1h, condition: {condition}}}"
    )


@pytest.mark.parametrize("kind", CORRELATIONS)
@pytest.mark.parametrize("name", ["splunk_sysmon", "splunk_cim"])
def test_the_official_splunk_backend_prints_them_on_the_platform_s_columns(name, kind):
    query = SplunkBackend(pipelines[name]()).convert(collection(kind))[-1]
    columns = COLUMNS[name]
    keys = [columns["Computer"], columns["DestinationPort"]]
    assert CORRELATIONS[kind][2].format(**columns) in query
    assert query.count(EVENT[name]) == len(collection(kind)[-1].rules)
    assert all(field not in query for field in ("Initiated", "DestinationPort") if name == "splunk_cim")
    assert f"by _time {' '.join(keys)}" in query.replace(",", "")


@pytest.mark.parametrize("name", ["defender", "sentinel", "asim"])
@pytest.mark.parametrize("kind", CORRELATIONS)
def test_the_official_kusto_backend_knows_no_correlation(name, kind):
    """A version that does would print them with our pipelines: then they are to be held against the binder."""
    with pytest.raises(NotImplementedError, match="does not support correlation"):
        KustoBackend(pipelines[name]()).convert(collection(kind))


@pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")
@pytest.mark.parametrize("name", ["defender", "sentinel", "asim"])
def test_the_rules_below_a_correlation_are_bound_as_the_official_kusto_backend_prints_them(name):
    queries = KustoBackend(pipelines[name]()).convert(SigmaCollection.from_yaml(BASES))
    assert len(queries) == 2
    assert [validate(query, platform(name).schema_name) for query in queries] == [[], []]
