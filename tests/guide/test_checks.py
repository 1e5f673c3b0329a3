"""Every fault of a guide has a code, and is named at its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from polysigma.catalog import read_rules, rules_root
from polysigma.diagnostics import Severity
from polysigma.guide import check_guides
from polysigma.guide.checks_text import check_shared
from polysigma.guide.files import read_package

FAULTS = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text(encoding="utf-8"))
TOGETHER = [fault for fault in FAULTS if not fault.get("alone")]


@pytest.fixture(scope="module")
def spoilt(new_copy):
    """A copy with all faults that can be there together, and what is found in it."""
    copy = new_copy()
    for fault in TOGETHER:
        copy.edit(fault["file"], fault["old"], fault["new"])
    return copy, copy.check()


def test_the_packaged_guide_has_nothing_wrong(copy):
    assert copy.check() == []


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{number}-{fault['code']}" for number, fault in enumerate(FAULTS)])
def test_a_fault_is_named_with_its_place(fault, spoilt, new_copy):
    if fault.get("alone"):
        copy = new_copy()
        copy.edit(fault["file"], fault["old"], fault["new"])
        findings = copy.check()
    else:
        copy, findings = spoilt
    found = [one for one in findings if one.code == fault["code"]]
    assert found, "\n".join(str(one) for one in findings)
    assert all(one.at for one in found)
    if "at" in fault:
        places = {(Path(one.file or "").name, one.at.line) for one in found if one.at}
        assert (Path(fault["file"]).name, copy.line(fault["file"], fault["at"])) in places, "\n".join(map(str, found))


def test_a_platform_that_does_not_record_it_need_not_be_spoken_of(copy):
    copy.edit("rule.yml", "    category: network_connection", "    category: network_connection\n    product: macos")
    copy.edit("guide.yaml", "    splunk_sysmon:\n        sources", "    splunk_sysmom:\n        sources")
    assert "missing-platform" not in {one.code for one in copy.check()}


def test_a_platform_that_is_not_spoken_of_is_a_warning(copy):
    copy.edit("guide.yaml", "    splunk_sysmon:\n        sources", "    splunk_sysmom:\n        sources")
    (finding,) = [one for one in copy.check() if one.code == "missing-platform"]
    assert finding.severity is Severity.WARNING


def test_a_phrase_that_says_nothing_is_named_to_the_character(copy):
    copy.edit("guide.yaml", "Look at the hits that score 2", "Adjust it as needed. Look at the hits that score 2")
    (finding,) = copy.check()
    line = (copy.folder / "guide.yaml").read_text(encoding="utf-8").splitlines()[finding.at.line - 1]
    assert line[finding.at.column - 1 :].startswith("Adjust it as needed")


def test_a_rule_without_a_guide_is_no_finding(copy):
    (copy.folder / "guide.yaml").unlink()
    assert copy.check() == []


def test_a_guide_that_is_no_map_is_named(copy):
    (copy.folder / "guide.yaml").write_text("- a\n- b\n", encoding="utf-8")
    assert [one.code for one in copy.check()] == ["guide"]


def test_a_guide_cannot_borrow_the_words_of_another(copy):
    other = copy.root / "other"
    copy.folder.rename(other)
    package = read_package(other)
    (other / "guide.yaml").write_text(
        (other / "guide.yaml").read_text(encoding="utf-8").replace("botnet_node_beaconing", "another"), encoding="utf-8"
    )
    borrowed = read_package(other)
    codes = {one.code for one in check_shared([package, borrowed])}
    assert codes == {"shared-text"}
    assert check_shared([package, package]) == []


def test_a_relation_is_named_by_both(tmp_path):
    there, here = "persistence_then_beacon", "miner_stratum_connection"
    for name in (there, here):
        shutil.copytree(rules_root() / name, tmp_path / name)
    shutil.copy(rules_root() / "lock.json", tmp_path)
    guide = tmp_path / here / "guide.yaml"
    text = guide.read_text(encoding="utf-8")
    assert text.count(f"- detection: {there}") == 1
    guide.write_text(text.replace(f"- detection: {there}", "- detection: socks_relay_node"), encoding="utf-8")
    files, _ = read_rules([str(tmp_path / there), str(tmp_path / here)])
    (finding,) = check_guides(files)
    lines = (tmp_path / there / "guide.yaml").read_text(encoding="utf-8").splitlines()
    assert (finding.code, Path(finding.file).parent.name) == ("one-sided-relation", there)
    assert lines[finding.at.line - 1].strip() == f"- detection: {here}"
    alone, _ = read_rules([str(tmp_path / there)])
    assert check_guides(alone) == [], "the other guide, which is not checked with it, may be out of reach"


def test_the_packaged_guides_name_each_other():
    files, _ = read_rules([str(rules_root())])
    assert [one for one in check_guides(files) if one.code == "one-sided-relation"] == []


def test_nothing_breaks_on_a_rule_of_odd_shape(copy):
    documents = list(yaml.safe_load_all((copy.folder / "rule.yml").read_text(encoding="utf-8")))
    documents[0] |= {"detection": ["a"], "logsource": "windows", "tags": 7}
    documents[1] |= {"correlation": {"rules": [{"a": 1}]}, "polysigma": 3, "tags": None}
    (copy.folder / "rule.yml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    assert {"changed-meaning", "missing-tag"} <= {one.code for one in copy.check()}
