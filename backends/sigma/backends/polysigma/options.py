"""The options of our backends, as `sigma convert -O name=value` and `polysigma convert` give them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .printer import Form

_MACRO = re.compile(r"([A-Za-z0-9_]+(\([A-Za-z0-9_, ]*\))?)?")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,2}")


@dataclass(frozen=True, slots=True)
class Options:
    """What a conversion was asked for."""

    form: Form = "hunt"
    accept: frozenset[str] = frozenset()
    """`blind` lets a query through that the platform's telemetry cannot answer."""
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameter values by rule name; under the empty name those that were given without a rule."""
    dialect: str | None = None
    table: str | None = None
    index_macro: str | None = None
    """The Splunk macro that says where the events are: None for the usual one, empty for none at all."""


def read_options(given: Mapping[str, Any], *, dialects: tuple[str, ...] = (), macro: bool = False) -> Options:
    """The typed options.

    Raises TypeError with the offending option first, in quotes: what sigma-cli turns into its own message about an
    option that a backend does not support.
    """
    known = {"form", "accept", "set"} | ({"dialect", "table"} if dialects else set())
    known |= {"index_macro"} if macro else set()
    for option, value in given.items():
        if option not in known:
            raise TypeError(f"'{option}' is not an option; known: {', '.join(sorted(known))}")
        if option not in {"accept", "set"} and isinstance(value, list | tuple | dict):
            raise TypeError(f"'{option}' takes one value, not several")
    form = given.get("form", "hunt")
    if form not in {"hunt", "rule"}:
        raise TypeError(f"'form={form}' is not known: hunt or rule")
    accept = frozenset(_texts(given.get("accept", ())))
    if accept - {"blind"}:
        raise TypeError(f"'accept={','.join(sorted(accept - {'blind'}))}' is not known: blind")
    dialect = given.get("dialect", dialects[0] if dialects else None)
    if dialects and dialect not in dialects:
        raise TypeError(f"'dialect={dialect}' is not known: {', '.join(dialects)}")
    table = given.get("table")
    if table is not None and not _TABLE.fullmatch(str(table)):
        raise TypeError(f"'table={table}' is not a table name: letters, digits and _, parts separated by dots")
    name = given.get("index_macro")
    if name is not None and not _MACRO.fullmatch(str(name)):
        raise TypeError(f"'index_macro={name}' is not the name of a macro: letters, digits and _")
    index_macro = None if name is None else str(name)
    return Options(form, accept, _overrides(given.get("set", ())), dialect, table, index_macro)


def _texts(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list | tuple) else [value])]


def _overrides(value: Any) -> dict[str, dict[str, Any]]:
    """`rule.parameter=value` or `parameter=value`, once or in a list; a mapping of mappings is taken as it is."""
    if isinstance(value, dict):
        return value
    found: dict[str, dict[str, Any]] = {}
    for text in _texts(value):
        target, equals, setting = text.partition("=")
        if not equals or not target:
            raise TypeError(f"'set={text}' is not of the form rule.parameter=value")
        rule, _, parameter = target.strip().rpartition(".")
        found.setdefault(rule, {})[parameter] = setting.strip()
    return found
