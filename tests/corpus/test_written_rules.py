"""Rules of no collection on Falcon: each is converted, its query is clean, and right on events made of the rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sigma.collection import SigmaCollection

from polysigma.cql import lint
from polysigma.diagnostics import Severity
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

from .test_falcon_corpus import Recorder, wrong_on_its_events

RULES = list(yaml.safe_load_all((Path(__file__).parent / "written_rules.yml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("platform", ["falcon", "fdr"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["title"])
def test_a_written_rule_is_converted_and_right(rule, platform):
    original, changed = (SigmaCollection.from_dicts([yaml.safe_load(yaml.safe_dump(rule))]) for _ in range(2))
    queries = backends["logscale"](pipelines[platform](), accept="blind").convert(changed)
    (asked,) = original.rules
    for query, condition in zip(queries, asked.detection.parsed_condition, strict=True):
        assert not [one for one in lint(query) if one.severity is Severity.ERROR]
        assert wrong_on_its_events(Recorder(platform, asked), query, condition.parsed) is None, query
