"""Published SigmaHQ rules on Microsoft's platforms, executed: each query finds the events that its rule matches.

For every rule that is converted, events are put together from the rule's own condition (`trials.py`): one that it
matches, and near misses with one value changed. They are recorded as the platform does (`microsoft.py`), and all rows
of all rules stand in one database when a rule's query is run. Skipped where the rules are not beside the checkout.
"""

from __future__ import annotations

import os
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from sigma.collection import SigmaCollection

from polysigma.engines.kql.execute import Database
from polysigma.schemas import load
from sigma.backends.polysigma import KqlBackend
from sigma.pipelines.polysigma import pipelines, platform

from .microsoft import RECORDERS, kind_of
from .trials import Trial, trials

RULES = Path(os.environ.get("SIGMA_RULES", Path(__file__).parents[3] / "shared" / "data" / "sigma_rules" / "rules"))
IMPOSSIBLE = {
    "COM Object Execution via Xwizard.EXE": "one text must equal a word and hold a GUID",
    "Eventlog Cleared": "it is about the log System and excludes it",
}
"""Rules that no event can match, and why."""
UNMADE = IMPOSSIBLE | {
    "Password Dumper Remote Thread in LSASS": "a field must be empty",
    "Process Deletion of Its Own Executable": "two fields must be alike",
    "Suspicious Cross-User Process Spawn": "two fields must differ",
    "HackTool - EfsPotato Named Pipe Creation": "a text must not start with what it holds",
}
"""Rules of which `naive.py` makes no event besides, and what it cannot do."""
NUMBER = {"defender": "ReportId", "sentinel": "TenantId", "asim": "EventUid"}
"""A column that tells the rows apart."""
FEW, MANY = 10, 330
"""So many rules are run in the fast suite and in the slow one."""
REGISTRY = 4
"""Of the registry's rules one in so many is run in the slow suite."""
LONG, LONG_ONES = ('"QWORD (0x"', 'strcat("HKLM"'), 2
"""What a query has of which duckdb-kql makes a megabyte of SQL, which DuckDB plans for seconds; so many are run."""

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")


class Case(NamedTuple):
    """A rule's query, the events made of it, and the numbers of their rows."""

    title: str
    query: str
    trials: list[Trial]
    first: int


@cache
def published() -> list[dict[str, Any]]:
    """The documents of every rule."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for path in sorted(RULES.rglob("*.yml")) for each in yaml.load_all(path.read_text("utf-8"), loader)]


def cases(name: str, number: int) -> list[Case]:
    """About so many rules, evenly spread over those of a log source of which rows can be made."""
    documents = [each for each in published() if recordable(name, each.get("logsource", {}))]
    registry = [each for each in documents if each["logsource"].get("category", "").startswith("registry")]
    others = [each for each in documents if each not in registry]
    documents = others[:: max(1, len(others) // number)] + (registry[::REGISTRY] if number == MANY else [])
    original = SigmaCollection.from_dicts(deepcopy(documents)).rules
    changed = SigmaCollection.from_dicts(deepcopy(documents))
    backend = KqlBackend(pipelines[name](), collect_errors=True, accept="blind")
    backend.compiled = {}
    backend.convert(changed)
    found: list[Case] = []
    first, long_ones = 1, 0
    for rule, other in zip(original, changed.rules, strict=True):
        for compiled, condition in zip(
            backend.compiled.get(id(other), ()), rule.detection.parsed_condition, strict=False
        ):
            if any(sign in compiled.query for sign in LONG):
                long_ones += 1
                if long_ones > LONG_ONES:
                    continue
            made = trials(condition.parsed, rule.logsource, RECORDERS[name])
            found.append(Case(rule.title, compiled.query, made, first))
            first += len(made)
    return found


def recordable(name: str, logsource: dict[str, Any]) -> bool:
    class Source(NamedTuple):
        category: str | None
        product: str | None
        service: str | None

    source = Source(*(logsource.get(part) for part in Source._fields))
    try:
        RECORDERS[name].seen(source, {})
    except KeyError:
        return False
    return bool(kind_of(source))


def failures(name: str, number: int) -> list[str]:
    """What is wrong with the queries of so many rules."""
    schema = platform(name).schema_name
    made = cases(name, number)
    tables: dict[str, list[dict[str, Any]]] = {}
    for case in made:
        for place, trial in enumerate(case.trials, case.first):
            number_of = place if name == "defender" else str(place)
            row = {**trial.row, NUMBER[name]: number_of}
            assert row.keys() - {"$table"} <= load(schema).tables[row["$table"]].keys()
            tables.setdefault(row["$table"], []).append(row)
    wrong = []
    with Database(schema, tables) as database:
        # DuckDB takes longer to plan a query over tables this wide than to run it on so few rows.
        database.connection.execute("PRAGMA disable_optimizer")
        for case in made:
            if not case.trials:
                wrong += [] if case.title in UNMADE else [f"{case.title}: no event could be put together"]
                continue
            query = f"{case.query.rstrip()}\n| project {NUMBER[name]}"
            found = {int(row[NUMBER[name]]) for row in database.run(query)}
            for place, trial in enumerate(case.trials, case.first):
                if (place in found) is not trial.wanted:
                    said = "misses" if trial.wanted else "matches"
                    wrong.append(f"{case.title} {said} {trial.event}, which is {trial.row}\n{case.query}")
                    break
    assert sum(1 for case in made if len(case.trials) > 1) > 0.9 * len(made)
    return wrong


@pytest.mark.parametrize("name", RECORDERS)
def test_a_few_rules_find_what_they_match_and_no_near_miss(name):
    assert failures(name, FEW) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDERS)
def test_three_hundred_rules_find_what_they_match_and_no_near_miss(name):
    assert failures(name, MANY) == []
