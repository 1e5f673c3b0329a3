"""What the engine takes for granted where the documentation settles nothing: the table, and the page made from it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARY = "https://library.humio.com/"


@dataclass(frozen=True, slots=True)
class Assumption:
    """One rule that no page settles. `flips` tells whether the engine can evaluate the alternative."""

    id: str
    rule: str
    why: str
    alternative: str
    page: str
    flips: bool


@cache
def assumptions() -> Mapping[str, Assumption]:
    """Every assumption by its id, in the order of the table."""
    table = tomllib.loads(files("polysigma.engines.cql").joinpath("assumptions.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Assumption(
                id=name,
                rule=entry["rule"],
                why=entry["why"],
                alternative=entry["alternative"],
                page=_LIBRARY + entry["page"],
                flips=entry.get("flips", True),
            )
            for name, entry in table.items()
        }
    )


def as_markdown() -> str:
    """The page docs/reference/assumptions.md."""
    lines = [
        "# Assumptions of the CQL engine",
        "",
        "<!-- Generated from polysigma/engines/cql/assumptions.toml; change that and run the tests. -->",
        "",
        "No LogScale server was at hand. The engine follows the documentation of LogScale, whose pages its code names;",
        "where these do not settle a question, it takes one of these rules. A query relies on a rule where it and its",
        "alternative may differ on the data: `run_cql` names the rules that a query met, and evaluates with the",
        "alternative on demand (`flip`).",
        "",
    ]
    for item in assumptions().values():
        lines += [
            f"## {item.id}",
            "",
            item.rule,
            "",
            f"* Why: {item.why} ([page]({item.page}))",
            f"* Otherwise: {item.alternative}{'' if item.flips else ' (Cannot be tried.)'}",
            "",
        ]
    return "\n".join(lines[:-1]) + "\n"
