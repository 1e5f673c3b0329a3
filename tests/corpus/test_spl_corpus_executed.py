"""Published SigmaHQ rules on Splunk, executed: each query finds the event that its rule matches, and no near miss."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from sigma.collection import SigmaCollection

from polysigma.engines.spl.engine import run_spl
from sigma.backends.polysigma import SplBackend
from sigma.pipelines.polysigma import pipelines

from .splunk import Sysmon
from .test_kql_corpus_executed import RULES, UNMADE, published
from .trials import trials

RECORDER = Sysmon()

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")


class Source(NamedTuple):
    category: str | None
    product: str | None
    service: str | None


def recordable(logsource: dict[str, Any]) -> bool:
    try:
        RECORDER.seen(Source(*(logsource.get(part) for part in Source._fields)), {})
    except KeyError:
        return False
    return True


def failures(step: int) -> tuple[int, list[str]]:
    """How many of every so many rules were run, and what is wrong with their queries."""
    documents = [each for each in published() if recordable(each.get("logsource", {}))][::step]
    original = SigmaCollection.from_dicts(deepcopy(documents)).rules
    changed = SigmaCollection.from_dicts(deepcopy(documents))
    backend = SplBackend(pipelines["splunk_sysmon"](), collect_errors=True)
    backend.compiled = {}
    backend.convert(changed)
    wrong, run = [], 0
    for rule, other in zip(original, changed.rules, strict=True):
        for compiled, condition in zip(
            backend.compiled.get(id(other), ()), rule.detection.parsed_condition, strict=False
        ):
            made = trials(condition.parsed, rule.logsource, RECORDER)
            if not made and rule.title not in UNMADE:
                wrong.append(f"{rule.title}: no event could be put together")
            rows = [{**trial.row, "number": str(number)} for number, trial in enumerate(made)]
            found = {int(row["number"]) for row in run_spl(compiled.query, rows)}
            run += bool(made)
            for number, trial in enumerate(made):
                if (number in found) is not trial.wanted:
                    said = "misses" if trial.wanted else "matches"
                    wrong.append(f"{rule.title} {said} {trial.event}, which is {trial.row}\n{compiled.query}")
                    break
    return run, wrong


def test_a_few_rules_find_what_they_match_and_no_near_miss():
    run, wrong = failures(60)
    assert wrong == []
    assert run > 30


@pytest.mark.slow
def test_every_rule_that_can_be_recorded_finds_what_it_matches_and_no_near_miss():
    run, wrong = failures(1)
    assert wrong == []
    assert run > 2300
