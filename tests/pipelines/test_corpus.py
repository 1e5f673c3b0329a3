"""How much of the published SigmaHQ rules the claims answer. Skipped where the rules are not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from polysigma.platform import BACKEND_VARIABLE
from sigma.pipelines.polysigma import pipelines

RULES = Path(__file__).parents[3] / "shared" / "data" / "sigma_rules" / "rules"
CATEGORIES = {"network_connection", "dns_query", "process_creation"}

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")


def _documents() -> list[dict]:
    documents = []
    for path in sorted(RULES.rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        if any(f"category: {category}" in text for category in CATEGORIES):
            documents += yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [each for each in documents if each.get("logsource", {}).get("category") in CATEGORIES]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Counter]:
    """For each pipeline how many rules it takes (under "taken"), and how many it refuses, by code."""
    counted = {}
    documents = _documents()
    for name, make in pipelines.items():
        pipeline = make()
        pipeline.vars[BACKEND_VARIABLE] = True
        counts: Counter = Counter()
        for document in documents:
            try:
                pipeline.apply(SigmaRule.from_dict(document))
                counts["taken"] += 1
            except SigmaError as error:
                counts[getattr(error, "code", type(error).__name__)] += 1
        counted[name] = counts
    return counted


def test_every_rule_is_taken_or_refused_with_a_code(outcomes):
    codes = {"taken", "not-recorded", "not-comparable", "path-not-recorded", "unverified"}
    assert all(counts.keys() <= codes for counts in outcomes.values()), outcomes


def test_every_field_of_the_rules_is_claimed(outcomes):
    assert all(counts["unknown-field"] == 0 for counts in outcomes.values())


@pytest.mark.parametrize(("name", "least"), [("falcon", 1310), ("fdr", 1310), ("sysmon_json", 1370)])
def test_no_fewer_rules_are_taken_than_before(outcomes, name, least):
    assert outcomes[name]["taken"] >= least
