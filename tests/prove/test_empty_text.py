"""An empty text is missing to every measure, on every platform."""

from __future__ import annotations

import pytest

from polysigma.catalog import read_rules
from polysigma.convert import pairs
from polysigma.prove.prepare import prepare
from polysigma.prove.trial import Ground, judge
from polysigma.telemetry import generate, render

COLUMNS = {"falcon": "ContextBaseFileName", "splunk_sysmon": "Image"}


@pytest.mark.parametrize("platform", COLUMNS)
@pytest.mark.parametrize(
    ("value", "text"), [("Image", ""), ("lower(Image)", ""), ("base_name(Image)", ""), ("labels(Image, 2)", ".")]
)
@pytest.mark.parametrize("measure", ["distinct({})", "collect({}, 50)"])
def test_measures_leave_out_empty_text(workshop, platform, value, text, measure):
    """And what is left of a text that has nothing of what is asked for: the root of all names has no labels."""
    group = {"by": ["Computer", "DestinationIp"], "measures": {"Found": measure.format("Program")}}
    workshop.rule["correlation"]["polysigma"]["steps"] = [{"derive": {"Program": value}}, {"group": group}]
    files, _ = read_rules([str(workshop.folder())])
    (detection,), _ = prepare(files, pairs([platform], None))
    trial = detection.benches[0].trials[0]
    rows = [{**row, COLUMNS[platform]: text} for row in render(generate(trial.scenario), trial.renderer)]
    outcome = judge(trial, Ground(trial, rows))
    assert outcome.oracle
    assert outcome.error is None
    assert outcome.mismatch is None
