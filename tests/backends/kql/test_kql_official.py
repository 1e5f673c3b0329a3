"""The official `kusto` target with our pipelines: plain rules, with table and event filter."""

from __future__ import annotations

import pytest
from sigma.backends.kusto import KustoBackend
from sigma.collection import SigmaCollection

from polysigma.engines.kql.validate import unavailable, validate
from sigma.pipelines.polysigma import pipelines, platform

RULE = """
title: Outbound
logsource: {category: network_connection, product: windows}
detection:
    selection:
        Initiated: 'true'
        DestinationHostname|endswith: .example.net
    condition: selection
"""
EXPECTED = {"defender": "DeviceNetworkEvents", "sentinel": "DeviceNetworkEvents", "asim": "_Im_NetworkSession"}


@pytest.mark.parametrize("pipeline", EXPECTED)
def test_a_plain_rule_gets_its_table_and_its_event_filter(pipeline):
    (query,) = KustoBackend(pipelines[pipeline]()).convert(SigmaCollection.from_yaml(RULE))
    assert query.startswith(f"{EXPECTED[pipeline]}\n| where ")
    assert "ActionType" in query or "EventType" in query
    assert "Initiated" not in query


@pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")
@pytest.mark.parametrize("pipeline", EXPECTED)
def test_the_binder_has_nothing_against_it(pipeline):
    (query,) = KustoBackend(pipelines[pipeline]()).convert(SigmaCollection.from_yaml(RULE))
    assert validate(query, platform(pipeline).schema_name) == []
