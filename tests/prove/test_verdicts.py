"""What `prove` says of a rule: equal, or what differs, where, and after which step."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from polysigma.convert import pairs
from polysigma.prove import Status, perform, prove
from polysigma.prove.prepare import prepare
from polysigma.prove.trial import Mismatch


def codes(proof):
    return [finding.code for finding in proof.findings]


def kinds(verdict):
    return [difference.kind for difference in verdict.differences]


def test_a_right_rule_is_proven_on_every_platform(workshop):
    proof = workshop.prove()
    assert proof.holds
    assert {verdict.platform: len(verdict.cases) for verdict in proof.verdicts} == {
        "sysmon_json": 2,
        "falcon": 2,
        "fdr": 2,
    }
    assert all(verdict.status is Status.APPROXIMATE for verdict in proof.verdicts)
    assert not proof.findings


@pytest.mark.parametrize("platform", ["splunk_sysmon", "splunk_cim", "defender", "sentinel", "asim"])
def test_a_right_rule_is_proven_on_the_platforms_of_the_other_languages(workshop, platform):
    if platform in {"defender", "sentinel", "asim"}:
        pytest.importorskip("duckdb_kql", reason="KQL is run by duckdb-kql (extra `prove`)")
    verdict = workshop.verdict(platform)
    assert not verdict.differences
    assert verdict.status is Status.APPROXIMATE
    assert [case.hits for case in verdict.cases] == [1, 0]


def test_hits_come_under_the_rules_own_names_whatever_the_platform_calls_them(workshop):
    workshop.folder()
    found = {}
    for platform in ("sysmon_json", "falcon"):
        bench = only_bench(workshop, platform)
        (hit,) = perform(bench.trials[0]).hits
        found[platform] = dict(hit.fields)
    assert found["falcon"] == found["sysmon_json"]
    assert found["falcon"]["Computer"] == "ws-01"


def only_bench(workshop, platform):
    from polysigma.catalog import read_rules

    files, _ = read_rules([str(workshop.folder())])
    (detection,), _ = prepare(files, pairs([platform], None))
    (bench,) = detection.benches
    return bench


def mutated(workshop, platform, old, new):
    """The outcome of the first scenario with the text of the query changed."""
    trial = only_bench(workshop, platform).trials[0]
    assert old in trial.text
    return perform(replace(trial, text=trial.text.replace(old, new)))


@pytest.mark.parametrize(
    ("platform", "old", "new", "step"),
    [
        ("sysmon_json", '"Connections" >= 3', '"Connections" > 3', "after step 5: where Connections >= 3"),
        ("falcon", "Connections >= 3", "Connections > 3", "after step 5: where Connections >= 3"),
        ("falcon", "#event_simpleName=NetworkConnectIP4", "#event_simpleName=Nothing", "in the search"),
        ("falcon", "count(as=Hourly)", "count(DoesNotExist, as=Hourly)", "after step 3: group by"),
        ("sysmon_json", "3600000000", "7200000000", "after step 3: group by"),
        ("splunk_sysmon", "Connections>=3", "Connections>3", "where Connections >= 3"),
    ],
)
def test_a_query_that_was_changed_is_wrong_and_the_step_is_named(workshop, platform, old, new, step):
    outcome = mutated(workshop, platform, old, new)
    assert isinstance(outcome.mismatch, Mismatch)
    assert step in (outcome.mismatch.step or "")
    assert "203.0.113.10" in str(outcome.mismatch)


def test_a_query_that_does_not_run_is_wrong_with_the_engines_reason(workshop):
    outcome = mutated(workshop, "sysmon_json", '"Connections" >= 3', '"Nothing" >= 3')
    assert "Nothing" in (outcome.error or "")


def test_a_scenario_that_expects_too_much_is_wrong_and_says_that_the_oracle_agrees_with_the_query(workshop):
    workshop.scenario["hit"][0]["Connections"] = 4
    verdict = workshop.verdict()
    assert verdict.status is Status.WRONG
    assert kinds(verdict) == ["expectation"]
    assert "nor does the oracle: the rule's search takes 3 of the 3 rows" in str(verdict.differences[0])


def test_what_must_not_hit_and_does_is_wrong(workshop):
    workshop.scenario["miss"] = [{"DestinationIp": "203.0.113.10"}]
    assert kinds(workshop.verdict()) == ["expectation"]


def test_a_hit_that_no_scenario_names_is_wrong_unless_others_are_allowed(workshop):
    workshop.scenario["traffic"].append({"kind": "exact", "to": "203.0.113.11", "port": 80, "hourly": [3]})
    assert "203.0.113.11, Connections 3, Hours 1, which the scenario does not name" in str(
        workshop.verdict().differences[0]
    )
    workshop.scenario["other_hits"] = True
    assert not workshop.verdict().differences


def test_scenarios_that_shoot_at_an_excluded_address_cannot_fire(workshop):
    base = workshop.rule["base"]["detection"]
    base["private"]["DestinationIp|cidr"].append("203.0.113.0/24")
    proof = workshop.prove("sysmon_json")
    assert "cannot-fire" in codes(proof)
    assert not proof.holds
    assert "takes none of the 3 rows" in str(proof.verdicts[0].differences[0])


def test_a_rule_without_a_miss_proves_nothing(workshop):
    del workshop.scenarios[1]
    proof = workshop.prove("sysmon_json")
    assert codes(proof) == ["no-miss"]
    assert not proof.holds


def test_a_rule_without_an_expected_hit_proves_nothing(workshop):
    del workshop.scenarios[0]
    assert codes(workshop.prove("sysmon_json")) == ["no-hit"]


def test_a_rule_without_scenarios_is_a_finding(workshop):
    folder = workshop.folder()
    (folder / "scenarios.yaml").unlink()
    from polysigma.catalog import read_rules

    proof = prove(read_rules([str(folder)])[0], pairs(["sysmon_json"], None))
    assert codes(proof) == ["no-scenarios"]
    assert not proof.holds


def test_a_field_that_no_hit_has_is_a_finding(workshop):
    workshop.scenarios[1]["miss"] = [{"Computr": "ws-01"}]
    proof = workshop.prove("sysmon_json")
    assert codes(proof) == ["unknown-field"]
    assert "Computer" in str(proof.findings[0])


# Losses.


def late(workshop):
    """Traffic whose last connection Splunk logs in the next hour."""
    workshop.scenario["traffic"] = [
        {"kind": "exact", "to": "203.0.113.10", "port": 80, "at": ["1s", "2s", "59m59s999ms"]}
    ]
    workshop.scenario["hit"] = [{"Computer": "ws-01", "Connections": 3, "Hours": 1}]


def test_a_difference_that_nothing_excuses_is_wrong(workshop):
    late(workshop)
    proof = workshop.prove("sysmon_json", "falcon", "splunk_sysmon")
    by_platform = {verdict.platform: verdict for verdict in proof.verdicts}
    assert by_platform["falcon"].status is Status.APPROXIMATE
    assert "platforms" in kinds(by_platform["splunk_sysmon"])


def test_a_difference_is_excused_by_a_declared_loss_that_the_scenario_names(workshop):
    late(workshop)
    workshop.scenario["platforms"] = {
        "splunk_sysmon": {"because": "at which it was logged", "hit": [{"Connections": 3, "Hours": 2}]}
    }
    proof = workshop.prove("sysmon_json", "splunk_sysmon")
    assert proof.holds
    (verdict,) = (one for one in proof.verdicts if one.platform == "splunk_sysmon")
    assert ("three",) in verdict.shown.values()


def test_a_loss_that_is_not_declared_excuses_nothing(workshop):
    late(workshop)
    workshop.scenario["platforms"] = {
        "splunk_sysmon": {"because": "nobody said this", "hit": [{"Connections": 3, "Hours": 2}]}
    }
    proof = workshop.prove("sysmon_json", "splunk_sysmon")
    assert [kind for verdict in proof.verdicts for kind in kinds(verdict)] == ["excuse"]


def test_an_excuse_without_a_difference_is_wrong(workshop):
    workshop.scenario["platforms"] = {"splunk_sysmon": {"because": "at which it was logged"}}
    proof = workshop.prove("sysmon_json", "splunk_sysmon")
    assert [kind for verdict in proof.verdicts for kind in kinds(verdict)] == ["excuse"]


def test_a_rule_that_a_platform_cannot_say_is_refused_with_the_reason(workshop):
    workshop.rule["base"]["detection"]["outbound"]["DestinationHostname|endswith"] = ".example"
    verdict = workshop.verdict("falcon")
    assert verdict.status is Status.REFUSED
    assert "only addresses are recorded" in verdict.reasons[0]
    assert not verdict.cases


def test_a_platform_without_an_engine_is_not_executed_and_never_proven(workshop, monkeypatch):
    from polysigma.engines import runners

    monkeypatch.delitem(runners._RUNNERS, "logscale")
    proof = workshop.prove("sysmon_json", "falcon")
    by_platform = {verdict.platform: verdict for verdict in proof.verdicts}
    assert by_platform["falcon"].status is Status.NOT_EXECUTED
    assert by_platform["falcon"].reasons == ("there is no engine for logscale here",)
    assert by_platform["sysmon_json"].status is Status.APPROXIMATE


# Assumptions.


def test_verdicts_that_hang_on_an_assumption_say_so(workshop):
    # What a group is sorted among that has no number is one of the things that no page of LogScale's settles.
    workshop.rule["base"]["detection"]["outbound"]["DestinationPort"] = 6667
    proof = workshop.prove("falcon", assumptions=True)
    (verdict,) = proof.verdicts
    assert proof.flipped
    assert not verdict.differences
    assert verdict.assumptions
    assert set(verdict.hangs) <= verdict.assumptions


def test_processes_give_what_one_process_gives(workshop):
    more = copy.deepcopy(workshop.scenarios)
    workshop.scenarios += [{**one, "name": f"{one['name']}_again"} for one in more]
    alone = workshop.prove("sysmon_json", "falcon")
    together = workshop.prove("sysmon_json", "falcon", workers=2)
    assert [[case.hits for case in one.cases] for one in alone.verdicts] == [
        [case.hits for case in one.cases] for one in together.verdicts
    ]
    assert together.holds


def test_a_query_that_names_no_time_is_run_on_the_parsers_of_asim_which_read_it_themselves(workshop):
    pytest.importorskip("duckdb_kql", reason="KQL is run by duckdb-kql (extra `prove`)")
    del workshop.rule["correlation"]
    (trial, _) = only_bench(workshop, "asim").trials
    assert "TimeGenerated" not in trial.text
    outcome = perform(trial)
    assert (outcome.error, outcome.mismatch, len(outcome.hits)) == (None, None, 3)


# Windows.


def long(workshop):
    """A hit in the last of very many windows, which are not all run."""
    workshop.scenario["span"] = "4d"
    workshop.scenario["traffic"] = [
        {"kind": "exact", "to": "203.0.113.10", "port": 6667, "hourly": [2] * 90},
        {"kind": "exact", "to": "203.0.113.11", "port": 6667, "at": ["40h1m", "40h2m", "40h3m"]},
    ]
    workshop.scenario["hit"] = [
        {"DestinationIp": "203.0.113.10", "Connections": 4, "Hours": 2},
        {"DestinationIp": "203.0.113.11", "Connections": 3, "Hours": 1},
    ]
    return only_bench(workshop, "sysmon_json").trials[0]


@pytest.mark.parametrize("most", [0, 10**6])
def test_what_is_expected_is_found_however_few_windows_are_run(workshop, monkeypatch, most):
    from polysigma.prove import trial

    monkeypatch.setattr(trial, "MOST_ROWS", most)
    some = perform(long(workshop))
    every = perform(replace(long(workshop), every_window=True))
    assert some.windows < every.windows
    assert some.mismatch is every.mismatch is None
    for expected in long(workshop).scenario.hit:
        assert any(hit.fits(expected) for hit in some.hits)


def test_windows_that_are_evenly_spread_do_where_they_hold_what_is_expected(workshop, monkeypatch):
    from polysigma.prove import trial

    monkeypatch.setattr(trial, "MOST_ROWS", 0)
    long(workshop)
    del workshop.scenario["traffic"][1], workshop.scenario["hit"][1]
    assert perform(only_bench(workshop, "sysmon_json").trials[0]).windows == trial.MOST_WINDOWS
