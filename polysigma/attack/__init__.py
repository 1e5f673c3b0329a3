"""What MITRE ATT&CK says of a technique, offline: name, tactics, platforms, and whether it is still one.

One version is pinned (`version()`), so that a check says the same today and next year; `generate` makes the facts anew.
Tactics changed with version 19 (defense-evasion became stealth and defense-impairment): `Technique.tactics_in` gives
those of an earlier one, for a product that has not followed yet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAST_BEFORE_THE_SPLIT = 18


@dataclass(frozen=True, slots=True)
class Tactic:
    """A tactic: `resource-development`, TA0042, Resource Development."""

    key: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or a sub-technique that is neither revoked nor deprecated."""

    id: str
    name: str
    """Its own name, as `Botnet`; with that of its parent: `full_name`."""
    tactics: tuple[str, ...]
    platforms: tuple[str, ...]
    """As of 18.1; empty for a technique that is younger."""
    earlier_tactics: tuple[str, ...] | None = None

    @property
    def parent(self) -> str | None:
        """The id of the technique that this is a sub-technique of."""
        return self.id.partition(".")[0] if "." in self.id else None

    @property
    def full_name(self) -> str:
        """As ATT&CK writes it: `Compromise Infrastructure: Botnet`."""
        above = technique(self.parent) if self.parent else None
        return f"{above.name}: {self.name}" if above else self.name

    @property
    def url(self) -> str:
        return f"https://attack.mitre.org/techniques/{self.id.replace('.', '/')}/"

    @property
    def adversary_side(self) -> bool:
        """Whether it happens before and outside of the victim's network (platform PRE)."""
        return self.platforms == ("PRE",)

    def tactics_in(self, major: int) -> tuple[str, ...]:
        """Its tactics in that version of ATT&CK; those of 18 stand for all before."""
        return self.earlier_tactics if major <= _LAST_BEFORE_THE_SPLIT and self.earlier_tactics else self.tactics


@dataclass(frozen=True, slots=True)
class Retired:
    """A technique that is none any more: revoked or deprecated, or gone in the version named."""

    id: str
    name: str
    how: str
    version: str


@cache
def _facts() -> Mapping[str, Any]:
    facts: Mapping[str, Any] = json.loads(files(__name__).joinpath("facts.json").read_text(encoding="utf-8"))
    return facts


def version() -> str:
    """The version of ATT&CK that the facts are of."""
    return str(_facts()["version"])


@cache
def tactics() -> Mapping[str, Tactic]:
    """Every tactic, by its key."""
    return {key: Tactic(key, identifier, name) for key, (identifier, name) in _facts()["tactics"].items()}


@cache
def technique(identifier: str) -> Technique | None:
    """The technique of that id, as `T1584.005`; None where there is none, or none any more."""
    found = _facts()["techniques"].get(identifier)
    if found is None:
        return None
    name, own, platforms = found
    earlier = _facts()["tactics_in_18"].get(identifier)
    return Technique(identifier, name, tuple(own), tuple(platforms), tuple(earlier) if earlier else None)


def retired(identifier: str) -> Retired | None:
    """What became of a technique that ATT&CK no longer has; None where it has it, or never had it."""
    found = _facts()["retired"].get(identifier)
    return Retired(identifier, *found) if found else None


def near(identifier: str) -> str | None:
    """What may have been meant by an id that is unknown."""
    from difflib import get_close_matches

    close = get_close_matches(identifier, _facts()["techniques"], n=1)
    return close[0] if close else None
