"""How pipelines, ours and other people's, name a field that the detection does not test."""

from __future__ import annotations

from typing import Any

import pytest
from sigma.exceptions import SigmaError
from sigma.pipelines.microsoftxdr import microsoft_xdr_pipeline
from sigma.pipelines.splunk import splunk_cim_data_model
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import (
    AddFieldTransformation,
    ChangeLogsourceTransformation,
    FieldMappingTransformation,
)
from sigma.rule import SigmaLogSource, SigmaRule

from polysigma.platform import BACKEND_VARIABLE
from sigma.pipelines.polysigma import pipelines
from sigma.pipelines.polysigma.probe import FieldProbe, mapped_field

NETWORK = SigmaLogSource("network_connection", "windows")
PROCESS = SigmaLogSource("process_creation", "windows")


def ours(name: str) -> ProcessingPipeline:
    pipeline = pipelines[name]()
    pipeline.vars[BACKEND_VARIABLE] = True
    return pipeline


def mapping(fields: dict[str, Any], *more: Any) -> ProcessingPipeline:
    items = [FieldMappingTransformation(fields), *more]
    return ProcessingPipeline([ProcessingItem(transformation=item) for item in items])


@pytest.mark.parametrize(
    ("name", "field", "column"),
    [
        ("falcon", "Computer", "ComputerName"),
        ("falcon", "DestinationIp", "DestinationAddress"),
        ("falcon", "Image", "ContextBaseFileName"),
        ("falcon", "ProcessGuid", "ContextProcessId"),
        ("sysmon_json", "DestinationIp", "DestinationAddress"),
        ("sysmon_json", "Initiated", "Initiated"),
    ],
)
def test_our_pipelines_name_recorded_and_derived_columns(name, field, column):
    assert mapped_field(ours(name), NETWORK, field) == column


def test_a_base_rule_that_requires_a_direction_names_the_end():
    rule = SigmaRule.from_dict(
        {
            "title": "Out",
            "logsource": {"category": "network_connection"},
            "detection": {"selection": {"Initiated": "true"}, "condition": "selection"},
        }
    )
    pipeline = ours("falcon")
    probe = FieldProbe(pipeline, rule)
    pipeline.apply(rule)
    assert [probe.name(field) for field in ("DestinationIp", "DestinationPort", "SourceIp")] == [
        "RemoteAddress",
        "RemotePort",
        "LocalAddress",
    ]


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("DestinationHostname", "not-recorded"),
        ("Initiated", "other columns tell its value"),
        ("NoSuchField", "unknown-field"),
    ],
)
def test_a_field_without_a_column_is_refused(field, why):
    with pytest.raises(SigmaError, match=why):
        mapped_field(ours("falcon"), NETWORK, field)


def test_hashes_are_no_column():
    with pytest.raises(SigmaError, match="each algorithm has a column of its own"):
        mapped_field(ours("falcon"), PROCESS, "Hashes")


def test_official_pipelines_are_asked_the_same_way():
    assert mapped_field(microsoft_xdr_pipeline(), NETWORK, "DestinationIp") == "RemoteIP"
    assert mapped_field(splunk_cim_data_model(), PROCESS, "Image") == "Processes.process_path"


def test_a_pipeline_that_changes_the_log_source_still_maps():
    pipeline = mapping({"Image": "process"}, ChangeLogsourceTransformation(service="sysmon"))
    assert mapped_field(pipeline, PROCESS, "Image") == "process"
    assert mapped_field(pipeline, PROCESS, "CommandLine") == "CommandLine"


def test_fields_that_a_pipeline_adds_are_told_from_the_mapped_one():
    assert mapped_field(mapping({"Image": "process"}, AddFieldTransformation(["host"])), PROCESS, "Image") == "process"


@pytest.mark.parametrize(("columns", "found"), [(["a", "b"], "several columns: a, b"), ([], "empty")])
def test_a_field_that_becomes_several_columns_or_none_is_refused(columns, found):
    with pytest.raises(SigmaError, match=found):
        mapped_field(mapping({"Image": columns}), PROCESS, "Image")
