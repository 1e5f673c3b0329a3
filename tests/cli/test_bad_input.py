"""Whatever a file holds, a verb that reads rules answers with the place and exit code 1 or 2, never a traceback."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

RULE = """\
title: Outbound
id: 11111111-1111-4111-8111-111111111111
name: outbound
logsource:
    category: network_connection
detection:
    selection:
        DestinationPort: 6667
    condition: selection
"""


def correlation(name: str, number: int, *references: str) -> str:
    listed = "".join(f"        - {reference}\n" for reference in references)
    return (
        f"---\ntitle: {name}\nid: {number:08d}-2222-4222-8222-222222222222\nname: {name}\ncorrelation:\n"
        f"    type: event_count\n    rules:\n{listed}    group-by: [Computer]\n    timespan: 1h\n"
        "    condition: {gte: 5}\n"
    )


PLACED = {
    "binary": b"\x7fELF\x02\x01\x01\x00\x00\x00",
    "not UTF-8": b"title: caf\xe9\n",
    "UTF-16": RULE.encode("utf-16"),
    "broken indentation": RULE.replace("    condition", "   condition").encode(),
    "an open quote": RULE.replace("Outbound", '"Outbound').encode(),
    "a tab": RULE.replace("    selection:", "\tselection:").encode(),
    "a duplicate key": (RULE + "title: Again\n").encode(),
    "a list": b"- a\n- b\n",
    "a text": b"just words\n",
    "a number": b"42\n",
    "nothing to detect": RULE.replace("detection:", "detections:").encode(),
    "a condition on what is not there": RULE.replace("condition: selection", "condition: selektion").encode(),
    "a broken condition": RULE.replace("condition: selection", "condition: selection and (").encode(),
    "a condition that is a number": RULE.replace("condition: selection", "condition: 7").encode(),
    "an unknown modifier": RULE.replace("DestinationPort:", "DestinationPort|shout:").encode(),
    "a broken expression": RULE.replace("DestinationPort: 6667", "Image|re: '(['").encode(),
    "an id that is none": RULE.replace("11111111-1111-4111-8111-111111111111", "one").encode(),
    "a level that is none": (RULE + "level: dire\n").encode(),
    "a missing reference": (RULE + correlation("many", 1, "outbuond")).encode(),
    "a reference to itself": (RULE + correlation("many", 1, "many")).encode(),
    "a circle": (RULE + correlation("one", 1, "two") + correlation("two", 2, "one")).encode(),
    "a correlation without a type": (RULE + correlation("many", 1, "outbound").replace("event_count", "evnt")).encode(),
    "a time span that is none": (RULE + correlation("many", 1, "outbound").replace("1h", "soon")).encode(),
    "a map that is a list": (RULE + correlation("many", 1, "outbound") + "polysigma: []\n").encode(),
    "a map that is a text": (RULE + correlation("many", 1, "outbound") + "polysigma: steps\n").encode(),
    "a key that is no text": (
        RULE + correlation("many", 1, "outbound") + "polysigma: {version: 1, .nan: 1, steps: []}\n"
    ).encode(),
    "parameters that are a list": (
        RULE + correlation("many", 1, "outbound") + "polysigma: {version: 1, parameters: [{a: 1}], steps: []}\n"
    ).encode(),
    "an unknown word in a condition": (RULE + correlation("many", 1, "outbound").replace("gte:", "least:")).encode(),
    "a version from the future": (RULE + correlation("many", 1, "outbound") + "polysigma: {version: 9}\n").encode(),
    "an unknown column": (
        RULE
        + correlation("many", 1, "outbound")
        + "polysigma:\n    version: 1\n    steps:\n        - where: Nothing > 1\n"
    ).encode(),
    "deep nesting": b"a: " + b"[" * 3000 + b"]" * 3000 + b"\n",
    "a bomb of aliases": b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (letter, letter, b", ".join([b"*%c" % (letter - 1)] * 9)) for letter in range(98, 106)
    ),
    "control characters": b"title: \x1b[31mred\x1b[0m\n",
}
"""Files in which something is wrong at a line and a column."""


def arguments(verb: str, rule: Path, tmp_path: Path) -> list[str]:
    data = tmp_path / "events.jsonl"
    data.write_text('{"EventID": 3, "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": "a"}\n')
    return {
        "convert": ["convert", str(rule), "-p", "falcon"],
        "replay": ["replay", str(rule), str(data)],
    }.get(verb, [verb, str(rule)])


@pytest.mark.parametrize("verb", ["convert", "check", "replay"])
@pytest.mark.parametrize(
    "content",
    [pytest.param(content, id=what) for what, content in PLACED.items()],
)
def test_a_file_with_something_wrong_is_answered_with_its_place(polysigma, tmp_path, verb, content):
    path = tmp_path / "rule.yml"
    path.write_bytes(content)
    shown = polysigma(*arguments(verb, path, tmp_path))
    assert shown.code in {1, 2}
    assert re.search(rf"^{re.escape(str(path))}:\d+:\d+: error [a-z0-9-]+ ", shown.said, re.MULTILINE), shown.said


@pytest.mark.parametrize("verb", ["convert", "check", "replay"])
@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment\n", b"---\n---\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_rule_is_an_error_that_names_it(polysigma, tmp_path, verb, content):
    path = tmp_path / "rule.yml"
    path.write_bytes(content)
    shown = polysigma(*arguments(verb, path, tmp_path))
    assert shown.code in {1, 2}
    assert f"{path}:" in shown.said


@pytest.mark.parametrize("verb", ["convert", "check", "replay"])
def test_a_path_that_is_not_there_is_named(polysigma, tmp_path, verb):
    path = tmp_path / "nothing.yml"
    shown = polysigma(*arguments(verb, path, tmp_path))
    assert shown.code in {1, 2}
    assert f"{path}: error " in shown.said


@pytest.mark.parametrize("verb", ["convert", "check", "replay"])
def test_an_empty_folder_is_named(polysigma, tmp_path, verb):
    folder = tmp_path / "folder"
    folder.mkdir()
    shown = polysigma(*arguments(verb, folder, tmp_path))
    assert shown.code in {1, 2}
    assert str(folder) in shown.said


@pytest.mark.parametrize("verb", ["convert", "check", "lint", "replay"])
def test_a_file_that_may_not_be_read_is_named(polysigma, tmp_path, verb):
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    shown = polysigma(*arguments(verb, path, tmp_path))
    assert shown.code == 2
    assert f"{path}: error " in shown.said


@pytest.mark.parametrize("verb", ["convert", "check", "lint", "replay"])
def test_a_link_to_nowhere_is_named(polysigma, tmp_path, verb):
    path = tmp_path / "rule.yml"
    path.symlink_to(tmp_path / "gone.yml")
    shown = polysigma(*arguments(verb, path, tmp_path))
    assert shown.code in {1, 2}
    assert str(path) in shown.said


@pytest.mark.parametrize("verb", ["convert", "check", "lint", "replay"])
@pytest.mark.parametrize(
    "name", ["a\nb.yml", "\x1b[31mred.yml", "'; rm -rf ~.yml", "*.yml", "[a].yml", "ü€.yml", "-.yml"]
)
def test_a_hostile_file_name_is_a_name_like_any_other(polysigma, tmp_path, verb, name):
    path = tmp_path / name
    path.write_text("{broken")
    shown = polysigma(*arguments(verb, path, tmp_path))
    assert shown.code in {1, 2}
    assert "\x1b" not in shown.said


def test_one_broken_file_does_not_keep_the_others_from_being_converted(polysigma, tmp_path):
    (tmp_path / "a.yml").write_text("{broken")
    (tmp_path / "b.yml").write_text(RULE)
    shown = polysigma("convert", tmp_path, "-p", "falcon")
    assert shown.code == 1
    assert "// Outbound\n" in shown.out
    assert re.search(r"a\.yml:\d+:\d+: error ", shown.err)


def test_findings_go_to_standard_error_and_queries_to_standard_output(polysigma, tmp_path):
    path = tmp_path / "rule.yml"
    path.write_text(RULE.replace("condition: selection", "condition: selektion"))
    shown = polysigma("convert", path, "-p", "falcon")
    assert shown.out == ""
    assert "selektion" in shown.err


@pytest.mark.parametrize("what", ["a condition on what is not there", "an unknown column"])
def test_a_rule_that_no_platform_can_say_is_an_error_without_a_platform_too(polysigma, tmp_path, what):
    path = tmp_path / "rule.yml"
    path.write_bytes(PLACED[what])
    assert polysigma("convert", path).code == 1
