"""The published SigmaHQ rules on Falcon: each a valid query that is right, or a refusal whose code is known.

On Next-Gen SIEM (falcon), and on events as the replicator delivers them (fdr). For every rule that is converted, an
event is put together from the rule's own condition (`naive.py`), recorded as Falcon records it (`falcon.py`), and run
through the query's text. `test_falcon_refusals.py` asks whether the codes are true. Skipped where the rules are not
beside the checkout.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from sigma.collection import SigmaCollection

from polysigma.cql import lint
from polysigma.diagnostics import Severity
from polysigma.engines.cql import run_cql
from polysigma.refusals import RefusalCode
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

from . import falcon, naive

if TYPE_CHECKING:
    from sigma.rule import SigmaRule

RULES = Path(os.environ.get("SIGMA_RULES", Path(__file__).parents[3] / "shared" / "data" / "sigma_rules" / "rules"))
UNTESTED = {
    "COM Object Execution via Xwizard.EXE": "no event matches: one text must equal a word and hold a GUID",
    "Cleartext Protocol Usage": "events of a third party, which tests/pipelines/test_firewall.py makes",
}
"""Rules that are converted and not tried here, and why."""
EVENTS = 6
"""At most so many events that a rule matches are made of it, each of another alternative."""
COUNTS = {
    "falcon": {
        "converted": 1919,
        "not-recorded": 1068,
        "unverified": 106,
        "path-not-recorded": 21,
        "unclaimed-logsource": 17,
        "not-comparable": 7,
    },
    "fdr": {
        "converted": 1918,
        "not-recorded": 1097,
        "unverified": 63,
        "path-not-recorded": 21,
        "unclaimed-logsource": 17,
        "not-comparable": 22,
    },
}
"""What becomes of the 3,138 rules of SigmaHQ as of commit 8eaafff, beside the checkout."""
APART = re.compile(r"(\w+)=/(?:[^/\\\n]|\\.)+/([dim]*) or \1=/(?:[^/\\\n]|\\.)+/\2(?: or|\))")
"""Two regular expressions on one field, side by side. Paths with a device stay apart from other texts."""
EVERY = 13
"""In the fast suite, one rule in so many."""

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")


class Outcome(NamedTuple):
    """What became of a rule on a platform: its queries, or the code of the refusal."""

    platform: str
    rule: SigmaRule
    queries: list[str]
    code: str | None


def convert(platform: str, step: int) -> list[Outcome]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    paths = sorted(RULES.rglob("*.yml"))[::step]
    documents = [each for path in paths for each in yaml.load_all(path.read_text(encoding="utf-8"), loader)]
    original = SigmaCollection.from_dicts(documents).rules
    changed = SigmaCollection.from_dicts(documents)
    backend = backends["logscale"](pipelines[platform](), collect_errors=True, accept="blind")
    backend.compiled = {}
    backend.convert(changed)
    errors = {id(rule): error for rule, error in backend.errors}
    return [
        Outcome(
            platform,
            rule,
            [compiled.query for compiled in backend.compiled.get(id(other), ())],
            getattr(errors.get(id(other)), "code", type(errors.get(id(other))).__name__),
        )
        for rule, other in zip(original, changed.rules, strict=True)
    ]


@pytest.fixture(scope="module", params=["falcon", "fdr"])
def sample(request) -> list[Outcome]:
    return convert(request.param, EVERY)


@pytest.fixture(scope="module", params=["falcon", "fdr"])
def everything(request) -> list[Outcome]:
    return convert(request.param, 1)


def check_outcomes(outcomes: list[Outcome]) -> None:
    known = {code.value for code in RefusalCode}
    for platform, rule, queries, code in outcomes:
        tag = "event_simpleName" if platform == "fdr" else "#event_simpleName"
        assert queries or code in known, f"{rule.title}: {code}"
        for query in queries:
            assert tag in query or "#observer.type" in query, rule.title
            wrong = [one for one in lint(query) if one.severity is Severity.ERROR or one.code == "tag-regex"]
            assert not wrong, f"{rule.title}: {wrong}\n{query}"
            beside = [found[0] for found in APART.finditer(query) if r"\\Device\\" not in found[0]]
            assert not beside, f"{rule.title}: one alternation would do: {beside}"


def failures(outcomes: list[Outcome]) -> list[str]:
    found = []
    for platform, rule, queries, _ in outcomes:
        if rule.title in UNTESTED:
            continue
        for query, condition in zip(queries, rule.detection.parsed_condition, strict=False):
            wrong = wrong_on_its_events(Recorder(platform, rule), query, condition.parsed)
            found += [f"{rule.title} ({rule.logsource.category}, {platform}): {wrong}\n{query}"] if wrong else []
    return found


class Recorder:
    """How the events of a rule are recorded on a platform."""

    def __init__(self, platform: str, rule: SigmaRule) -> None:
        self.raw = platform == "fdr"
        self.product = rule.logsource.product
        self.category = rule.logsource.category or f"{self.product}_{rule.logsource.service}"

    def seen(self, event: naive.Event) -> naive.Event:
        return falcon.seen(self.category, self.product, event, raw=self.raw)

    def row(self, event: naive.Event) -> dict[str, str]:
        return falcon.row(self.category, self.product, event, raw=self.raw)

    def shape(self, field: str, parts: tuple[str, str, str]) -> str:
        return falcon.shape(self.category, self.product, field, parts)


def wrong_on_its_events(recorder: Recorder, query: str, condition: Any) -> str | None:
    """What is wrong with a query on events that its rule matches, and on the same with one value changed."""
    matches = matching(condition, recorder)
    if not matches:
        return "no event could be put together"
    events = list(matches)
    for event in matches:
        near = [other for field, text in event.items() for other in changed_in(event, field, text)]
        apart = [other for other in near if decides(condition, recorder, other)]
        if not apart:
            return f"no value decides of {event}"
        events += apart
    rows = [recorder.row(recorder.seen(event)) for event in events]
    found = {row["Id"] for row in run_cql(query, [{**row, "Id": str(at)} for at, row in enumerate(rows)]).rows}
    for at, row in enumerate(rows):
        if (str(at) in found) is not (at < len(matches)):
            return f"{'misses' if at < len(matches) else 'matches'} {events[at]}, which is {row}"
    return None


def decides(condition: Any, recorder: Recorder, event: naive.Event) -> bool:
    """Whether there can be such an event, and the rule does not match it."""
    try:
        told = recorder.seen(event)
        recorder.row(told)
        return not naive.holds(condition, told)
    except (ValueError, KeyError):
        return False


def changed_in(event: naive.Event, field: str, text: str) -> list[naive.Event]:
    """The event with other values of one field: longer, with another last letter, something else, none at all."""
    last = "1" if text[-1:] == "0" else "0"
    others = [{**event, field: other} for other in (f"{text}{naive.FILLER}9", text[:-1] + last, f"{naive.FILLER}9")]
    return [*others, {name: value for name, value in event.items() if name != field}]


def matching(condition: Any, recorder: Recorder) -> list[naive.Event]:
    """Events of which what can be told meets the condition, each by another of its alternatives."""

    def bare(field: str, parts: tuple[str, str, str]) -> str:
        del field
        return "".join(parts) or naive.FILLER

    found: list[naive.Event] = []
    for shape in (recorder.shape, bare):
        for tests in itertools.islice(naive.branches(condition), 3000):
            try:
                told = recorder.seen(naive.event_for(tests, shape))
                if naive.holds(condition, told) and told not in found:
                    found.append(told)
            except (ValueError, KeyError):
                continue  # no event can hold such a value
            if len(found) == EVENTS:
                break
        if found:
            break
    return found


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
def test_every_rule_is_converted_or_counted_under_a_code(everything):
    """The official pysigma-backend-crowdstrike 3.0.0 with its pipeline gives 1,440 of these rules an event type."""
    counts = Counter(outcome.code if not outcome.queries else "converted" for outcome in everything)
    assert counts == COUNTS[everything[0].platform]
    if everything[0].platform == "falcon":
        assert UNTESTED.keys() <= {outcome.rule.title for outcome in everything if outcome.queries}
