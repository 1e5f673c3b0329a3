"""A field that no event of a platform holds is taken as missing from each, and the rule says what that costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from polysigma.engines.reference.expressions import condition as evaluator
from polysigma.plan.expressions import TRUE
from polysigma.plan.types import Type
from sigma.backends.polysigma import LogScaleBackend
from sigma.backends.polysigma.absent import NothingLeftError
from sigma.backends.polysigma.conditions import expression_of
from sigma.pipelines.polysigma import pipelines

CMD = {"Image|endswith": "\\cmd.exe"}


def converted(condition: str = "selection", category: str = "process_creation", **detections: Any) -> Any:
    """What the compiler made of a rule on Falcon."""
    backend = LogScaleBackend(pipelines["falcon"]())
    backend.compiled = {}
    logsource = {"category": category, "product": "windows"}
    rule = {"title": "A rule", "logsource": logsource, "detection": {**detections, "condition": condition}}
    collection = SigmaCollection.from_dicts([rule])
    backend.convert(collection)
    return backend.compiled[id(collection.rules[0])][0]


def losses(*given: Any, **detections: Any) -> str:
    return " / ".join(loss.reason for loss in converted(*given, **detections).losses)


def body(compiled: Any) -> str:
    return "\n".join(line for line in compiled.query.splitlines() if not line.startswith("//"))


def test_an_alternative_that_is_not_recorded_leaves_the_others():
    found = converted(selection=[CMD, {"OriginalFileName": "Cmd.Exe"}])
    assert body(found) == body(converted(selection=CMD))
    assert "OriginalFileName is taken as missing from every event" in found.query
    assert "what only it would show is missed" in found.query


def test_an_exclusion_by_what_is_not_recorded_does_not_apply():
    detections = {"selection": CMD, "filter": {"ParentCommandLine|contains": "backup"}}
    found = converted("selection and not filter", **detections)
    assert body(found) == body(converted(selection=CMD))
    assert "the exclusion by it does not apply, so more events match" in found.query


def test_a_test_that_it_is_missing_holds():
    found = losses("selection and empty", selection=CMD, empty={"Description": None})
    assert "the test that it is missing always holds, so more events match" in found
    assert "what only it would show is missed" in losses(
        "selection or not empty", selection=CMD, empty={"Description|exists": False}
    )


@pytest.mark.parametrize("value", [{"|all": None}, {"|contains": "a"}, {"|re": "a"}, {"|gt": 3}, {"|exists": True}])
def test_every_other_test_of_it_fails(value):
    (modifier, text), *_ = value.items()
    item = {f"Description{'|contains' if modifier == '|all' else ''}{modifier}": ["a", "b"] if text is None else text}
    assert body(converted(selection=[CMD, item])) == body(converted(selection=CMD))


def test_a_folder_of_a_parent_of_which_only_the_name_is_recorded_is_missed_and_said():
    found = converted(selection={**CMD, "ParentImage|endswith": ["\\word.exe", "\\office\\excel.exe"]})
    assert "ParentBaseFileName=/^word\\.exe$/i" in found.query
    assert "ParentImage has values that are taken as held by no event (it names a folder" in found.query


def test_text_anywhere_in_a_parents_path_is_looked_for_in_the_name_and_that_is_said():
    found = converted(selection={**CMD, "ParentImage|contains": "tomcat"})
    assert "ParentBaseFileName=/tomcat/i" in found.query
    assert "only the file's name of ParentImage is recorded" in found.query


def test_a_hash_that_is_not_recorded_is_missed_beside_others_and_said():
    found = converted(selection={"Hashes|contains": ["MD5=" + 32 * "a", "IMPHASH=" + 32 * "b"]})
    assert "MD5HashData" in found.query
    assert "Hashes has values that are taken as held by no event (the hash of the import table" in found.query


@pytest.mark.parametrize(
    ("code", "detection"),
    [
        ("unverified", {"OriginalFileName": "cmd.exe", "CommandLine|contains": "/c"}),
        ("not-recorded", {"ParentCommandLine|contains|all": ["a", "b"], **CMD}),
        ("path-not-recorded", {"ParentImage|contains": "\\Temp\\", **CMD}),
    ],
)
def test_a_rule_that_needs_it_is_refused_by_the_code_of_the_field(code, detection):
    with pytest.raises(NothingLeftError, match="nothing of it can be seen") as caught:
        converted(selection=detection)
    assert caught.value.code == code
    assert isinstance(caught.value, SigmaError)


def test_a_rule_of_which_nothing_but_the_event_filter_is_left_is_refused():
    with pytest.raises(NothingLeftError, match="every event of its log source"):
        converted("not selection", selection={"ParentCommandLine": "x"})
    with pytest.raises(NothingLeftError, match="every event of its log source"):
        converted(
            "selection and not filter",
            "network_connection",
            selection={"Initiated": True},
            filter={"DestinationHostname|endswith": ".example.org"},
        )


def test_a_rule_that_asks_for_the_event_filter_alone_is_its_authors_business():
    assert converted(category="network_connection", selection={"Initiated": True}).query


def test_a_correlation_over_such_a_rule_says_so_too():
    backend = LogScaleBackend(pipelines["falcon"]())
    base = {
        "title": "Shells",
        "name": "shells",
        "logsource": {"category": "process_creation", "product": "windows"},
        "detection": {"selection": [CMD, {"OriginalFileName": "Cmd.Exe"}], "condition": "selection"},
    }
    correlation = {
        "title": "Many shells",
        "correlation": {
            "type": "event_count",
            "rules": ["shells"],
            "group-by": ["Computer"],
            "timespan": "1h",
            "condition": {"gte": 10},
        },
    }
    (query,) = backend.convert(SigmaCollection.from_dicts([base, correlation]))
    assert "OriginalFileName is taken as missing from every event" in query


RECORDED = st.sampled_from(
    [{"CommandLine|contains": "a"}, {"CommandLine": None}, {"CommandLine|startswith": ["b", "ab"]}]
)
ABSENT = st.sampled_from(
    [
        {"OriginalFileName": "x"},
        {"Description": ["x", None]},
        {"Product|exists": False},
        {"Company|exists": True},
        {"Description": ""},
        {"Product": "*"},
        {"Company|re": "^$"},
        {"FileVersion|gt": 3},
        {"Product|neq": "x"},
        {"OriginalFileName|contains|all": ["x", "y"]},
        {"OriginalFileName|contains": ["x", "y"], "CommandLine|contains": "b"},
    ]
)
CONDITIONS = st.recursive(
    st.sampled_from(["a", "b", "c"]),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=6,
)
ROWS: tuple[dict[str, Any], ...] = tuple(
    {} if text is None else {"CommandLine": text} for text in (None, "", "a", "b", "ab", "ba", "c")
)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, RECORDED, ABSENT, ABSENT)
def test_folding_keeps_the_meaning_on_rows_without_the_column(condition, recorded, first, second):
    detection = {"a": recorded, "b": first, "c": second, "condition": condition}
    original = SigmaRule.from_dict(
        {"title": "A rule", "logsource": {"category": "process_creation"}, "detection": detection}
    )
    naive = evaluator(expression_of(original.detection.parsed_condition[0].parsed, lambda _: Type.TEXT))
    wanted = [naive(row) for row in ROWS]
    try:
        found = converted(condition, a=recorded, b=first, c=second)
    except NothingLeftError as error:
        unseen = "nothing of it can be seen" in str(error)
    else:
        left = found.plan.sources[0].condition
        folded = evaluator(left) if left != TRUE else lambda _: True
        assert [folded(row) for row in ROWS] == wanted
        return
    assert wanted == [not unseen] * len(ROWS), "only what holds for all rows, or for none, may be refused"
