"""The published SigmaHQ rules on Splunk: how many are converted, and that no query searches everything.

Skipped where the rules are not there; the whole of them is slow, so the fast suite takes every twentieth.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.claims import Logsource
from polysigma.engines.spl import parse
from polysigma.engines.spl.tree import Macro, Search, SearchAnd, Term, TermIn
from sigma.backends.polysigma import SplBackend
from sigma.pipelines.polysigma import pipelines, platform

RULES = Path(__file__).parents[4] / "shared" / "data" / "sigma_rules" / "rules"

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")


def documents(every=1):
    """The rules of the categories that are claimed, or every so many of them."""
    claims = [platform(name) for name in ("splunk_sysmon", "splunk_cim")]
    found = []
    for path in sorted(RULES.rglob("*.yml")):
        found += yaml.load_all(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [each for each in found if any(one.category_for(logsource(each)) for one in claims)][::every]


def logsource(document):
    parts = document.get("logsource", {})
    return Logsource(**{name: parts.get(name) for name in ("category", "product", "service")})


def converted(pipeline, rules):
    """For each category how many rules are converted, and the queries; what is refused, is by a SigmaError."""
    counts, queries = Counter(), []
    for document in rules:
        category = document["logsource"].get("category") or document["logsource"]["service"]
        try:
            queries += SplBackend(pipelines[pipeline]()).convert(SigmaCollection.from_dicts([document]))
            counts[category] += 1
        except SigmaError:
            counts[f"{category} refused"] += 1
    return counts, queries


def is_told(query, pipeline):
    """Whether the first search says where its events are, and which they are."""
    first = parse(query).commands[0]
    assert isinstance(first, Search)
    terms = first.expression.items if isinstance(first.expression, SearchAnd) else (first.expression,)
    fields = {term.field for term in terms if isinstance(term, Term | TermIn)}
    place = any(isinstance(term, Macro) for term in terms) or "source" in fields
    return place and (fields & {"EventCode", "Channel"} if pipeline == "splunk_sysmon" else "tag" in fields)


@pytest.mark.parametrize("pipeline", ["splunk_sysmon", "splunk_cim"])
def test_every_query_of_a_sample_parses_and_names_its_events(pipeline):
    _, queries = converted(pipeline, documents(every=20))
    assert queries
    assert [query for query in queries if not is_told(query, pipeline)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("pipeline", "least"), [("splunk_sysmon", 2465), ("splunk_cim", 1510)])
def test_every_query_parses_and_names_its_events(pipeline, least):
    counts, queries = converted(pipeline, documents())
    assert [query for query in queries if not is_told(query, pipeline)] == []
    assert sum(number for name, number in counts.items() if not name.endswith("refused")) >= least, counts
