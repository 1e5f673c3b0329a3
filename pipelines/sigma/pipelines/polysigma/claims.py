"""Reads a platform's claims. Imported when a pipeline is made, not when pySigma looks for plug-ins."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.platform import Platform
from polysigma.source import read_file
from polysigma.validation import structured

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polysigma.source import Document


def load_platform(path: Path) -> Platform:
    """The claims in a YAML file.

    A file may say `extends: other` (a file beside it): it is then the other's claims, its columns renamed as
    `rename` says, and what the file itself says laid over them, map by map; a value of null takes one away. Log sources
    that the other refuses stay refused, unless the file claims them.

    A category may list fields that columns of the same name hold, as `as_named: {source: ..., columns: [...]}`, and
    fields that no event holds, as `not_recorded: {reason: ..., source: ..., fields: [...]}`.
    Raises PolysigmaError with the place of what is wrong.
    """
    document = _read(path)
    return structured(Platform, replace(document, value=_listed(_resolved(document, path))), "platform-claim")


def _listed(value: dict[str, Any]) -> dict[str, Any]:
    """The claims with what their categories list by name as claims about fields."""
    for category in (value.get("categories") or {}).values():
        if not isinstance(category, dict):
            continue
        named, absent = category.pop("as_named", {}), category.pop("not_recorded", {})
        claims = {name: {"column": name, "source": named["source"]} for name in named.get("columns", ())}
        why = {key: text for key, text in absent.items() if key != "fields"}
        claims |= {name: {"refused": "not-recorded", "absent": True, **why} for name in absent.get("fields", ())}
        if claims:
            category["fields"] = {**claims, **(category.get("fields") or {})}
    return value


def _read(path: Path) -> Document:
    documents = read_file(path)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise PolysigmaError(Diagnostic("platform-file", "must hold exactly one YAML map", file=str(path)))
    return documents[0]


def _resolved(document: Document, path: Path) -> dict[str, Any]:
    own = dict(document.value)
    base_name, names = own.pop("extends", None), own.pop("rename", {})
    if base_name is None:
        return own
    base = path.with_name(f"{base_name}.yaml")
    if base == path:
        raise document.error("platform-file", "extends itself", "extends")
    inherited: dict[str, Any] = _renamed(_resolved(_read(base), base), names)
    resolved = _overlaid(inherited, own)
    claimed = [source for one in resolved.get("categories", {}).values() for source in one.get("logsources", ())]
    refused = [one for one in inherited.get("refused_logsources", ()) if one.get("logsource") not in claimed]
    return {**resolved, "refused_logsources": [*own.get("refused_logsources", ()), *refused]}


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    """`value` with every column called by its new name: as a key, as a scalar, and inside expressions."""
    if isinstance(value, dict):
        return {names.get(name, name): _renamed(item, names, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names, key) for item in value]
    if key == "expression" and isinstance(value, str):
        return re.sub(r"[@#\w.]+", lambda word: names.get(word[0], word[0]), value)
    return names.get(value, value) if isinstance(value, str) else value


def _overlaid(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            # A claim about a field, or a category that names its tables, is one statement, so it is replaced as a
            # whole; maps of statements are merged.
            merged[key] = value if "source" in value or "tables" in value else _overlaid(merged[key], value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged
