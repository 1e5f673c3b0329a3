"""Every query as the reader sees it: one file per rule and language in `goldens/`, beside the rule.

A query that changed on purpose is written anew by

    UPDATE_GOLDENS=1 pytest tests/backends/test_goldens.py

and the difference read as a specialist of the language would. What a language cannot say is a golden, too: the
message, in a file that ends in `.refused`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.exceptions import SigmaError

from polysigma import schemas
from polysigma.cql import lint, parse

GOLDENS = Path(__file__).parent / "goldens"
RULES = Path(__file__).parents[2] / "rules"
UPDATE = bool(os.environ.get("UPDATE_GOLDENS"))
SCHEMAS = {"sysmon_json": "sysmon", "fdr": "fdr", "falcon": "falcon"}


@dataclass(frozen=True)
class Case:
    """One query: which rule, for whom, with which options, and the file that it is kept in."""

    rule: Path
    target: str
    pipeline: str
    file: str
    method: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


def _cases() -> list[Case]:
    """Each rule for LogScale on Falcon and for SQL on Sysmon; what `cases.yaml` adds to that."""
    found = []
    for rule in sorted(GOLDENS.glob("*.yml")):
        found += [
            Case(rule, "logscale", "falcon", f"{rule.stem}.logscale"),
            Case(rule, "sql", "sysmon_json", f"{rule.stem}.sql"),
        ]
    for name, entry in yaml.safe_load((GOLDENS / "cases.yaml").read_text()).items():
        rule = RULES / entry["rule"] if "/" in entry["rule"] else GOLDENS / entry["rule"]
        found.append(
            Case(rule, entry["target"], entry["pipeline"], name, entry.get("method"), entry.get("options", {}))
        )
    return found


CASES = _cases()


_PRINTED: dict[str, tuple[str, str]] = {}


def _printed(case: Case, convert: Any) -> tuple[str, str]:
    """The query, and the end of its file's name."""
    if case.file not in _PRINTED:
        _PRINTED[case.file] = _convert(case, convert)
    return _PRINTED[case.file]


def _convert(case: Case, convert: Any) -> tuple[str, str]:
    try:
        queries = convert(case.rule.read_text(), case.target, case.pipeline, method=case.method, **case.options)
    except SigmaError as error:
        return f"{error}\n", ".refused"
    (query,) = queries
    return query, ""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_query_is_the_golden_one(case, convert):
    text, ending = _printed(case, convert)
    file = GOLDENS / f"{case.file}{ending}"
    if UPDATE:
        for stale in (GOLDENS / case.file, GOLDENS / f"{case.file}.refused"):
            stale.unlink(missing_ok=True)
        file.write_text(text)
    assert file.exists(), "no golden yet: UPDATE_GOLDENS=1"
    assert file.read_text() == text


def test_no_golden_is_left_of_a_case_that_is_gone():
    known = {case.file for case in CASES}
    kept = {file.name.removesuffix(".refused") for file in GOLDENS.iterdir() if file.suffix not in {".yml", ".yaml"}}
    assert kept == known


JUSTIFIED: dict[str, set[str]] = {
    # Raw FDR lines in a repository of one's own have no tags, unless its parser makes some.
    "fdr": {"no-tag-filter"},
}
"""Findings of the linter that a query keeps, by pipeline, each for a reason."""


@pytest.mark.parametrize("case", [case for case in CASES if case.target == "logscale"], ids=str)
def test_golden_cql_has_no_finding_of_the_linter(case, convert):
    text, ending = _printed(case, convert)
    if ending:
        return
    assert [str(one) for one in lint(text) if one.code not in JUSTIFIED.get(case.pipeline, set())] == []
    assert parse(text).steps


@pytest.mark.parametrize("case", [case for case in CASES if case.target == "sql"], ids=str)
def test_golden_sql_runs_on_a_table_with_the_columns_of_the_platform(case, convert, database):
    text, ending = _printed(case, convert)
    if ending:
        return
    if case.options.get("dialect") == "spark":
        import sqlglot

        assert len(sqlglot.parse(text, read="spark")) == 1
        return
    table = case.options.get("table", "sysmon" if case.pipeline == "sysmon_json" else case.pipeline)
    if "." in table:
        catalog, schema, _ = table.split(".")
        database.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {catalog}")
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")
    # Vendors spell a column in several ways; DuckDB does not tell them apart.
    names = {name.lower(): name for name in schemas.load(SCHEMAS[case.pipeline]).columns()}
    columns = ", ".join(f'"{name}" VARCHAR' for name in names.values())
    database.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")
    assert database.execute(text).fetchall() == []
