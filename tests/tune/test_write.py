"""Proposals are added to a tuning file; what is there stays, line by line."""

from __future__ import annotations

from datetime import date
from difflib import unified_diff

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.tune.proposals import Proposal
from polysigma.tune.write import write_exclusions
from polysigma.tuning import read_tuning

PROPOSAL = Proposal({"Image|endswith": "\\backup.exe", "DestinationIp|cidr": "203.0.113.0/24"}, 3, 1.0, 2)
DAY = date(2999, 1, 1)
BLOCK = """\
# the SOC's
- detection: many_chat_connections # the noisy one
  parameters:
      least: 40    # since May
  exclude:
      # agreed with the vendor
      - where:
            DestinationIp|cidr: '203.0.113.0/24'
            Image|endswith: '\\backup.exe'
        reason: "backup vendor"
        owner: soc@example.com
        expires: 2999-06-30  # ask Ann

# the quiet one
- detection: another
  parameters: {max_hosts: 2}
# the end
"""
TIGHT = """\
---
- exclude:
  - {where: {Image: a.exe}, reason: it is ours, owner: soc, expires: 2999-06-30}
  - where: {Image: b.exe}
    reason: |
        it is ours, too,
        and has been for years
    owner: soc
    expires: 2999-06-30
  detection: many_chat_connections"""
ONE = "{where: {Image: a.exe}, reason: 'ours, as ever', owner: soc, expires: 2999-06-30}"
FLOW = f"- {{detection: many_chat_connections, exclude: [{ONE}]}}\n"
TEXTS = {
    "nothing": "",
    "a comment": "# ours\n",
    "an empty list": "# ours\n[]\n",
    "blocks": BLOCK,
    "tight blocks and no line end": TIGHT,
    "one line": FLOW,
    "another detection": "-   detection: another\n    parameters:\n        a: 1\n",
    "values only": "- detection: many_chat_connections\n  parameters: {least: 6}\n",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS.items()])
@pytest.mark.parametrize("times", [1, 2])
def test_lines_are_added_and_none_is_changed(tmp_path, text, times):
    path = tmp_path / "tuning.yaml"
    if text:
        path.write_text(text, encoding="utf-8")
    before = read_tuning(path).entries if text.strip("#\n ours[]") else ()
    for _ in range(times):
        write_exclusions(path, "many_chat_connections", [PROPOSAL], owner="soc@example.com", expires=DAY)
    diff = unified_diff((text + "\n").splitlines(), path.read_text(encoding="utf-8").splitlines())
    removed = [line for line in diff if line.startswith("-") and not line.startswith("---")]
    assert [line for line in removed if line not in {"-", "-[]"}] == []
    added = [one for _, entry in read_tuning(path).of("many_chat_connections") for one in entry.exclude]
    kept = [one for entry in before if entry.detection == "many_chat_connections" for one in entry.exclude]
    assert added[: len(kept)] == kept or kept == []
    assert [one.where for one in added[len(kept) :]] == [PROPOSAL.where] * times
    assert [entry for entry in read_tuning(path).entries if entry.detection != "many_chat_connections"] == [
        entry for entry in before if entry.detection != "many_chat_connections"
    ]


def test_a_new_exclusion_stands_below_the_last_one_of_its_detection(tmp_path):
    path = tmp_path / "tuning.yaml"
    path.write_text(BLOCK, encoding="utf-8")
    write_exclusions(path, "many_chat_connections", [PROPOSAL], owner="soc", expires=DAY, reason="the night's backup")
    expected = BLOCK.replace(
        "# ask Ann\n",
        "# ask Ann\n"
        "      - where:\n"
        "            Image|endswith: \\backup.exe\n"
        "            DestinationIp|cidr: 203.0.113.0/24\n"
        "        reason: the night's backup\n"
        "        owner: soc\n"
        "        expires: 2999-01-01\n",
    )
    assert path.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"owner": "x"}, "owner"),
        ({"expires": date(2020, 1, 1)}, "expired"),
        ({"reason": "no"}, "reason"),
    ],
)
def test_what_would_be_no_tuning_file_is_not_written(tmp_path, given, said):
    path = tmp_path / "tuning.yaml"
    path.write_text(BLOCK, encoding="utf-8")
    with pytest.raises(PolysigmaError, match=said):
        write_exclusions(path, "many_chat_connections", [PROPOSAL], **{"owner": "soc", "expires": DAY} | given)
    assert path.read_text(encoding="utf-8") == BLOCK
    assert [one.name for one in tmp_path.iterdir()] == ["tuning.yaml"]


def test_a_proposal_that_hides_a_known_hit_is_not_written(tmp_path):
    proposal = Proposal({"Image": "a"}, 3, 1.0, 2, [{"Computer": "ws-19"}])
    with pytest.raises(PolysigmaError, match="Computer ws-19, which is known to be malicious"):
        write_exclusions(tmp_path / "t.yaml", "many_chat_connections", [proposal], owner="soc", expires=DAY)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_tuning_file_is_left_alone(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("- a: 1\n")
    with pytest.raises(PolysigmaError):
        write_exclusions(path, "many_chat_connections", [PROPOSAL], owner="soc", expires=DAY)
    assert path.read_text() == "- a: 1\n"
