"""Exclusions as standard Sigma filters, which pySigma applies to base rules: the same on every platform and tool.

A detection has one filter for each log source that it looks at, not one for each exclusion: pySigma nests the
conditions of filters, and Python's recursion ends before a few hundred of them.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from polysigma import schemas
from polysigma.tuning.lookups import lookup_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polysigma.catalog import RuleFile
    from polysigma.tuning.model import Exclusion

_NAMESPACE = uuid.UUID("6f0b6d0e-5d1c-4a39-9d53-0f2c7b1d9d11")
"""Filters have ids; one made of what it is for stays the same from run to run."""


def stable_id(*parts: str) -> str:
    """An id for a filter, made of what it is for."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def base_rules(detection: str, values: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rules, among some Sigma documents, whose events a detection looks at: itself, or what it refers to."""
    known: dict[str, Mapping[str, Any]] = {}
    for value in values:
        for key in (value.get("name"), value.get("id")):
            if key is not None:
                known.setdefault(str(key), value)
    found: list[Mapping[str, Any]] = []
    queue, seen = [detection], set()
    while queue:
        value = known.get(queue.pop(0), {})
        if id(value) in seen:
            continue
        seen.add(id(value))
        correlation = value.get("correlation")
        if isinstance(correlation, dict):
            rules = correlation.get("rules")
            queue += [str(rule) for rule in rules] if isinstance(rules, list) else [str(rules)] if rules else []
        elif isinstance(value.get("detection"), dict):
            found.append(value)
    return found


def fields_of(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical fields of a rule's log source; empty where the log source is not known."""
    logsource = rule.get("logsource")
    category = str(logsource.get("category")) if isinstance(logsource, dict) else ""
    return dict(schemas.load("sigma").tables.get(category, {}))


def refused(made: dict[str, Any]) -> list[str]:
    """What pySigma has against a filter."""
    from sigma.collection import SigmaCollection
    from sigma.exceptions import SigmaError

    try:
        collection = SigmaCollection.from_dicts([made], collect_errors=True, resolve_references=False)
    except SigmaError as error:
        return [str(error)]
    except (AttributeError, KeyError, NameError, TypeError, ValueError) as error:
        # pySigma trips over values of the wrong type.
        return [f"{type(error).__name__}: {error}"]
    found = [*collection.errors, *(error for one in collection.filters for error in one.errors)]
    return list(dict.fromkeys(str(error) for error in found))


def covers(rule: Mapping[str, Any], exclusion: Exclusion) -> bool:
    """Whether a rule's log source has all the fields of an exclusion (or is not known, so that nobody can say)."""
    known = fields_of(rule)
    return not known or all(key.partition("|")[0] in known for key in selection_of(exclusion))


def selection_of(exclusion: Exclusion) -> dict[str, Any]:
    """The Sigma selection of the events that an exclusion leaves out; a lookup is a placeholder in it."""
    selection = dict(exclusion.where)
    if exclusion.via:
        selection[f"{exclusion.field}|expand"] = f"%{lookup_name(exclusion)}%"
    return selection


def filters_for(
    detection: str,
    rules: Iterable[Mapping[str, Any]],
    exclusions: Sequence[Exclusion],
    lookups: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """The Sigma filters that leave out what the exclusions say, from the base rules of a detection.

    Where base rules have several log sources an exclusion is applied to those that have all of its fields. What the
    head of a query says of a filter (`reason`, `owner`, `expires`) is in the filter's `polysigma` map, and so are the
    values of its `lookups`, for platforms that have none.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for rule in rules:
        groups.setdefault(repr(sorted((rule.get("logsource") or {}).items())), []).append(rule)
    made = []
    for group in groups.values():
        here = [one for one in exclusions if covers(group[0], one)]
        if not here:
            continue
        logsource = dict(group[0].get("logsource") or {})
        names = [str(rule.get("name") or rule.get("id")) for rule in group]
        width = len(str(len(here)))
        selections = {f"excluded_{number:0{width}}": selection_of(one) for number, one in enumerate(here, start=1)}
        names_here = [lookup_name(one) for one in here if one.via]
        held = {name: list(values) for name, values in (lookups or {}).items() if name in names_here}
        made.append(
            {
                "title": f"Tuning of {detection}"[:250],
                "id": stable_id("tuning", detection, *names),
                "logsource": logsource,
                "filter": {"rules": names, **selections, "condition": "not 1 of excluded_*"},
                "polysigma": {
                    "detection": detection,
                    "exclusions": [
                        {"reason": one.reason, "owner": one.owner, "expires": one.expires.isoformat()} for one in here
                    ],
                    **({"lookups": held} if held else {}),
                },
            }
        )
    return made


def documents_of(files: Iterable[RuleFile]) -> list[Mapping[str, Any]]:
    """All Sigma documents of some files."""
    return [value for file in files for _, value in file.maps]
