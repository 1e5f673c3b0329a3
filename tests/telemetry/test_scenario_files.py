"""Scenarios as people write them, and what they are told when they get one wrong."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from polysigma.diagnostics import PolysigmaError
from polysigma.telemetry import demo_scenario, json_schema, load_scenarios
from polysigma.telemetry.values import parse_address, parse_duration

RULE = Path(__file__).parents[2] / "rules/botnet_node_beaconing/scenarios.yaml"

GOOD = """\
- name: one
  hosts: [ws-01, ws-02]
  traffic:
    - kind: beacon
      to: 203.0.113.1
      hosts: [ws-01]
  hit:
    - {Computer: ws-01, DestinationIp: 203.0.113.1}
"""


def load(tmp_path, text):
    path = tmp_path / "scenarios.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenarios(path)


def faults(tmp_path, text):
    with pytest.raises(PolysigmaError) as caught:
        load(tmp_path, text)
    return [(finding.at.line, str(finding)) for finding in caught.value.findings]


def test_a_short_scenario_has_sensible_defaults(tmp_path):
    (scenario,) = load(tmp_path, GOOD)
    assert scenario.span == 86400
    assert scenario.start.weekday() == 0
    assert scenario.end - scenario.begin == 86400
    assert scenario.traffic[0].period == 300


@pytest.mark.parametrize(
    ("hosts", "names"),
    [
        ("3", ["ws-01", "ws-02", "ws-03"]),
        ("{ws: 2, srv: 1}", ["ws-01", "ws-02", "srv-01"]),
        ("[ws-01, Lab.Example]", ["ws-01", "Lab.Example"]),
    ],
)
def test_hosts_are_a_number_or_numbers_by_prefix_or_names(tmp_path, hosts, names):
    (scenario,) = load(tmp_path, GOOD.replace("[ws-01, ws-02]", hosts))
    assert scenario.hosts == names


@pytest.mark.parametrize("start", ["2026-03-07", "2026-03-07T00:00:00Z", "2026-03-07 00:00:00"])
def test_a_start_is_utc_unless_it_says_otherwise(tmp_path, start):
    (scenario,) = load(tmp_path, GOOD.replace("  hosts: [ws-01, ws-02]", f"  start: {start}\n  hosts: [ws-01, ws-02]"))
    assert scenario.begin == 1772841600


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("kind: beacon", "kind: beacn", 4, "'beacon'"),
        ("to: 203.0.113.1\n", "to: 203.0.113.1\n      period: soon\n", 6, "write 90s, 15m, 1h30m or 3d"),
        ("to: 203.0.113.1\n", "to: 8.8.8.8\n", 5, "belongs to somebody"),
        ("to: 203.0.113.1\n", "to: 203.0.113\n", 5, "not an IP address"),
        ("to: 203.0.113.1\n", "to: 203.0.113.1\n      colour: red\n", 6, "colour"),
        ("to: 203.0.113.1\n", "to: 203.0.113.1\n      port: 65536\n", 6, "65535"),
        ("to: 203.0.113.1\n", "to: 203.0.113.1\n      from: 2h\n      until: 1h\n", 7, "`until` must come after"),
        ("to: 203.0.113.1\n", "to: 203.0.113.1\n      from: 2d\n", 6, "after the end of the scenario"),
        ("      hosts: [ws-01]", "      hosts: [ws-03]", 6, "the hosts are ws-01, ws-02"),
        ("Computer: ws-01", "Computer: ws-09", 8, "no host is called ws-09"),
        ("[ws-01, ws-02]", "[ws-01, WS-01]", 2, "case does not tell them apart"),
        ("[ws-01, ws-02]", "{ws: many}", 2, "not a number of hosts"),
        ("name: one", "name: One Two", 1, "pattern"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(tmp_path, old, new, line, words):
    assert old in GOOD
    found = faults(tmp_path, GOOD.replace(old, new, 1))
    assert any(at in {line, line - 1} and words in text for at, text in found), found


def test_every_mistake_is_reported_at_once(tmp_path):
    text = GOOD.replace("[ws-01]\n", "[ws-07]\n").replace("Computer: ws-01", "Computer: ws-08")
    assert len(faults(tmp_path, text)) == 2


def test_two_scenarios_of_one_name_are_refused(tmp_path):
    assert "give each a name of its own" in faults(tmp_path, GOOD + GOOD)[0][1]


def test_a_scenario_that_expects_nothing_is_refused(tmp_path):
    assert "name a tuple under `hit` or `miss`" in faults(tmp_path, GOOD[: GOOD.index("  hit:")])[0][1]


@pytest.mark.parametrize("text", ["", "name: one\n", "[]\n", "--- []\n--- []\n", "- 3\n", "- [\n"])
def test_what_is_no_list_of_scenarios_is_refused(tmp_path, text):
    with pytest.raises(PolysigmaError):
        load(tmp_path, text)


def test_exact_connections_are_given_in_one_way(tmp_path):
    text = GOOD.replace("kind: beacon", "kind: exact\n      port: 1")
    assert "exactly one of `hourly` and `at`" in faults(tmp_path, text)[0][1]


def test_a_field_that_sigma_does_not_have_cannot_go_missing(tmp_path):
    text = GOOD + "  oddities:\n    - {kind: missing, fields: [DestIp]}\n"
    assert "'DestIp' is not a field of the Sigma taxonomy" in faults(tmp_path, text)[0][1]


def test_addresses_in_expectations_are_canonical(tmp_path):
    (scenario,) = load(tmp_path, GOOD.replace("DestinationIp: 203.0.113.1", "DestinationIp: '::ffff:203.0.113.1'"))
    assert scenario.hit[0]["DestinationIp"] == "203.0.113.1"


def test_the_shipped_scenarios_fit_the_json_schema():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    demo = Path(__file__).parents[2] / "polysigma/telemetry/demo.yaml"
    for path in (RULE, demo):
        # JSON has no dates: an editor sees the text.
        documents = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        assert not [error.message for error in validator.iter_errors(_typed(documents))]
    assert not validator.is_valid([{"name": "x", "hosts": ["a"], "traffic": [{"kind": "nothing"}]}])


def _typed(value):
    """BaseLoader's text, with numbers and booleans back in place and dates left as text."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "start" else _typed(item) for key, item in value.items()}
    return yaml.safe_load(value) if value.replace(".", "", 1).isdigit() or value in {"true", "false"} else value


def test_the_demo_is_three_days_of_forty_hosts_with_four_bots():
    scenario = demo_scenario()
    assert scenario.span == 3 * 86400
    assert len(scenario.hosts) == 40
    assert {item.kind for item in scenario.traffic} >= {"beacon", "irc", "socks", "slow_beacon"}
    assert len(scenario.hit) + len(scenario.miss) == 4


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(days, hours, minutes, seconds, milliseconds):
    text = f"{days}d{hours}h{minutes}m{seconds}s{milliseconds}ms"
    whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_duration(text) == round(whole + milliseconds / 1000, 3)


@given(st.text())
def test_any_text_is_a_duration_or_a_clear_refusal(text):
    try:
        duration = parse_duration(text)
    except ValueError as error:
        refusal = str(error)
        assert "is not a duration" in refusal
    else:
        assert duration >= 0


@given(st.ip_addresses())
def test_only_addresses_that_belong_to_nobody_are_taken(address):
    try:
        taken = parse_address(str(address))
    except ValueError:
        assert address.is_global or (address.version == 6 and address.ipv4_mapped)
    else:
        assert taken
