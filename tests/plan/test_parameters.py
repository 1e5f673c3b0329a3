"""Time spans and parameters: what a command line or a tuning file may set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysigma.plan.durations import format_duration, parse_duration
from polysigma.plan.faults import PlanError
from polysigma.plan.metadata import ParameterModel
from polysigma.plan.parameters import bind


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("15m", 900), ("24h", 86400), ("7d", 604800), ("2w", 1209600), ("999999s", 999999)],
)
def test_a_time_span_is_a_number_and_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0h", "01h", "h", "1", "1M", "1H", " 1h", "1h ", "1h\n", "-1h", "1.5h", "\u0661h", "1000000s"]
)
def test_other_text_is_no_time_span(text):
    assert parse_duration(text) is None


def test_a_time_span_is_written_as_detections_say_it():
    assert [format_duration(seconds) for seconds in (86400, 172800, 604800, 3600, 5400, 90, 61)] == [
        "24h",
        "48h",
        "7d",
        "1h",
        "90m",
        "90s",
        "61s",
    ]


@given(st.integers(1, 86400 * 900))
def test_a_time_span_is_read_back_as_it_was_written(seconds):
    written = format_duration(seconds)
    assert parse_duration(written) in {seconds, None}
    assert parse_duration(written) == seconds or len(written) > 7


def bound(default, *override):
    parameters = {"n": ParameterModel(value=default, about="what it is for")}
    return bind(parameters, {"n": override[0]} if override else None)["n"]


@pytest.mark.parametrize(
    ("default", "override", "value"),
    [
        (20, "40", 40),
        (20, 40, 40),
        (20, 40.0, 40),
        (20, "-1", -1),
        (0.5, "0.25", 0.25),
        (0.5, "1", 1),
        (True, "False", False),
        (False, True, True),
        ("a", "40", "40"),
        ("a", "x,y", "x,y"),
        ([6667], "6667,1080", (6667, 1080)),
        ([6667], " 6667 , 1080 ,", (6667, 1080)),
        ([6667], [1, 2], (1, 2)),
        ([6667], 1080, (1080,)),
        ([6667], ["1080"], (1080,)),
        (["a"], "x, y", ("x", "y")),
        ([0.5], "1,2.5", (1, 2.5)),
        ([6667], "[6667, 1080]", (6667, 1080)),
        ([6667], " [6667] ", (6667,)),
        (["a"], "[x, 'y z']", ("x", "y z")),
        (["a"], '["x,y", "z"]', ("x,y", "z")),
        ("a", "[x]", "[x]"),
    ],
)
def test_an_override_is_read_as_the_default_is(default, override, value):
    result = bound(default, override)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("default", "override", "said"),
    [
        ([6667], "[]", "an empty list matches nothing"),
        ([6667], " [ ] ", "an empty list matches nothing"),
        ([6667], "", "an empty list matches nothing"),
        ([6667], [], "an empty list matches nothing"),
        (["a"], "[]", "an empty list matches nothing"),
        ([6667], "[smtp]", "takes a number, not 'smtp'"),
        ([6667], "6667;1080", "takes a number, not '6667;1080'"),
        ([6667], "[[1]]", "takes a list of values, not [[1]]"),
        ([6667], "[1.5]", "takes a whole number"),
        (20, "[]", "takes a number, not '[]'"),
        (20, [20], "takes one value, not a list"),
        (20, "", "takes a number, not ''"),
        (20, "20 connections", "takes a number, not '20 connections'"),
        (20, "0.5", "takes a whole number, not '0.5'"),
        (0.5, "half", "takes a number, not 'half'"),
        (0.5, "nan", "out of range"),
        (True, "yes", "takes true or false, not 'yes'"),
        (True, "[]", "takes true or false, not '[]'"),
        ("a", "", "takes text, and none was given"),
        ("a", 4, "takes text, not 4"),
    ],
)
def test_a_value_of_another_type_is_said_with_what_the_rule_has(default, override, said):
    with pytest.raises(PlanError) as refused:
        bound(default, override)
    (fault,) = refused.value.faults
    assert fault.code == "parameter-type"
    assert said in fault.message
    assert fault.hint


def test_without_an_override_the_default_holds():
    assert bound(20) == 20
    assert bound([1, 2]) == (1, 2)
    assert bind({}, None) == {}


@given(
    st.one_of(st.booleans(), st.integers(0, 9), st.floats(0, 1), st.text(max_size=3), st.lists(st.integers(0, 9))),
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.one_of(st.integers(), st.text()))),
)
def test_no_override_gives_anything_but_a_value_or_a_plan_error(default, override):
    faults = ()
    try:
        value = bound(default, override)
    except PlanError as error:
        faults = error.faults
    if faults:
        assert {fault.code for fault in faults} == {"parameter-type"}
        assert all(fault.hint for fault in faults)
    else:
        assert isinstance(value, tuple) is isinstance(default, list)
        assert isinstance(value, bool) is isinstance(default, bool)
        assert isinstance(value, str) is isinstance(default, str)
