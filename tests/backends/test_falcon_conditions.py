"""Sigma's conditions on Falcon that other fields, the whole event or a placeholder take part in; and who is named."""

from __future__ import annotations

from typing import Any

import pytest
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import ValueListPlaceholderTransformation

from polysigma.engines.cql import run_cql
from polysigma.engines.reference.expressions import condition as evaluator
from sigma.backends.polysigma import LogScaleBackend
from sigma.pipelines.polysigma import pipelines


def compiled(
    condition: str = "selection", pipeline: Any = None, category: str = "process_creation", **detections: Any
) -> Any:
    backend = LogScaleBackend(pipeline or pipelines["falcon"]())
    backend.compiled = {}
    rule = {
        "title": "A rule",
        "logsource": {"category": category, "product": "windows"},
        "detection": {**detections, "condition": condition},
    }
    collection = SigmaCollection.from_dicts([rule])
    backend.convert(collection)
    return backend.compiled[id(collection.rules[0])][0]


def matched(text: str, **fields: str) -> bool:
    row = {"#event_simpleName": "ProcessRollup2", "event_platform": "Win", **fields}
    return bool(run_cql(text, [row]).rows)


SIDES = [("Ab", "abc"), ("bC", "abc"), ("b", "abc"), ("abc", "ABC"), ("x", "abc"), ("", "abc"), ("a", ""), ("*", "a*b")]


@pytest.mark.parametrize("modifier", ["", "|startswith", "|endswith", "|contains"])
@pytest.mark.parametrize("condition", ["selection", "not selection", "selection or other", "not (selection and other)"])
def test_a_field_is_compared_with_another_as_the_oracle_does(modifier, condition):
    found = compiled(
        condition,
        selection={f"CommandLine|fieldref{modifier}": "md5"},
        other={"CommandLine": "x"},
    )
    oracle = evaluator(found.plan.sources[0].condition)
    for part, whole in SIDES:
        row = {"CommandLine": whole, "MD5HashData": part}
        told = {column: text for column, text in row.items() if text}  # empty text is a missing value
        assert matched(found.query, **row) is oracle(told), row
    assert matched(found.query) is oracle({})


def test_a_keyword_is_looked_for_in_the_whole_event():
    found = compiled("keywords", keywords=["mimikatz", "sekurlsa*logon"]).query
    assert "@rawstring" in found
    assert matched(found, **{"@rawstring": '{"CommandLine":"MimiKatz"}'})
    assert matched(found, **{"@rawstring": '{"CommandLine":"sekurlsa::logonpasswords"}'})
    assert not matched(found, **{"@rawstring": '{"CommandLine":"calc"}'})


@pytest.mark.parametrize(
    ("category", "field"),
    [("network_connection", "Image"), ("dns_query", "Image"), ("process_creation", "ParentImage")],
)
def test_a_keyword_is_said_to_meet_no_folder_of_a_field_that_is_a_file_s_name(category, field):
    reason = f"a keyword is not met in a folder of {field}: the event holds the file's name alone"
    found = compiled("keywords", category=category, keywords=["temp"])
    assert reason in [loss.reason for loss in found.losses]
    assert f"// approximate: {reason}" in found.query
    named = compiled("selection", category=category, selection={f"{field}|endswith": "\\cmd.exe"})
    assert "keyword" not in named.query


@pytest.mark.parametrize("keyword", ["C:\\Windows", 'say "x"', "größe"])
def test_a_keyword_that_json_escapes_is_refused_by_rule_and_item(keyword):
    with pytest.raises(SigmaError, match="which escapes such text") as caught:
        compiled("keywords", keywords=[keyword])
    assert str(caught.value).startswith('rule "A rule": keyword')


def test_a_placeholder_takes_its_values_from_a_pipeline():
    given = ProcessingPipeline(
        items=[ProcessingItem(ValueListPlaceholderTransformation(include=["admins"]))],
        vars={"admins": ["ann", "bob"]},
    )
    found = compiled(pipeline=given + pipelines["falcon"](), selection={"CommandLine|expand|contains": "%admins%"})
    assert matched(found.query, CommandLine="runas bob")
    with pytest.raises(SigmaError, match='rule "A rule": CommandLine: the placeholder'):
        compiled(selection={"CommandLine|expand": "%admins%"})


@pytest.mark.parametrize(
    ("detection", "item"),
    [
        ({"CommandLine|re": "(?<=a)b"}, "lookbehind"),
        ({"CommandLine|hour": 3}, "CommandLine: |hour is a part of a time"),
        ({"ProcessId|hour|gte": 3}, "RawProcessId: |hour is a part of a time"),
        ({"Image|re": "a"}, "of Image"),
    ],
)
def test_what_cannot_be_said_names_the_rule_and_the_item(detection, item):
    with pytest.raises(SigmaError) as caught:
        compiled(selection=detection)
    assert str(caught.value).startswith('rule "A rule": ')
    assert item in str(caught.value)


def test_collected_errors_name_their_rules():
    documents = [
        {
            "title": title,
            "logsource": {"category": "process_creation"},
            "detection": {"a": {"CommandLine|re": "a(?<=a)"}, "condition": "a"},
        }
        for title in ("First", "Second")
    ]
    backend = LogScaleBackend(pipelines["falcon"](), collect_errors=True)
    backend.convert(SigmaCollection.from_dicts(documents))
    assert [str(error)[:14] for _, error in backend.errors] == ['rule "First": ', 'rule "Second":']


@pytest.mark.parametrize("event", ["NetworkConnectIP4", "NetworkReceiveAcceptIP4"])
@pytest.mark.parametrize("port", [{}, {"LocalPort": "", "RemotePort": ""}])
def test_a_derived_column_without_a_value_counts_as_missing(event, port):
    found = compiled(category="network_connection", selection={"DestinationPort": None}).query
    row = {"#event_simpleName": event, "event_platform": "Win", **port}
    assert run_cql(found, [row]).rows
    assert not run_cql(found, [{**row, "LocalPort": "1", "RemotePort": "1"}]).rows
