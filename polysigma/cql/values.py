"""Lint rules for values of arguments that the documentation lists or gives a form."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.functions import function_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.cql.functions import FunctionFacts
    from polysigma.diagnostics import Diagnostic

_LISTED = {
    ("sort", "order"): ("asc", "desc"),
    ("table", "order"): ("asc", "desc"),
    ("join", "mode"): ("inner", "left"),
    ("round", "how"): ("round", "ceil", "floor"),
}
"""The values that the pages of these functions list for a parameter."""


_SHARES = {("percentile", "percentiles"), ("sample", "percentage")}
"""Parameters that are percentages."""


def check(query: tree.Query) -> Iterator[Diagnostic]:
    """The findings in the arguments of a query's calls."""
    for node in tree.walk(query):
        if not isinstance(node, tree.Call):
            continue
        facts = function_facts(node.function)
        for argument in node.arguments if facts else ():
            assert facts is not None
            yield from _numbers(facts, argument)
            if (facts.name, argument.name) == ("cidr", "subnet"):
                yield from _subnets(argument.value)
            elif argument.name is not None:
                yield from _listed(facts.name, argument.name, argument.value)


def _numbers(facts: FunctionFacts, argument: tree.Argument) -> Iterator[Diagnostic]:
    """Counts below nothing, and shares of more than everything."""
    name = argument.name or facts.unnamed or ""
    share = (facts.name, name) in _SHARES
    if not share and name not in {"limit", "buckets"}:
        return
    value = argument.value
    for item in value.items if isinstance(value, tree.Array) else (value,):
        negative = isinstance(item, tree.Unary) and item.op == "-" and isinstance(item.operand, tree.Number)
        low = negative or (isinstance(item, tree.Number) and item.value < 0)
        if low or (share and isinstance(item, tree.Number) and item.value > 100):
            right = "from 0 to 100" if share else "a number above 0"
            yield finding("out-of-range", f"{name} of {facts.name}() is {right}", f"write {right}", item.at)


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
