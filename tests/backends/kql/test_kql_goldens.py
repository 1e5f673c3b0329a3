"""Every query as the reader sees it: one `.kql` file per rule in `goldens/`; the rules are those of the other targets.

A query that changed on purpose is written anew by

    UPDATE_GOLDENS=1 pytest tests/backends/kql/test_kql_goldens.py

and the difference read as a specialist would. What cannot be said is a golden, too: the message, in a file that ends
in `.refused`. Microsoft's own binder must have nothing against any of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sigma.exceptions import SigmaError

from polysigma.engines.kql.validate import unavailable, validate
from polysigma.refusals import RefusalCode
from sigma.pipelines.polysigma import platform

GOLDENS = Path(__file__).parent / "goldens"
CASES_OF_ALL = Path(__file__).parents[1] / "goldens"
RULES = Path(__file__).parents[3] / "rules"
UPDATE = bool(os.environ.get("UPDATE_GOLDENS"))

bound = pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")


@dataclass(frozen=True)
class Case:
    """One query: which rule, for whom, with which options, and the file that it is kept in."""

    rule: Path
    pipeline: str
    file: str
    method: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


BEACONING = RULES / "botnet_node_beaconing" / "rule.yml"
CASES = [
    *(Case(rule, "defender", f"{rule.stem}.kql") for rule in sorted(CASES_OF_ALL.glob("*.yml"))),
    *(Case(rule, "defender", f"{rule.stem}.kql") for rule in sorted(GOLDENS.glob("*.yml"))),
    *(
        Case(CASES_OF_ALL / f"{name}.yml", pipeline, f"{name}.{pipeline}.kql")
        for name in ("plain_network", "plain_process", "event_count", "temporal")
        for pipeline in ("sentinel", "asim")
    ),
    *(
        Case(BEACONING, pipeline, f"beaconing.{pipeline}.{form}.kql", options={"form": form})
        for pipeline in ("defender", "sentinel", "asim")
        for form in ("hunt", "rule")
    ),
    Case(CASES_OF_ALL / "previous.yml", "asim", "previous.asim.kql"),
    Case(BEACONING, "defender", "beaconing.portable.kql", "portable"),
    Case(CASES_OF_ALL / "event_count.yml", "defender", "event_count.accepted.kql", options={"accept": "blind"}),
]


def _printed(case: Case, convert: Any) -> tuple[str, str]:
    """The query, and the end of its file's name."""
    try:
        (query,) = convert(case.rule.read_text(), "kql", case.pipeline, method=case.method, **case.options)
    except SigmaError as error:
        return f"{error}\n", ".refused"
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
    kept = {file.name.removesuffix(".refused") for file in GOLDENS.iterdir() if file.suffix != ".yml"}
    assert kept == {case.file for case in CASES}


@bound
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_binder_has_nothing_against_a_golden(case, convert):
    text, ending = _printed(case, convert)
    if not ending:
        assert [str(one) for one in validate(text, platform(case.pipeline).schema_name)] == []


@bound
@pytest.mark.parametrize("pipeline", ["defender", "sentinel", "asim"])
@pytest.mark.parametrize("rule", sorted(RULES.glob("*/rule.yml")), ids=lambda path: path.parent.name)
def test_the_binder_has_nothing_against_a_rule_of_the_package(rule, pipeline, convert):
    try:
        queries = convert(rule.read_text(), "kql", pipeline, accept="blind")
    except SigmaError as error:
        assert getattr(error, "code", None) in set(RefusalCode), error  # noqa: PT017 - a refusal is an answer
        return
    assert [str(one) for query in queries for one in validate(query, platform(pipeline).schema_name)] == []
