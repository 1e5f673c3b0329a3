"""Our pipelines with backends and pipelines of other people, which know nothing of claims."""

from __future__ import annotations

from typing import Any

import pytest
from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.resolver import ProcessingPipelineResolver
from sigma.processing.transformations import AddConditionTransformation, FieldMappingTransformation
from sigma.rule import SigmaRule

from polysigma.platform import SCOPE_STATE
from sigma.pipelines.polysigma import pipelines
from sigma.pipelines.polysigma.refusals import PlatformRefusalError

BEACON = """
title: Outbound
name: outbound
logsource: {category: network_connection, product: windows}
detection:
    selection:
        Initiated: 'true'
        DestinationPort: 443
    filter:
        DestinationIp|cidr: 10.0.0.0/8
    condition: selection and not filter
---
title: Many
correlation:
    type: event_count
    rules: [outbound]
    group-by: [Computer, DestinationIp]
    timespan: 1h
    condition: {gte: 20}
"""


def converted(text: str, *stack: ProcessingPipeline) -> list[str]:
    pipeline = ProcessingPipelineResolver({str(index): each for index, each in enumerate(stack)}).resolve(
        [str(index) for index in range(len(stack))]
    )
    return SplunkBackend(pipeline).convert(SigmaCollection.from_yaml(text))


def process(detection: dict[str, Any]) -> SigmaRule:
    return SigmaRule.from_dict(
        {
            "title": "A rule",
            "logsource": {"category": "process_creation", "product": "windows"},
            "detection": {"selection": detection, "condition": "selection"},
        }
    )


def user(transformation: Any, priority: int = 0) -> ProcessingPipeline:
    return ProcessingPipeline([ProcessingItem(transformation=transformation)], priority=priority)


def test_the_official_splunk_backend_prints_the_event_filter_and_recorded_columns():
    (query,) = converted(BEACON.split("---", maxsplit=1)[0], pipelines["sysmon_json"]())
    assert query == (
        'EventID="3" Channel="Microsoft-Windows-Sysmon/Operational" Initiated="true" DestinationPort=443 '
        'NOT DestinationIp="10.0.0.0/8"'
    )


def test_the_official_splunk_backend_searches_sysmon_by_source_and_code():
    (query,) = converted(BEACON.split("---", maxsplit=1)[0], pipelines["splunk_sysmon"]())
    assert query == (
        'source="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational" EventCode="3" '
        'Channel="Microsoft-Windows-Sysmon/Operational" Initiated="true" DestinationPort=443 '
        'NOT DestinationIp="10.0.0.0/8"'
    )


def test_the_official_splunk_backend_searches_a_data_model_by_its_tags():
    (query,) = converted(BEACON.split("---", maxsplit=1)[0], pipelines["splunk_cim"]())
    assert query == 'tag="network" tag="communicate" direction="outbound" dest_port=443 NOT dest_ip="10.0.0.0/8"'


@pytest.mark.parametrize(("name", "keys"), [("splunk_sysmon", "Computer DestinationIp"), ("splunk_cim", "src dest_ip")])
def test_the_official_splunk_backend_counts_by_the_platform_s_own_keys(name, keys):
    (query,) = converted(BEACON, pipelines[name]())
    assert f"by _time {keys}" in query
    assert "tag=" in query if name == "splunk_cim" else "source=" in query


def test_the_event_filter_stands_before_every_condition_of_a_rule():
    rule = SigmaRule.from_dict(
        {
            "title": "A rule",
            "logsource": {"category": "dns_query", "product": "windows"},
            "detection": {"a": {"QueryName": "x"}, "b": {"QueryName": "y"}, "condition": ["a", "a or not b"]},
        }
    )
    pipelines["sysmon_json"]().apply(rule)
    assert [condition.condition for condition in rule.detection.parsed_condition] == [
        "_polysigma_event and (a)",
        "_polysigma_event and (a or not b)",
    ]


