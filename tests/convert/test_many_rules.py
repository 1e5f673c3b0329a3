"""Folders of many rules: read and converted in parts, with the same results and the same places of what is wrong."""

from __future__ import annotations

import gc

import pytest
from sigma.conditions import ConditionItem
from sigma.rule import SigmaDetection, SigmaRule

from polysigma.catalog import read_rules
from polysigma.convert import Conversion, convert
from polysigma.source import _with_positions, read_text

RULE = """
title: Rule {number}
logsource:
    category: process_creation
    product: windows
detection:
    selection:
        {field}: 'tool{number}.exe'
    condition: selection
"""


def test_rules_of_all_parts_come_out_in_order_and_errors_at_their_places(tmp_path):
    for number in range(250):
        field = "ParentCommandLine" if number % 50 == 7 else "CommandLine"
        (tmp_path / f"{number:03}.yml").write_text(RULE.format(number=number, field=field))
    files, findings = read_rules([str(tmp_path)])
    assert not findings
    for wanted in ([("falcon", "logscale")], [("falcon", "logscale"), ("fdr", "sql")]):
        done = [result for result in convert(files, wanted) if isinstance(result, Conversion)]
        assert [result.title for result in done] == [f"Rule {number}" for number in range(250)] * len(wanted)
        refused = [result for result in done if result.finding]
        assert [result.title for result in refused[:5]] == [f"Rule {number}" for number in (7, 57, 107, 157, 207)]
        assert all(result.finding and result.finding.at and result.finding.at.line == 6 for result in refused)
        assert "tool3" in done[3].compiled[0].query


def alive() -> int:
    return sum(isinstance(one, SigmaRule | SigmaDetection | ConditionItem) for one in gc.get_objects())


def test_rules_that_are_done_with_go_without_the_collector_of_garbage(tmp_path):
    for number in range(20):
        text = RULE.format(number=number, field="CommandLine|contains|all").replace(".exe'", "', 'x']")
        (tmp_path / f"{number:03}.yml").write_text(text.replace(": '", ": ['").replace("n: sel", "n: not sel"))
    grown = []
    gc.disable()
    try:
        for _ in range(2):  # the first time, what is remembered of a condition that is new holds on to its rule
            gc.collect()
            before = alive()
            done = list(convert(read_rules([str(tmp_path)])[0], [("falcon", "logscale")]))
            assert all(isinstance(one, Conversion) and one.compiled for one in done)
            grown.append(alive() - before)
    finally:
        gc.enable()
    assert grown[1] <= 2, "the pipeline knows the last rule, and nobody any other"


TEXTS = [
    "a: 1\nb:\n    a: 2\n",
    "\n# a: comment\n\nb: |\n    a:\n    x\na: 2\n",
    "a: 1\n---\na: 2\nb: 3\n",
    "{a: 1,\nb: 2}\n",
    "- a: 1\n- b: 2\n",
    "'a': 1\nb: &x {c: 1}\n",
    "a: 'x\n\n  b: y'\nb: 1\n",
    "a: &d {c: 1}\nb:\n  <<: *d\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_place_of_a_key_is_found_as_by_reading_all_of_the_text(text):
    for document in read_text(text):
        reader = _with_positions(text, None)[document.number][1]
        for key in ("a", "b"):
            if (key,) in reader.keys:
                assert document.key_at(key) == reader.keys[(key,)]


@pytest.mark.parametrize("text", TEXTS)
def test_the_short_way_of_reading_gives_the_same_values(text):
    assert [document.value for document in read_text(text)] == [value for value, _ in _with_positions(text, None)]
