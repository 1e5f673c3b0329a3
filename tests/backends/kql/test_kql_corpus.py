"""The SigmaHQ corpus: what is converted is bound without an error, with its table and its event filter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.diagnostics import Severity
from polysigma.engines.kql.validate import unavailable, validate
from sigma.backends.polysigma import KqlBackend
from sigma.pipelines.polysigma import pipelines, platform

CORPUS = Path(__file__).parents[4] / "shared/data/sigma_rules/rules"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LEAST = {"defender": 1990, "sentinel": 2460, "asim": 1875}
"""Of 3,138 rules (1,992, 2,465 and 1,876 in November 2026); the official backend converts 1,928 (microsoft_xdr)."""

pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the SigmaHQ corpus is not beside this checkout"),
    pytest.mark.skipif(unavailable() is not None, reason=unavailable() or ""),
]


def rules(every):
    for path in sorted(CORPUS.rglob("*.yml"))[::every]:
        yield path, list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=LOADER))


def judged(pipeline, every):
    """How many rules were converted, and what is wrong with the queries."""
    schema, found, wrong = platform(pipeline).schema_name, Counter(), []
    for path, documents in rules(every):
        try:
            queries = KqlBackend(pipelines[pipeline]()).convert(SigmaCollection.from_dicts(documents))
        except SigmaError:
            continue
        for query in queries:
            found["converted"] += 1
            lines = [line for line in query.splitlines() if not line.startswith("//")]
            filters = tuple(f"| where {column}" for column in event_columns(pipeline))
            if lines[0].removesuffix("()") not in platform_tables(pipeline) or not lines[1].startswith(filters):
                wrong.append((path.name, lines[:2]))
            wrong += [(path.name, str(one)) for one in validate(query, schema) if one.severity is Severity.ERROR]
    return found["converted"], wrong


def event_columns(pipeline):
    """The columns by which the platform's events are told, the first of each category."""
    return {next(iter(category.event)) for category in platform(pipeline).categories.values()}


def platform_tables(pipeline):
    return {table for category in platform(pipeline).categories.values() for table in category.tables}


@pytest.mark.parametrize("pipeline", LEAST)
def test_a_part_of_the_corpus_is_bound(pipeline):
    converted, wrong = judged(pipeline, every=40)
    assert wrong == []
    assert converted > 20


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", LEAST)
def test_the_corpus_is_bound(pipeline):
    converted, wrong = judged(pipeline, every=1)
    assert wrong == []
    assert converted >= LEAST[pipeline]