def test_a_field_in_one_of_two_columns_is_tested_in_both():
    rule = SigmaRule.from_yaml(BEACON.split("---", maxsplit=1)[0])
    pipelines["falcon"]().apply(rule)
    (test,) = rule.detection.detections["filter"].detection_items
    assert [item.field for item in test.detection_items[0].detection_items] == ["RemoteAddressIP4", "RemoteAddressIP6"]


def test_a_column_that_must_be_derived_is_refused_where_nothing_derives_it():
    rule = SigmaRule.from_dict(
        {
            "title": "A rule",
            "logsource": {"category": "network_connection", "product": "windows"},
            "detection": {"selection": {"DestinationPort": 443}, "condition": "selection"},
        }
    )
    with pytest.raises(PlatformRefusalError, match="derived column DestinationPort, which this backend"):
        pipelines["falcon"]().apply(rule)


def test_a_portable_correlation_gets_the_platform_s_keys():
    (query,) = converted(BEACON, pipelines["sysmon_json"]())
    assert "by _time Computer DestinationIp" in query.replace(",", "")
    assert 'EventID="3"' in query


def test_a_host_is_grouped_by_its_key_not_its_label():
    collection = SigmaCollection.from_yaml(BEACON.replace("DestinationIp]", "DestinationPort]"))
    pipeline = pipelines["falcon"]()
    for rule in collection:
        pipeline.apply(rule)
    assert collection[1].group_by == ["cid", "aid", "RemotePort"]


def test_a_key_without_a_column_is_refused_in_a_correlation():
    collection = SigmaCollection.from_yaml(BEACON.replace("DestinationIp]", "DestinationHostname]"))
    pipeline = pipelines["falcon"]()
    pipeline.apply(collection[0])
    with pytest.raises(SigmaError, match=r"DestinationHostname \(not-recorded\)"):
        pipeline.apply(collection[1])


def test_a_key_that_two_rules_name_differently_is_refused_in_a_correlation():
    outbound, correlation = BEACON.split("---")
    inbound = outbound.replace("'true'", "'false'").replace("outbound", "inbound")
    collection = SigmaCollection.from_yaml(
        "---".join((outbound, inbound, correlation.replace("[outbound]", "[outbound, inbound]")))
    )
    pipeline = pipelines["falcon"]()
    for rule in collection.rules[:2]:
        pipeline.apply(rule)
    with pytest.raises(SigmaError, match="a key must be one column"):
        pipeline.apply(collection[2])


def test_a_site_may_map_a_field_that_we_refuse():
    pipeline = user(FieldMappingTransformation({"OriginalFileName": "OriginalFilename"})) + pipelines["falcon"]()
    rule = process({"OriginalFileName": "Cmd.Exe"})
    pipeline.apply(rule)
    assert rule.detection.detections["selection"].detection_items[0].field == "OriginalFilename"


def test_a_site_may_add_a_condition_on_a_column_before_or_after_ours():
    for priority in (0, 60):
        site = user(AddConditionTransformation({"cid": "0123"}, name="_site"), priority)
        rule = process({"CommandLine": "x"})
        ProcessingPipelineResolver({"site": site, "ours": pipelines["falcon"]()}).resolve(["site", "ours"]).apply(rule)
        assert "_site" in rule.detection.parsed_condition[0].condition


def test_our_priority_lies_between_preparation_and_backends():
    assert {make().priority for make in pipelines.values()} == {20}


def test_merged_pipelines_keep_the_scope_in_the_state():
    merged = user(AddConditionTransformation({"cid": "0123"})) + pipelines["falcon"]()
    merged.apply(process({"CommandLine": "x"}))
    assert merged.state[SCOPE_STATE].category == "process_creation"


def test_what_we_refuse_is_an_error_that_the_command_line_may_skip():
    backend = SplunkBackend(pipelines["falcon"](), collect_errors=True)
    collection = SigmaCollection([process({"ParentCommandLine": "x"}), process({"CommandLine": "x"})])
    assert len(backend.convert(collection)) == 1
    (_, error) = backend.errors[0]
    assert isinstance(error, PlatformRefusalError)
    assert error.code == "not-recorded"
