"""Values and titles that would like to be syntax stay text: bound without an error, and found as what they are."""

from __future__ import annotations

import pytest

from polysigma.engines.kql.validate import unavailable, validate
from polysigma.telemetry.defender import TABLE

HOSTILE = [
    '"',
    '""',
    "\\",
    "\\\\",
    '\\"',
    '" or 1 == 1 //',
    "'; DeviceInfo",
    "| take 1",
    "// comment",
    "a\nb",
    "a\r\n| take 1",
    "\t",
    '@"verbatim"',
    "h'hidden'",
    "```",
    "(?i).*",
    "[a-z]+$",
    "{0}",
    "%s",
    "$left.x",
    "ünïcödé",
    "\u65e5\u672c",
    "C:\\Windows\\\\x",
    "trailing\\",
]


def rule(value, modifier=""):
    return [
        {
            "title": "Hostile\n| take 1 //",
            "name": "hostile",
            "logsource": {"category": "process_creation"},
            "detection": {"s": {f"CommandLine{modifier}": value}, "condition": "s"},
        }
    ]


def escaped(value):
    """As Sigma writes the text itself: its wildcards and backslashes escaped."""
    return value.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


ROWS = [
    {
        TABLE: "DeviceProcessEvents",
        "ActionType": "ProcessCreated",
        "ReportId": number,
        "ProcessCommandLine": value,
    }
    for number, value in enumerate(HOSTILE)
]


@pytest.fixture(scope="module")
def database(fill):
    with fill("defender", ROWS) as filled:
        yield filled


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_value_finds_itself_alone(number, compiled, database):
    made = compiled(rule(escaped(HOSTILE[number])), "defender")
    assert [row["ReportId"] for row in made.executed(database)] == [number]


@pytest.mark.parametrize("modifier", ["|contains", "|startswith", "|endswith", "|cased", "|contains|cased"])
def test_hostile_parts_find_what_the_evaluator_finds(modifier, compiled, database):
    made = compiled(rule([escaped(value) for value in HOSTILE], modifier), "defender")
    found = sorted(row["ReportId"] for row in made.executed(database))
    assert found == sorted(row["ReportId"] for row in made.expected(ROWS))


@pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")
@pytest.mark.parametrize("modifier", ["", "|contains", "|re"])
@pytest.mark.parametrize("value", [value for value in HOSTILE if value not in {"\\", "trailing\\", "{0}"}])
def test_a_hostile_value_is_bound_without_an_error(value, modifier, compiled):
    import re

    given = re.escape(value) if modifier == "|re" else escaped(value)
    made = compiled(rule(given, modifier), "defender")
    assert validate(made.query, "defender") == []


def test_very_many_patterns_become_one_regular_expression(compiled, database):
    made = compiled(
        rule([escaped(value) + str(n) for n in range(9) for value in HOSTILE] + ["%s"], "|contains"), "defender"
    )
    assert "matches regex" in made.query
    assert [row["ReportId"] for row in made.executed(database)] == [HOSTILE.index("%s")]
