"""What the tests of KQL share: a plan beside its query, and both run on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sigma.collection import SigmaCollection

from polysigma.engines.kql.execute import Database
from polysigma.engines.reference import evaluate
from polysigma.telemetry.defender import TABLE
from sigma.backends.polysigma import KqlBackend
from sigma.pipelines.polysigma import pipelines, platform

if TYPE_CHECKING:
    from polysigma.plan.steps import Plan

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Compiled:
    """A query, the plan that it was printed from, and the platform's name."""

    query: str
    plan: Plan
    platform: str

    @property
    def schema(self) -> str:
        return platform(self.platform).schema_name

    def executed(self, rows: Iterable[dict[str, Any]] | Database) -> Rows:
        """What DuckDB finds by the query's text."""
        if isinstance(rows, Database):
            return rows.run(self.query)
        with filled(self.schema, rows) as database:
            return database.run(self.query)

    def expected(self, rows: Iterable[dict[str, Any]]) -> Rows:
        """What the naive evaluator finds by the plan."""
        tables = {source.table for source in self.plan.sources}
        return evaluate(self.plan, [row for row in rows if row[TABLE] in tables])


Compile = Callable[..., Compiled]


def filled(schema: str, rows: Iterable[dict[str, Any]]) -> Database:
    """A database with the rows in their tables."""
    tables: dict[str, Rows] = {}
    for row in rows:
        tables.setdefault(row[TABLE], []).append(row)
    return Database(schema, tables)


@pytest.fixture(scope="session")
def fill() -> Callable[..., Database]:
    """`fill("defender", rows)`."""
    return filled


@pytest.fixture(scope="session")
def compiled() -> Compile:
    """`compiled(rule text or documents, "defender", method=..., form="rule")`: the last rule's query and plan."""

    def run(given: Any, pipeline: str, *, method: str | None = None, **options: Any) -> Compiled:
        collection = SigmaCollection.from_yaml(given) if isinstance(given, str) else SigmaCollection.from_dicts(given)
        backend = KqlBackend(pipelines[pipeline](), **({"form": "rule"} | options))
        backend.compiled = {}
        backend.convert(collection, correlation_method=method)
        (made,) = backend.compiled[id(collection.rules[-1])]
        return Compiled(made.query, made.plan, pipeline)

    return run
