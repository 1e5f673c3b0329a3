"""Lint rules for values of arguments that the documentation lists or gives a form."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.functions import function_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic

_LISTED = {
    ("sort", "order"): ("asc", "desc"),
    ("table", "order"): ("asc", "desc"),
    ("join", "mode"): ("inner", "left"),
    ("round", "how"): ("round", "ceil", "floor"),
}
"""The values that the pages of these functions list for a parameter."""


def check(query: tree.Query) -> Iterator[Diagnostic]:
    """The findings in the arguments of a query's calls."""
    for node in tree.walk(query):
        if not isinstance(node, tree.Call):
            continue
        facts = function_facts(node.function)
        for argument in node.arguments if facts else ():
            assert facts is not None
            if (facts.name, argument.name) == ("cidr", "subnet"):
                yield from _subnets(argument.value)
            elif argument.name is not None:
                yield from _listed(facts.name, argument.name, argument.value)


def _texts(value: tree.Value) -> Iterator[tree.Quoted | tree.Bare]:
    for item in value.items if isinstance(value, tree.Array) else (value,):
        if isinstance(item, tree.Quoted | tree.Bare):
            yield item


def _subnets(value: tree.Value) -> Iterator[Diagnostic]:
    for item in _texts(value):
        try:
            ipaddress.ip_network(item.value, strict=False)
        except ValueError:
            message, hint = f"{item.value!r} is no subnet", 'write an address and a length, as in "10.0.0.0/8"'
            yield finding("bad-subnet", message, hint, item.at)


def _listed(function: str, parameter: str, value: tree.Value) -> Iterator[Diagnostic]:
    known = _LISTED.get((function, parameter))
    for item in _texts(value) if known else ():
        assert known is not None
        if item.value.lower() not in known:
            message = f"{parameter} of {function}() is documented as {' or '.join(known)}, not {item.value}"
            yield finding("unlisted-value", message, f"write {parameter}={known[0]}", item.at)
