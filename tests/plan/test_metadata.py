"""The JSON Schema that editors use agrees with the reader, on good maps and on maps gone wrong in one place."""

from __future__ import annotations

import copy

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysigma.plan.faults import PlanError
from polysigma.plan.metadata import json_schema, read_metadata

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
GOOD = {
    "version": 1,
    "schedule": {"every": "1h", "delay": "15m"},
    "parameters": {
        "least": {"value": 20, "unit": "events", "about": "how many events", "raise": "less", "lower": "more"},
        "ports": {"value": [6667, 1080], "about": "which ports to watch"},
        "share": {"value": 0.5, "about": "what share of them"},
        "name": {"value": "x", "about": "whose name it is"},
        "on": {"value": True, "about": "whether it is on"},
    },
    "steps": [
        {"bucket": {"Hour": "1h"}},
        {"annotate": {"by": ["Ip"], "measures": {"Hosts": "distinct(Computer)"}}},
        {"group": {"by": ["Computer", "Hour"], "measures": {"N": "count()"}}},
        {"where": "N > :least"},
        {"derive": {"Half": "N / 2", "One": 1}},
        {"score": {"S": ["3 when N > 5", "1 when N > 1"]}},
        {"sort": ["S desc", "N asc", "Computer"]},
        {"select": ["Computer", "S"]},
        {"take": 5},
    ],
    "alert": {"title": "Beacon on {Computer}", "entities": {"host": "Computer"}, "quiet": "24h"},
}
JUNK = [
    None,
    5,
    0,
    -1,
    1.5,
    True,
    "",
    "x",
    "1h",
    "0h",
    "N desc",
    "1x",
    "a b",
    "x" * 70,
    [],
    ["N"],
    [5],
    [None],
    {},
    {"N": "1h"},
]
JUNK += [{"by": ["N"], "measures": {"M": "count()"}}, {"x": 1}, {"1x": "2h"}, {"A": "1h", "B": "1h"}, {"host": "N"}]

KEYS = [*GOOD, *(key for step in GOOD["steps"] for key in step), "by", "measures", "value", "about", "every", "N"]


def reads(value):
    try:
        read_metadata(value)
    except PlanError:
        return False
    return True


def paths(value, path=()):
    """Every place in the map, outer first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def changed(path, change):
    if not path:
        return change({"top": copy.deepcopy(GOOD)}, "top")["top"]
    value = copy.deepcopy(GOOD)
    target = value
    for part in path[:-1]:
        target = target[part]
    change(target, path[-1])
    return value


def agree(value):
    assert VALIDATOR.is_valid({"polysigma": value}) is reads(value), value


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_good_map_is_good_to_both():
    assert reads(GOOD)
    assert VALIDATOR.is_valid({"title": "a Sigma rule has other keys", "polysigma": GOOD})


@pytest.mark.parametrize("path", [path for path in paths(GOOD) if path], ids=lambda path: ".".join(map(str, path)))
def test_a_value_of_another_kind_is_good_to_both_or_to_neither(path):
    for junk in JUNK:
        agree(changed(path, lambda target, key, junk=junk: target.__setitem__(key, junk)))


@pytest.mark.parametrize("path", [path for path in paths(GOOD) if path], ids=lambda path: ".".join(map(str, path)))
def test_a_lost_or_an_unknown_key_is_good_to_both_or_to_neither(path):
    agree(changed(path, lambda target, key: target.pop(key)))
    for added in ("unknown", "a b", "by"):
        agree(changed(path, lambda target, key, added=added: isinstance(target, dict) and target.update({added: "x"})))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "1h", "N desc", "a b"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_any_map_is_good_to_both_or_to_neither(value):
    agree(value)
    agree({"version": 1, "steps": [value]})
    agree({"version": 1, "steps": [{"take": 1}], "parameters": {"n": value}})


def test_the_reader_and_the_schema_know_the_same_step_names():
    from polysigma.plan.steps import STEP_NAMES

    assert tuple(SCHEMA["$defs"]["StepModel"]["properties"]) == STEP_NAMES
