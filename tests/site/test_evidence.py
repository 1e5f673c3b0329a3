"""What was measured stands on the pages of the rules that it was measured of, and on no others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from polysigma.catalog import packaged_names, read_rules, rules_root
from polysigma.site import evidence, pages
from polysigma.site.model import read
from polysigma.site.pictures import picture
from polysigma.telemetry import generate, load_scenarios

from .conftest import HOSTILE, Page

NAME = "botnet_node_beaconing"
RULE = rules_root() / NAME / "rule.yml"


def measured(**verdict):
    """Evidence with one verdict."""
    whole = {
        "rule": NAME,
        "platform": "falcon",
        "verdict": "approximate",
        "engine": "the CQL engine",
        "reasons": [{"text": "a loss that is told", "shown_by": ["clusters"]}],
        "differences": [],
        "scenarios": [{"name": "around_the_watched_ports", "hits": 13, "differences": []}],
        "assumptions": ["case-of-values"],
        **verdict,
    }
    return {"of": evidence.fingerprint(RULE.parent), "proof": {"verdicts": [whole]}, "curves": []}


@pytest.fixture
def keep(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYSIGMA_SITE_EVIDENCE", str(tmp_path))

    def keeps(found):
        (tmp_path / f"{NAME}.json").write_text(json.dumps(found), encoding="utf-8")
        made = pages([NAME]).pages
        return {name: Page(made[f"detections/{NAME}/{name}/index.html"].body) for name in ("proof", "falcon", "tuning")}

    return keeps


def test_a_proof_of_these_rules_is_on_their_pages(keep):
    made = keep(measured())
    line = "CrowdStrike Falcon Next-Gen SIEM: approximate, 1 of 1 scenarios as declared, by the CQL engine"
    assert line in made["proof"].text
    assert line in made["falcon"].text
    assert "a loss that is told (shown by clusters)" in made["proof"].text
    assert "case-of-values" in made["proof"].text
    assert "13 on each of 1" in made["proof"].text


def test_a_proof_of_other_rules_is_on_no_page(keep):
    made = keep(measured() | {"of": "something else"})
    assert "approximate, 1 of 1" not in made["proof"].text
    assert "It was not run for these rules" in made["proof"].text
    assert "It was not run for these rules" in made["falcon"].text


def test_a_difference_is_shown_as_one(keep):
    made = keep(measured(verdict="WRONG", differences=[{"message": "falcon finds one more"}]))
    assert "difference: falcon finds one more" in made["proof"].text
    assert ("span", {"data-is": "WRONG"}) in made["proof"].elements


def test_what_an_engine_says_is_text(keep):
    made = keep(measured(reasons=[{"text": HOSTILE, "shown_by": [HOSTILE]}], engine=HOSTILE))
    assert not {"script", "img"} & {tag for tag, _ in made["proof"].elements}
    assert made["proof"].text.count("<script>alert(1)</script>") >= 3


def test_a_change_of_a_rule_or_its_scenarios_makes_evidence_old(tmp_path):
    for file in ("rule.yml", "scenarios.yaml", "guide.yaml"):
        (tmp_path / file).write_text("a", encoding="utf-8")
    first = evidence.fingerprint(tmp_path)
    (tmp_path / "guide.yaml").write_text("b", encoding="utf-8")
    assert evidence.fingerprint(tmp_path) == first
    (tmp_path / "scenarios.yaml").write_text("b", encoding="utf-8")
    assert evidence.fingerprint(tmp_path) != first


def test_the_detections_of_the_site_are_measured_also_where_they_are_not_the_packaged_ones(tmp_path, monkeypatch):
    folder = tmp_path / "rules" / "a_folder"
    folder.mkdir(parents=True)
    for file in ("rule.yml", "scenarios.yaml"):
        (folder / file).write_bytes(RULE.with_name(file).read_bytes())
    monkeypatch.setenv("POLYSIGMA_SITE_EVIDENCE", str(tmp_path / "kept"))
    monkeypatch.setenv("POLYSIGMA_SITE_RULES", str(tmp_path / "rules"))

    def found(_name, rule):
        made = measured()
        return {**made, "of": evidence.fingerprint(rule.parent), "proof": {**made["proof"], "holds": True}}

    monkeypatch.setattr(evidence, "measure", found)
    assert evidence.main([]) == 0
    made = pages([str(tmp_path / "rules")]).pages[f"detections/{NAME}/proof/index.html"]
    assert "1 of 1 scenarios as declared" in Page(made.body).text


@pytest.mark.slow
def test_a_detection_is_measured_once(tmp_path, monkeypatch, capsys):
    pytest.importorskip("duckdb", reason="needs DuckDB (pip install 'polysigma[prove]')")
    pytest.importorskip("duckdb_kql", reason="needs duckdb-kql (pip install 'polysigma[prove]')")
    monkeypatch.setenv("POLYSIGMA_SITE_EVIDENCE", str(tmp_path))
    name = "irc_connection_from_workstation"
    assert evidence.main([name]) == 0
    assert "measuring" in capsys.readouterr().err
    found = evidence.evidence(name, rules_root() / name / "rule.yml")
    assert found is not None
    assert found["proof"]["holds"]
    assert found["curves"]
    body = Page(pages([name]).pages[f"detections/{name}/tuning/index.html"].body)
    assert [tag for tag, _ in body.elements].count("svg") == len(found["curves"])
    assert "style" not in {tag for tag, _ in body.elements}
    assert evidence.main([name]) == 0
    assert "measuring" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def detections():
    files, _ = read_rules(packaged_names())
    return {one.name: one for one in read(files)}


@pytest.mark.parametrize("name", packaged_names())
def test_every_detection_has_a_picture_of_a_hit_beside_what_is_none(detections, name):
    drawn = picture(detections[name])
    page = Page(drawn)
    kinds = {attributes["class"] for tag, attributes in page.elements if tag == "path"}
    assert "mark hit" in kinds
    assert kinds & {"mark taken", "mark passed"}
    assert {"title", "desc"} <= {tag for tag, _ in page.elements}
    assert len(drawn) < 12_000


def test_a_picture_counts_what_happened(detections):
    """Recounted from the scenario's events, without the plan."""
    one = detections["connection_burst_ddos"]
    shown = Page(picture(one)).text
    scenarios = load_scenarios(Path(one.file.path).with_name("scenarios.yaml"))
    scenario = next(found for found in scenarios if f"Scenario {found.name}" in shown)
    counts = Counter(
        (event.host.name, event.remote_ip, event.remote_port)
        for event in generate(scenario)
        if event.category == "network_connection" and event.initiated
    )
    (expected, *_) = scenario.hit
    number = max(count for (host, *_), count in counts.items() if host == expected["Computer"])
    assert f"{number} events: a hit" in shown


def test_a_scenario_without_a_hit_gives_no_picture(tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "rule.yml").write_bytes(RULE.read_bytes())
    (folder / "scenarios.yaml").write_text(
        "- name: nothing\n  hosts: [ws-01]\n  traffic: [{kind: browsing}]\n  miss: [{Computer: ws-01}]\n", "utf-8"
    )
    files, _ = read_rules([str(folder)])
    (one,) = read(files)
    assert not picture(one)
