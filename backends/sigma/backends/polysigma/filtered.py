"""What a query says at its head of the filters that were applied to its rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from sigma.exceptions import SigmaBackendError
from sigma.rule import SigmaRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sigma.collection import SigmaCollection

SHOWN = 30
"""So many exclusions are named at the head of a query."""


def applied_filters(collection: SigmaCollection) -> dict[str, tuple[str, ...]]:
    """Base rules, by name or id or title, to the lines about the filters that pySigma has applied to them.

    Raises SigmaBackendError for an exclusion of a tuning file's that has expired.
    """
    found: dict[str, tuple[str, ...]] = {}
    filters = list({id(one): one for one in collection.filters}.values())
    for rule in collection.rules if filters else ():
        if not isinstance(rule, SigmaRule):
            continue
        lines = [line for one in filters if _applies(one, rule) for line in _lines(one)]
        if lines:
            found[rule.name or str(rule.id or rule.title)] = tuple(dict.fromkeys(lines))
    return found


def lookups_in(collection: SigmaCollection) -> dict[str, tuple[str, ...]]:
    """The lookups that filters name by a placeholder, and what is in each.

    Raises SigmaBackendError for one whose values are no list of texts, or not the same in two filters.
    """
    found: dict[str, tuple[str, ...]] = {}
    for one in collection.filters:
        own = one.custom_attributes.get("polysigma")
        named = own.get("lookups") if isinstance(own, dict) else None
        for name, values in named.items() if isinstance(named, dict) else ():
            if (
                not isinstance(values, list)
                or not values
                or not all(value and isinstance(value, str) for value in values)
            ):
                raise SigmaBackendError(f"the lookup {name} is no list of texts")
            if found.setdefault(str(name), tuple(values)) != tuple(values):
                raise SigmaBackendError(f"the lookup {name} is not the same in two filters")
    return found


def _applies(one: Any, rule: SigmaRule) -> bool:
    """As pySigma decides it (sigma.filters); it has no public name for that."""
    if rule.logsource not in one.logsource:
        return False
    wanted = one.filter.rules
    if isinstance(wanted, str):
        return wanted.lower() == "any"
    return any(reference.reference in {rule.name, str(rule.id)} for reference in wanted)


def _lines(one: Any) -> Iterator[str]:
    own = one.custom_attributes.get("polysigma")
    exclusions = own.get("exclusions") if isinstance(own, dict) else None
    if not isinstance(exclusions, list):
        yield f"filter: {one.title}" + (f", by {one.author}" if one.author else "")
        return
    yield from _exclusions(exclusions)


def _exclusions(exclusions: Iterable[Any]) -> Iterator[str]:
    day = datetime.now(UTC).date()
    lines = []
    for exclusion in exclusions:
        reason, owner, expires = (str(exclusion.get(key, "")) for key in ("reason", "owner", "expires"))
        try:
            expired = date.fromisoformat(expires) < day
        except ValueError:
            raise SigmaBackendError(f"the exclusion {reason!r} expires on {expires!r}, which is no day") from None
        if expired:
            raise SigmaBackendError(f"the exclusion {reason!r} expired on {expires}; its owner is {owner}")
        lines.append(f"left out: {reason} ({owner}, until {expires})")
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"left out: {len(lines) - SHOWN} more"
