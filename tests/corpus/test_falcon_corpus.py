"""The published SigmaHQ rules on Falcon: each a valid query that is right, or a refusal whose code is known.

For every rule that is converted, an event is put together from the rule's own condition (`naive.py`), recorded as
Falcon records it (`falcon.py`), and run through the query's text. Skipped where the rules are not beside the checkout.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from sigma.collection import SigmaCollection

from polysigma.cql import lint
from polysigma.diagnostics import Severity
from polysigma.engines.cql import run_cql
from polysigma.platform import RefusalCode
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

from . import falcon, naive

if TYPE_CHECKING:
    from sigma.rule import SigmaRule

RULES = Path(os.environ.get("SIGMA_RULES", Path(__file__).parents[3] / "shared" / "data" / "sigma_rules" / "rules"))
IMPOSSIBLE = {
    "COM Object Execution via Xwizard.EXE": "one text must equal a word and hold a GUID",
}
"""Rules that no event can match, and why."""
EVERY = 13
"""In the fast suite, one rule in so many."""

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")


class Outcome(NamedTuple):
    """What became of a rule: its queries, or the code of the refusal."""

    rule: SigmaRule
    queries: list[str]
    code: str | None


def convert(step: int) -> list[Outcome]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    paths = sorted(RULES.rglob("*.yml"))[::step]
    documents = [each for path in paths for each in yaml.load_all(path.read_text(encoding="utf-8"), loader)]
    original = SigmaCollection.from_dicts(documents).rules
    changed = SigmaCollection.from_dicts(documents)
    backend = backends["logscale"](pipelines["falcon"](), collect_errors=True, accept="blind")
    backend.convert(changed)
    errors = {id(rule): error for rule, error in backend.errors}
    return [
        Outcome(
            rule,
            [compiled.query for compiled in backend.compiled.get(id(other), ())],
            getattr(errors.get(id(other)), "code", type(errors.get(id(other))).__name__),
        )
        for rule, other in zip(original, changed.rules, strict=True)
    ]


@pytest.fixture(scope="module")
def sample() -> list[Outcome]:
    return convert(EVERY)


@pytest.fixture(scope="module")
def everything() -> list[Outcome]:
    return convert(1)


def check_outcomes(outcomes: list[Outcome]) -> None:
    known = {code.value for code in RefusalCode}
    for rule, queries, code in outcomes:
        assert queries or code in known, f"{rule.title}: {code}"
        for query in queries:
            assert "#event_simpleName" in query, rule.title
            wrong = [one for one in lint(query) if one.severity is Severity.ERROR]
            assert not wrong, f"{rule.title}: {wrong}\n{query}"


def failures(outcomes: list[Outcome]) -> list[str]:
    found = []
    for rule, queries, _ in outcomes:
        for query, condition in zip(queries, rule.detection.parsed_condition, strict=False):
            wrong = wrong_on_its_events(rule, query, condition.parsed)
            found += [f"{rule.title} ({rule.logsource.category}): {wrong}\n{query}"] if wrong else []
    return found


def wrong_on_its_events(rule: SigmaRule, query: str, condition: Any) -> str | None:
    """What is wrong with a query on an event that its rule matches, and on the same with one value changed."""
    category, product = rule.logsource.category, rule.logsource.product
    assert category is not None

    def row(event: naive.Event) -> dict[str, str]:
        return falcon.row(category, product, event)

    match = matching(condition, category, product)
    if match is None:
        return None if rule.title in IMPOSSIBLE else "no event could be put together"
    if not run_cql(query, [row(match)]).rows:
        return f"misses {match}, which is {row(match)}"
    decided = False
    for field, text in match.items():
        for other in changed_in(match, field, text):
            try:
                changed = falcon.seen(category, product, other)
                wanted = naive.holds(condition, changed)
                after = row(changed)
            except (ValueError, KeyError):
                continue  # no event can hold such a value
            if wanted or changed == match:
                continue
            decided = True
            if run_cql(query, [after]).rows:
                return f"matches {changed}, which is {after}"
    return None if decided else "no value decides"


def changed_in(event: naive.Event, field: str, text: str) -> list[naive.Event]:
    """The event with other values of one field: longer, with another last letter, something else, none at all."""
    last = "1" if text[-1:] == "0" else "0"
    others = [{**event, field: other} for other in (f"{text}{naive.FILLER}9", text[:-1] + last, f"{naive.FILLER}9")]
    return [*others, {name: value for name, value in event.items() if name != field}]


def matching(condition: Any, category: str, product: str | None) -> naive.Event | None:
    """An event of which what can be told meets the condition."""

    def shaped(field: str, parts: tuple[str, str, str]) -> str:
        return falcon.shape(category, product, field, parts)

    def bare(field: str, parts: tuple[str, str, str]) -> str:
        del field
        return "".join(parts) or naive.FILLER

    for shape in (shaped, bare):
        for tests in itertools.islice(naive.branches(condition), 3000):
            try:
                told = falcon.seen(category, product, naive.event_for(tests, shape))
                if naive.holds(condition, told):
                    return told
            except (ValueError, KeyError):
                continue  # no event can hold such a value
    return None


def test_a_sample_is_valid_or_refused_by_a_known_code(sample):
    check_outcomes(sample)


def test_a_sample_is_right_on_events_made_of_the_rules(sample):
    assert failures(sample) == []


@pytest.mark.slow
def test_every_rule_is_valid_or_refused_by_a_known_code(everything):
    check_outcomes(everything)


@pytest.mark.slow
def test_every_rule_is_right_on_events_made_of_it(everything):
    assert failures(everything) == []


@pytest.mark.slow
def test_more_rules_have_an_event_type_than_the_official_backend_gives_one(everything):
    """1,440 of 3,141 with pysigma-backend-crowdstrike 3.0.0 and its pipeline crowdstrike_falcon."""
    converted = [outcome for outcome in everything if outcome.queries]
    assert len(converted) >= 1890, Counter(outcome.code for outcome in everything)
