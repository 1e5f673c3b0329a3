"""What the engine takes for granted where Splunk's documentation settles nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Assumption:
    """One rule that no page settles. `printed` says how a query avoids depending on it, where it does."""

    id: str
    rule: str
    why: str
    page: str
    printed: str | None = None


@cache
def assumptions() -> dict[str, Assumption]:
    """Every assumption by its id, in the order of the table."""
    table = tomllib.loads(files("polysigma.engines.spl").joinpath("assumptions.toml").read_text(encoding="utf-8"))
    return {name: Assumption(id=name, **entry) for name, entry in table.items()}
