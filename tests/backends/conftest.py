"""What the tests of the backends share: conversion of rules, and DuckDB as the judge of SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sigma.collection import SigmaCollection

from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

RULE = Path(__file__).parents[2] / "rules" / "botnet_node_beaconing" / "rule.yml"

Convert = Callable[..., list[str]]


@pytest.fixture(scope="session")
def beaconing() -> str:
    """The text of the beaconing rule."""
    return RULE.read_text()


@pytest.fixture(scope="session")
def convert() -> Convert:
    """Queries of a target and a pipeline: `convert(text, "sql", "fdr", method="portable", form="rule")`."""

    def run(
        given: str | list[dict[str, Any]], target: str, pipeline: str, *, method: str | None = None, **options: Any
    ) -> list[str]:
        collection = SigmaCollection.from_yaml(given) if isinstance(given, str) else SigmaCollection.from_dicts(given)
        backend = backends[target](pipelines[pipeline](), **options)
        return backend.convert(collection, correlation_method=method)

    return run


@pytest.fixture(scope="session")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB as replay opens it: times are UTC, nothing is fetched."""
    connection = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()
