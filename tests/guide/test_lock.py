"""A rule's meaning is locked by version."""

from __future__ import annotations

import json

import pytest

from polysigma.catalog import read_rules
from polysigma.diagnostics import PolysigmaError
from polysigma.guide.files import read_package
from polysigma.guide.lock import meaning, read_lock, write_lock, write_locks
from polysigma.source import read_file

SAME = [
    ("title: Botnet Node Beaconing to a Public Address", "title: Bots"),
    ("            about: The total that scores 1\n", "            about: The total from which on it scores 1\n"),
    (
        "            - 10.0.0.0/8 # private\n            - 100.64.0.0/10",
        "            - 100.64.0.0/10\n            - 10.0.0.0/8 #",
    ),
    ("level: high", "level: medium"),
    (
        "        - where: BeaconingScore >= :min_score",
        "        - where: >-\n            BeaconingScore\n            >= :min_score",
    ),
    ("        title: Beacon from", "        title: A beacon from"),
]
OTHER = [
    ("            value: 100\n", "            value: 101\n"),
    ("ActiveHours >= :min_active_hours", "ActiveHours > :min_active_hours"),
    ("            - 10.0.0.0/8 # private\n", ""),
    ("    timespan: 24h", "    timespan: 48h"),
    ("        every: 1h", "        every: 2h"),
    ("        quiet: 24h", "        quiet: 12h"),
    ("        Initiated: 'true'", "        Initiated: 'false'"),
    ("    condition: outbound and not special_purpose", "    condition: outbound"),
]


def hashed(copy):
    return meaning(document.value for document in read_file(copy.folder / "rule.yml"))


@pytest.mark.parametrize(("old", "new"), SAME, ids=[old.strip()[:25] for old, _ in SAME])
def test_words_and_layout_mean_nothing(copy, old, new):
    before = hashed(copy)
    copy.edit("rule.yml", old, new)
    assert hashed(copy) == before


@pytest.mark.parametrize(("old", "new"), OTHER, ids=[old.strip()[:25] for old, _ in OTHER])
def test_what_decides_about_hits_is_meant(copy, old, new):
    before = hashed(copy)
    copy.edit("rule.yml", old, new)
    assert hashed(copy) != before


def test_a_new_version_is_added_and_the_old_one_kept(copy):
    copy.edit("rule.yml", "            value: 100\n", "            value: 101\n")
    copy.edit("guide.yaml", "version: 1.0.0", "version: 1.1.0")
    write_lock([read_package(copy.folder)], copy.root / "lock.json")
    assert list(read_lock(copy.root / "lock.json")["botnet_node_beaconing"]) == ["1.0.0", "1.1.0"]


def test_a_locked_version_is_not_overwritten_unless_told_so(copy):
    copy.edit("rule.yml", "            value: 100\n", "            value: 101\n")
    before = (copy.root / "lock.json").read_text(encoding="utf-8")
    files, _ = read_rules([str(copy.root)])
    paths, findings = write_locks(files)
    assert paths == [copy.root / "lock.json"]
    assert [one.code for one in findings] == ["changed-meaning"]
    assert (copy.root / "lock.json").read_text(encoding="utf-8") == before
    assert write_locks(files, again=True)[1] == []
    assert json.loads((copy.root / "lock.json").read_text(encoding="utf-8")) != json.loads(before)
    assert copy.check() == []


def test_the_command_locks_before_it_checks(copy, polysigma):
    (copy.root / "lock.json").unlink()
    shown = polysigma("check", copy.folder, "--write-lock")
    assert f"written: {copy.root / 'lock.json'}" in shown.err
    assert list(read_lock(copy.root / "lock.json")) == ["botnet_node_beaconing"]
    assert "unlocked-version" not in shown.out


def test_without_a_lock_nothing_is_held_against_it(copy):
    (copy.root / "lock.json").unlink()
    copy.edit("rule.yml", "            value: 100\n", "            value: 101\n")
    assert copy.check() == []


@pytest.mark.parametrize("text", ["[1]", "{", '{"botnet_node_beaconing": 1}'])
def test_a_broken_lock_is_said(copy, text):
    (copy.root / "lock.json").write_text(text, encoding="utf-8")
    assert [one.code for one in copy.check()] == ["lock"]
    with pytest.raises(PolysigmaError):
        read_lock(copy.root / "lock.json")


def test_a_map_whose_keys_are_no_texts_has_a_meaning_too():
    document = {"name": "odd", "correlation": {float("nan"): 1, "type": "event_count", None: [{2: 1, "a": 1}]}}
    assert meaning([document]) == meaning([document])
