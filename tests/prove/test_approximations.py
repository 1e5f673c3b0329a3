"""What is declared to be approximate, and what becomes of it: shown, shown by another rule, or not possible to show."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from polysigma.fidelity import approximately
from polysigma.prove import Case, Status, Verdict
from polysigma.prove.approximations import account, approximations, packaged, page, promised
from polysigma.prove.model import shown_elsewhere
from polysigma.prove.prepare import Bench, Detection
from polysigma.prove.report import write_json, write_junit, write_table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "approximations.md"
LATE = "at which it was logged"


def late(workshop):
    """Traffic whose last connection Splunk logs in the next hour."""
    workshop.scenario["traffic"] = [
        {"kind": "exact", "to": "203.0.113.10", "port": 80, "at": ["1s", "2s", "59m59s999ms"]}
    ]
    workshop.scenario["hit"] = [{"Computer": "ws-01", "Connections": 3, "Hours": 1}]
    workshop.scenario["platforms"] = {"splunk_sysmon": {"because": LATE, "hit": [{"Connections": 3, "Hours": 2}]}}


def verdict(rule, *, shows=(), reasons=("a thing is lost",), unshown=None, fidelity=Status.APPROXIMATE):
    found = Verdict(
        rule, rule, "rule.yml", "falcon", "logscale", fidelity, reasons=tuple(reasons), unshown=unshown or {}
    )
    found.cases.append(Case("traffic", excused=tuple(shows)))
    return found


def detections(*verdicts):
    for one in verdicts:
        one.elsewhere = shown_elsewhere(one, verdicts)
    return [Detection(one.rule, Path("rule.yml"), [], [Bench(one)]) for one in verdicts]


def written(writer, proof):
    output = io.StringIO()
    writer(proof, output)
    return output.getvalue()


@pytest.fixture(scope="module")
def package():
    return packaged()


# What becomes of a loss.


def test_a_loss_that_a_scenario_shows_is_shown_and_elsewhere_for_another_rule():
    found = account(detections(verdict("one", shows=["a thing is lost"]), verdict("other")))
    assert (found.shown, found.elsewhere, found.unshown, found.owed, found.stale) == (1, 1, 0, [], [])


def test_a_loss_that_nothing_shows_is_owed_unless_it_says_why_it_cannot_be_shown():
    why = {"a thing is lost": "it takes a million rows"}
    found = account(detections(verdict("one"), verdict("other", unshown=why)))
    assert found.owed == ["one on falcon: a thing is lost"]
    assert found.unshown == 1


def test_a_loss_that_is_shown_and_said_not_to_be_possible_to_show_is_stale():
    why = {"a thing is lost": "it takes a million rows"}
    found = account(detections(verdict("one", shows=["a thing is lost"], unshown=why)))
    assert found.stale == ["one on falcon: a thing is lost"]


def test_a_verdict_that_is_not_approximate_owes_nothing():
    assert not verdict("one", fidelity=Status.BLIND).owed
    assert account(detections(verdict("one", fidelity=Status.BLIND))).owed == []


def test_the_page_names_the_scenario_or_the_reason_or_that_there_is_none():
    known = verdict(
        "one", reasons=["shown", "not to be shown"], shows=["shown"], unshown={"not to be shown": "too big"}
    )
    text = page(detections(known, verdict("two", reasons=["a | bar"])))
    assert "| shown | `one` | `one`: `traffic` |" in text
    assert "| not to be shown | `one` | Cannot be shown: too big |" in text
    assert "| a \\| bar | `two` | **no scenario** |" in text
    assert "1 are shown by a scenario of the rule" in text


def test_a_reason_why_not_is_a_sentence_or_nothing():
    assert approximately("something is lost here").unshown is None
    with pytest.raises(ValueError, match="unshown"):
        approximately("something is lost here", "no")


# What prove says.


def test_prove_says_which_losses_no_scenario_shows_and_does_not_fail_for_it(workshop):
    proof = workshop.prove("splunk_sysmon", "falcon")
    assert proof.holds
    assert any(LATE in reason for one in proof.verdicts for reason in one.owed)
    table = " ".join(written(write_table, proof).split())
    assert "into the next (shown by no scenario)" in table
    assert "the limit of table() (no scenario can show it)" in table
    assert "declared approximations could be shown, and no scenario that was run does" in table
    said = json.loads(written(write_json, proof))["verdicts"]
    reasons = {one["text"]: one for verdict in said for one in verdict["reasons"]}
    (limit,) = (one for text, one in reasons.items() if "the limit of table()" in text)
    assert limit["cannot_be_shown"] == "it takes more than 20,000 hits in one window"
    suites = ET.fromstring(written(write_junit, proof))
    assert all("shown by no scenario" in (suite.findtext("system-out") or "") for suite in suites)


def test_prove_names_the_scenario_that_shows_a_loss(workshop):
    late(workshop)
    proof = workshop.prove("sysmon_json", "splunk_sysmon")
    (found,) = (one for one in proof.verdicts if one.platform == "splunk_sysmon")
    assert not any(LATE in reason for reason in found.owed)
    assert "(in three)" in written(write_table, proof)


# What an excuse must show.


def test_an_excuse_of_every_platform_must_contradict_what_the_scenario_says_of_all(workshop):
    late(workshop)
    assert not workshop.verdict("splunk_sysmon").differences
    workshop.scenario["hit"] = [{"Connections": 3, "Hours": 2}]
    found = workshop.verdict("splunk_sysmon")
    assert [one.kind for one in found.differences] == ["excuse"]
    assert "finds what the scenario expects of all" in str(found.differences[0])


def test_a_platform_without_a_row_finds_something_else_than_one_with_hits(workshop):
    workshop.scenario["setup"] = {"sysmon": {"connections": False}}
    missed = workshop.prove("sysmon_json", "falcon")
    assert "platforms" in [one.kind for verdict in missed.verdicts for one in verdict.differences]
    workshop.scenario["platforms"] = {"sysmon_json": {"because": "only as its configuration says", "hit": []}}
    assert workshop.prove("sysmon_json", "falcon").holds


def test_a_platform_that_finds_a_thing_twice_finds_something_else(workshop):
    workshop.rule["correlation"]["polysigma"]["steps"][-1] = {"where": "Connections >= 1"}
    workshop.rule["correlation"]["correlation"]["condition"] = {"gte": 1}
    del workshop.scenarios[1]["miss"]
    workshop.scenarios[1]["hit"] = [{"Computer": "ws-01"}]
    workshop.scenario["setup"] = {"splunk_cim": {"network": True}}
    proof = workshop.prove("falcon", "sysmon_json", "splunk_cim")
    (found,) = (one for one in proof.verdicts if one.platform == "splunk_cim")
    assert "finds 2 times what" in str(found.differences[0])


# The package.


@pytest.mark.slow
def test_every_approximation_of_the_package_is_shown_or_says_why_it_cannot_be(package):
    found = account(package)
    assert found.owed == [], "add a scenario that shows it, or `unshown` to the loss"
    assert found.stale == [], "take `unshown` away: a scenario shows it"
    assert found.shown > 0


@pytest.mark.slow
def test_the_page_is_current(package):
    assert PAGE.read_text(encoding="utf-8") == page(package), "run python -m polysigma.prove.approximations"


@pytest.mark.slow
def test_every_loss_is_listed_once(package):
    found = [(one.platform, one.reason) for one in approximations(package)]
    assert len(found) == len(set(found))


def test_what_scenarios_promise_is_what_their_excuses_name(workshop):
    from polysigma.catalog import read_rules
    from polysigma.convert import pairs
    from polysigma.prove.prepare import prepare

    late(workshop)
    files, _ = read_rules([str(workshop.folder())])
    found = promised(prepare(files, pairs(["splunk_sysmon"], None))[0])
    (bench,) = found[0].benches
    assert [case.scenario for case in bench.verdict.cases] == ["three"]
    assert all(LATE in reason for case in bench.verdict.cases for reason in case.excused)
