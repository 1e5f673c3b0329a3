"""CQL's functions as data: kind, parameters, the unnamed one, defaults, limits, documentation page.

The facts restate the function reference under library.humio.com/data-analysis/functions.html. They stand in
`functions.tsv` (one row a function) and `parameters.tsv` (one row a parameter). A function whose parameters are marked
`open` exists, but its parameters are not all known here, so they are not checked.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGES = "https://library.humio.com/data-analysis/functions-"


class Kind(StrEnum):
    """What a function does to the events."""

    FILTER = "filter"
    TRANSFORMATION = "transformation"
    AGGREGATE = "aggregate"
    STREAMING = "streaming"
    """Works on the ordered rows of an aggregate, so it must stand behind one."""


class Presence(StrEnum):
    """Whether a parameter must be given."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    DEPRECATED = "deprecated"
    AS = "as"
    """Required, except where `:=` or an expression takes the result."""


class Takes(StrEnum):
    """What a parameter's argument is."""

    EXPRESSION = "expression"
    FIELD = "field"
    FUNCTIONS = "functions"
    NAME = "name"
    NUMBER = "number"
    QUERY = "query"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class ParameterFacts:
    """One parameter. `maximum` is the largest number that it takes."""

    name: str
    presence: Presence
    default: str | None
    maximum: int | None
    takes: Takes


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """One function. `unnamed` is the parameter that an argument without a name goes to; `since` a release, if known."""

    name: str
    kind: Kind
    unnamed: str | None
    since: str | None
    closed: bool
    note: str | None
    parameters: Mapping[str, ParameterFacts]

    @property
    def page(self) -> str:
        """The address of the function's documentation."""
        return f"{_PAGES}{self.name.lower().replace(':', '-')}.html"


@cache
def functions() -> Mapping[str, FunctionFacts]:
    """Every function by its documented name."""
    parameters: dict[str, dict[str, ParameterFacts]] = {}
    for row in _rows("parameters.tsv"):
        parameters.setdefault(row["function"], {})[row["parameter"]] = ParameterFacts(
            name=row["parameter"],
            presence=Presence(row["presence"]),
            default=row["default"] or None,
            maximum=int(row["maximum"]) if row["maximum"] else None,
            takes=Takes(row["type"]),
        )
    table = {
        row["function"]: FunctionFacts(
            name=row["function"],
            kind=Kind(row["kind"]),
            unnamed=row["unnamed"] or None,
            since=row["since"] or None,
            closed=row["parameters"] == "closed",
            note=row["note"] or None,
            parameters=MappingProxyType(parameters.get(row["function"], {})),
        )
        for row in _rows("functions.tsv")
    }
    return MappingProxyType(table)


def _rows(name: str) -> list[dict[str, str]]:
    text = files("polysigma.cql").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", restval="", quoting=csv.QUOTE_NONE))


@cache
def _by_lower_case() -> Mapping[str, FunctionFacts]:
    return {name.lower(): function for name, function in functions().items()}


def function_facts(name: str) -> FunctionFacts | None:
    """The function that a call's name means, or None.

    CrowdStrike's own content writes `groupby`, `timechart` and `selectlast`, so the case of a name does not count.
    """
    return functions().get(name) or _by_lower_case().get(name.lower())


def is_function(name: str) -> bool:
    """Whether a function of that name exists."""
    return name.lower() in _by_lower_case()


def takes_expression(function: str | None, parameter: str | None) -> bool:
    """Whether an argument is an expression, in which words are fields; `parameter` is None for the unnamed one."""
    facts = function_facts(function) if function else None
    if facts is None:
        return False
    if facts.unnamed == "*":  # eval(): every argument assigns an expression
        return True
    known = facts.parameters.get(parameter or facts.unnamed or "")
    if known is None and parameter is not None and facts.unnamed:
        # An unknown name before `=` in a function that takes an expression is mostly `=` meant as `==`.
        known = facts.parameters.get(facts.unnamed)
    return known is not None and known.takes is Takes.EXPRESSION


def near_function(name: str) -> str | None:
    """The documented function whose name is nearest to a misspelt one."""
    return _near(name, list(functions()))


def near_parameter(function: FunctionFacts, name: str, cutoff: float = 0.6) -> str | None:
    """The parameter of `function` whose name is nearest to a misspelt one, and no further than `cutoff` of 0 to 1."""
    return _near(name, list(function.parameters), cutoff)


def _near(name: str, names: list[str], cutoff: float = 0.6) -> str | None:
    by_lower = {candidate.lower(): candidate for candidate in names}
    found = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None
