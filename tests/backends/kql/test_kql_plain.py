"""Columns are spelled out in full where a test can tell; what every alternative needs is asked first."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from polysigma.plan.expressions import Wildcard
from sigma.backends.polysigma.kql_plain import ROOTS, _below_the_root, _without_entities

ROOT_PIECES = [*ROOTS, *ROOTS.values(), "MACHINE", "User", "R", "C"]
PIECES = [*ROOT_PIECES, "\\", "\\", "SOFTWARE", "Run", "lt;", "amp", ";", "&", "<", "g", "t;x", "mp;lt;"]
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
behind = st.lists(st.sampled_from(list("\\ex") + PIECES), min_size=1, max_size=3).map("".join)
patterns = st.lists(st.one_of(texts, st.sampled_from(list(Wildcard))), min_size=1, max_size=4).map(tuple)


def matches(parts, text):
    wild = {Wildcard.ANY: ".*", Wildcard.ONE: "."}
    body = "".join(wild[part] if isinstance(part, Wildcard) else re.escape(part) for part in parts)
    return re.fullmatch(body, text, re.IGNORECASE | re.DOTALL) is not None


UNFILTERED = settings(suppress_health_check=[HealthCheck.filter_too_much], max_examples=60, deadline=None)


@UNFILTERED
@given(
    parts=st.one_of(patterns, behind.map(lambda text: (Wildcard.ANY, text, Wildcard.ANY))),
    root=st.sampled_from(list(ROOTS)),
    rest=st.lists(texts, max_size=3),
)
def test_a_pattern_that_asks_nothing_of_the_root_finds_a_path_under_either_of_its_names(parts, root, rest):
    assume(_below_the_root(parts))
    path = "".join(f"\\{name}" for name in rest)
    assert matches(parts, root + path) == matches(parts, (ROOTS[root] if rest else root) + path)


@UNFILTERED
@given(parts=patterns, text=st.lists(st.sampled_from([*PIECES, ">", " "]), max_size=5).map("".join))
def test_a_pattern_without_marks_of_xml_finds_a_text_as_it_stands_there(parts, text):
    assume(_without_entities(parts))
    written = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert unescape(written) == text
    assert matches(parts, written) == matches(parts, text)


@pytest.mark.parametrize(
    ("values", "renamed"),
    [
        ({"TargetObject|contains": "\\Services\\"}, False),
        ({"TargetObject|endswith": ["SOFTWARE\\Run", "\\Value"]}, False),
        ({"TargetObject|contains|all": ["\\ControlSet00?\\", "\\Run"]}, False),
        ({"TargetObject|startswith": "HKLM\\"}, True),
        ({"TargetObject|contains": ["\\Run", "User"]}, True),
        ({"TargetObject|re": "Run"}, True),
    ],
    ids=str,
)
def test_the_root_of_a_path_is_renamed_where_it_may_be_asked_for(values, renamed, compiled):
    assert (
        "HKLM" in compiled(rule({"category": "registry_set"}, values), "defender").query.partition("| extend")[2]
    ) is (renamed)


@pytest.mark.parametrize(
    ("values", "resolved"),
    [
        ({"ScriptBlockText|contains": "Get-ADComputer"}, False),
        ({"ScriptBlockText|contains": ["Get-ADComputer", "a & b"]}, True),
        ({"ScriptBlockText|contains": "; x"}, True),
        ({"ScriptBlockText|startswith": "; x"}, False),
        ({"ScriptBlockText|re": "x"}, True),
    ],
    ids=str,
)
def test_entities_are_resolved_where_they_may_be_asked_for(values, resolved, compiled):
    query = compiled(rule({"category": "ps_script", "product": "windows"}, values), "sentinel").query
    assert ("&lt;" in query) is resolved


def test_the_numbers_of_events_that_every_alternative_needs_are_asked_before_anything_is_computed(compiled):
    alternatives = [{"EventID": 4742, "TargetUserName": "a"}, {"EventID": [5136, 4742], "AttributeValue": "b"}]
    lines = compiled(rule({"service": "security", "product": "windows"}, alternatives), "sentinel").query.splitlines()
    assert lines.index("| where EventID in (4742, 5136)") < next(
        place for place, line in enumerate(lines) if line.startswith("| extend")
    )


def test_no_number_is_asked_first_where_an_alternative_needs_none(compiled):
    alternatives = [{"EventID": 4742, "TargetUserName": "a"}, {"AttributeValue": "b"}]
    query = compiled(rule({"service": "security", "product": "windows"}, alternatives), "sentinel").query
    assert "EventID" not in query.partition("| extend")[0]


def rule(logsource, selection):
    return [
        {
            "title": "Asked",
            "name": "asked",
            "logsource": logsource,
            "detection": {"selection": selection, "condition": "selection"},
        }
    ]
