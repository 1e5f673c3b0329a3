"""What a tuning hides of what scenarios expect."""

from __future__ import annotations

import json

import pytest

END = "    reason: our own chat server\n    owner: soc\n    expires: 2999-01-01\n"
HIDING = f"""\
- detection: many_chat_connections
  exclude:
  - where: {{DestinationIp|cidr: 203.0.113.32/28}}
{END}  - where: {{DestinationIp|cidr: 203.0.113.0/28}}
{END}"""
RAISED = "- detection: many_chat_connections\n  parameters: {least: 6}\n"
LOWERED = "- detection: many_chat_connections\n  parameters: {least: 4}\n"


def findings(shown) -> list[tuple[str, str, int]]:
    found = json.loads(shown.out)
    found = found["findings"] if isinstance(found, dict) else found
    return [(one["severity"], one["code"], one["line"]) for one in found if (one["file"] or "").endswith("tuning.yaml")]


VERBS = pytest.mark.parametrize("verb", [["check"], ["prove", "-p", "sysmon_json", "-p", "falcon", "-j", "1"]])


@VERBS
def test_an_exclusion_that_hides_an_expected_hit_is_an_error_at_its_place(polysigma, write, detection, verb):
    shown = polysigma(*verb, detection, "--tuning", write(HIDING), "--format", "json")
    assert findings(shown) == [("error", "hidden-hit", 7)]
    assert "five_connections" in shown.out
    assert shown.code == 1


@VERBS
def test_a_value_that_moves_an_expected_hit_out_of_reach_is_said_and_is_no_error(polysigma, write, detection, verb):
    shown = polysigma(*verb, detection, "--tuning", write(RAISED), "--format", "json")
    assert findings(shown) == [("warning", "tuned-away", 2)]
    assert shown.code == 0 or verb == ["check"]


@VERBS
def test_an_exclusion_of_what_no_scenario_expects_says_nothing(polysigma, write, detection, verb):
    path = write(HIDING.replace("203.0.113.0/28", "198.51.100.0/24"))
    shown = polysigma(*verb, detection, "--tuning", path, "--format", "json")
    assert findings(shown) == []
    assert shown.code == 0 or verb == ["check"]


@VERBS
def test_an_exclusion_that_is_too_wide_is_an_error(polysigma, write, detection, verb):
    path = write(HIDING.replace("203.0.113.0/28", "198.0.0.0/8"))
    shown = polysigma(*verb, detection, "--tuning", path, "--format", "json")
    assert findings(shown) == [("error", "wide-exclusion", 7)]
    assert shown.code == 1


def test_the_tuned_rule_is_proven_where_the_values_let_more_through(polysigma, write, detection):
    shown = polysigma("prove", "-p", "sysmon_json", "-p", "falcon", "-j", "1", detection, "--tuning", write(LOWERED))
    assert shown.code == 0
    assert shown.out.count("3/3") == 2


@pytest.mark.parametrize(
    "text", [RAISED.replace("least", "most"), RAISED.replace("many_", "few_"), HIDING.replace("2999", "2020")]
)
@VERBS
def test_a_tuning_that_does_not_fit_is_no_proof(polysigma, write, detection, verb, text):
    shown = polysigma(*verb, detection, "--tuning", write(text))
    assert shown.code in {1, 2}
    assert "tuning.yaml:" in shown.said
