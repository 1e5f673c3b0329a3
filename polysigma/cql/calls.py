"""Lint rules for calls: does the function exist, and does it take these arguments?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.functions import (
    FunctionFacts,
    Kind,
    Presence,
    Takes,
    function_facts,
    near_function,
    near_parameter,
)
from polysigma.cql.lexer import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic

_OTHER_LANGUAGES = {
    "stats_by": "groupBy",
    "dc": "count(field, distinct=true)",
    "dcount": "count(field, distinct=true)",
    "values": "collect",
    "list": "collect",
    "earliest": "min(@timestamp)",
    "latest": "max(@timestamp)",
    "first": "selectFromMin",
    "last": "selectLast",
    "tostring": "format",
    "tonumber": "an expression",
    "len": "length",
    "lowercase": "lower",
    "strftime": "formatTime",
    "contains": "text:contains",
    "summarize": "groupBy",
    "where": "test, or a filter",
    "isnull": "field!=*",
    "isnotnull": "field=*",
    "distinct": "count(field, distinct=true)",
    "sum_if": "sum, behind a filter",
}
"""What people bring from SPL, KQL and SQL, and what CQL has instead."""


_ARITHMETIC = re.compile(r"\w[*+]\w")
_TAKE_FIELDS = {"collect", "concat", "drop", "groupBy", "select", "selectLast", "sort", "table", "top", "crypto:md5"}
"""Functions on a list of fields, whose second argument without a name is mostly a second field."""


_INSTEAD = {
    ("cidr", "negate"): "write !cidr(...)",
    ("sort", "reverse"): "write order=asc or order=desc",
    ("table", "reverse"): "write order=asc or order=desc",
}
_NO_MAX = {"bucket", "timeChart"}
"""Functions whose limit is a number, where that of groupBy() may be `max`."""


@dataclass(frozen=True, slots=True)
class _Site:
    """A call and what is around it that it takes arguments from."""

    call: tree.Call
    bound: bool
    """`field =~ call()`, or a guard of `field match {...}`, which give it `field`."""
    is_step: bool
    """A step of its own, so that nothing else names its result."""


def check(query: tree.Query) -> Iterator[Diagnostic]:
    """The findings in the calls of a query."""
    for site in _sites(query):
        facts = function_facts(site.call.function)
        if facts is None:
            yield _unknown(site.call)
            continue
        if facts.name != site.call.function:
            yield finding(
                "function-case",
                f"{site.call.function} is documented as {facts.name}",
                f"write {facts.name}",
                site.call.at,
            )
        if facts.unnamed == "*":
            yield from _eval(site.call)
        elif facts.closed:
            yield from _arguments(site, facts)


def _sites(query: tree.Query) -> Iterator[_Site]:
    bound: set[int] = set()
    steps: set[int] = set()
    for node in tree.walk(query):
        match node:
            case tree.Bind(call=call) | tree.MatchBranch(guard=tree.Call() as call):
                bound.add(id(call))
            case tree.Pipeline(steps=found):
                steps.update(id(step) for step in found)
            case tree.Call():
                yield _Site(node, id(node) in bound, id(node) in steps)


def _unknown(call: tree.Call) -> Diagnostic:
    instead = _OTHER_LANGUAGES.get(call.function.lower())
    near = near_function(call.function)
    if instead:
        hint = f"CQL has {instead}"
    elif near:
        hint = f"did you mean {near}()?"
    else:
        hint = 'a saved query is called as $"name"(); a text with a parenthesis takes double quotes'
    return finding("unknown-function", f"{call.function}() is no function", hint, call.at)


def _eval(call: tree.Call) -> Iterator[Diagnostic]:
    for argument in call.arguments:
        if argument.name is None and not isinstance(argument.value, tree.Assign):
            yield finding(
                "eval-assignment",
                "eval() has an argument that assigns nothing",
                "write eval(field=expression), or field := expression",
                argument.at,
            )


def _arguments(site: _Site, facts: FunctionFacts) -> Iterator[Diagnostic]:
    call = site.call
    given: dict[str, tree.Argument] = {}
    unnamed = [argument for argument in call.arguments if argument.name is None]
    queries = [argument for argument in unnamed if isinstance(argument.value, tree.NamedQuery)]
    plain = [argument for argument in unnamed if argument not in queries]
    if queries and facts.unnamed:
        given[facts.unnamed] = queries[0]
    first = call.arguments[0] if call.arguments else None
    if first and facts.unnamed and _compares(facts, first):
        yield finding(
            "equals-in-expression",
            f"`=` compares {first.name} in an expression",
            f"write {first.name} == ...; `=` inside a call names a parameter",
            first.at,
        )
        given[facts.unnamed] = first
        plain = [first, *plain]
    if facts.name == "if" and len(plain) > 1:
        yield _if_arguments(plain[1], "the second and third argument of if() have no names")
        given |= {"then": plain[1], "else": plain[1]}
    elif len(plain) > 1:
        yield _second_unnamed(facts, plain[1])
    if plain:
        if facts.unnamed is None:
            names = ", ".join(facts.parameters) or "none"
            yield finding(
                "unnamed-argument",
                f"{facts.name}() takes no argument without a name",
                f"its parameters: {names}",
                plain[0].at,
            )
        else:
            given[facts.unnamed] = plain[0]
    for argument in call.arguments:
        if argument.name is None or argument in plain:
            continue
        if argument.name not in facts.parameters:
            yield _unknown_parameter(facts, argument)
        elif argument.name in given:
            yield finding(
                "repeated-parameter",
                f"{facts.name}() gets {argument.name} twice",
                "keep one of the two; an argument without a name is "
                + (f"{facts.unnamed}=" if facts.unnamed else "not taken"),
                argument.at,
            )
        else:
            given[argument.name] = argument
    yield from _missing(site, facts, given)
    for name, argument in given.items():
        if name in facts.parameters:
            yield from _type(facts, name, argument)


def _if_arguments(argument: tree.Argument | tree.Call, message: str) -> Diagnostic:
    return finding("if-arguments", message, "write if(condition, then=..., else=...)", argument.at)


def _second_unnamed(facts: FunctionFacts, argument: tree.Argument) -> Diagnostic:
    rest = [name for name in facts.parameters if name != facts.unnamed]
    hint = f"only {facts.unnamed} may go without its name; the rest: {', '.join(f'{name}=' for name in rest)}"
    if facts.unnamed in {"field", "fields"} and facts.name in _TAKE_FIELDS:
        hint = f"{hint}; several fields stand in a list: [a, b]"
    return finding("second-unnamed", f"{facts.name}() has a second argument without a name", hint, argument.at)


def _compares(facts: FunctionFacts, argument: tree.Argument) -> bool:
    """Whether `name=value`, as the first argument of a function on expressions, is `=` meant as `==`."""
    wants = facts.parameters.get(facts.unnamed or "")
    return (
        argument.name is not None
        and argument.name not in facts.parameters
        and wants is not None
        and wants.takes is Takes.EXPRESSION
        and near_parameter(facts, argument.name, cutoff=0.85) is None
    )


def _unknown_parameter(facts: FunctionFacts, argument: tree.Argument) -> Diagnostic:
    name = argument.name or ""
    if facts.name == "collect" and name == "as":
        return finding(
            "collect-as",
            "collect() has no as=: it keeps the names of its fields",
            "rename() the field behind the groupBy()",
            argument.at,
        )
    near = near_parameter(facts, name)
    names = ", ".join(facts.parameters) or "none"
    hint = f"did you mean {near}=?" if near else f"its parameters: {names}"
    return finding("unknown-parameter", f"{facts.name}() has no parameter {name}", hint, argument.at)


def _missing(site: _Site, facts: FunctionFacts, given: dict[str, tree.Argument]) -> Iterator[Diagnostic]:
    missing = [
        name
        for name, parameter in facts.parameters.items()
        if name not in given
        and not (site.bound and name == "field")
        and (parameter.presence is Presence.REQUIRED or (parameter.presence is Presence.AS and site.is_step))
    ]
    if facts.name == "cidr" and not {"subnet", "file"} & given.keys():
        missing.append("subnet")
    if not missing:
        return
    if facts.name == "if" and set(missing) <= {"then", "else"}:
        yield _if_arguments(site.call, f"if() has no {' and no '.join(missing)}")
        return
    yield finding(
        "missing-parameter",
        f"{facts.name}() needs {', '.join(missing)}",
        f"write {facts.name}({', '.join(f'{name}=...' for name in missing)})",
        site.call.at,
    )


def _type(facts: FunctionFacts, name: str, argument: tree.Argument) -> Iterator[Diagnostic]:
    parameter = facts.parameters[name]
    if parameter.presence is Presence.DEPRECATED:
        yield finding(
            "deprecated-parameter",
            f"{name} of {facts.name}() is deprecated",
            _INSTEAD.get((facts.name, name), "leave it out"),
            argument.at,
        )
    if parameter.takes in {Takes.EXPRESSION, Takes.QUERY}:
        return
    items = argument.value.items if isinstance(argument.value, tree.Array) else (argument.value,)
    for item in items:
        if parameter.takes is Takes.FUNCTIONS:
            yield from _aggregates(facts, name, item)
        elif isinstance(item, tree.Binary | tree.Unary):
            yield _expression(facts, name, item)
        elif isinstance(item, tree.Bare) and parameter.takes is Takes.FIELD:
            yield from _field_word(facts, name, item)
        elif isinstance(item, tree.Call) and parameter.takes is Takes.FIELD:
            yield finding(
                "expression-argument",
                f"{name} of {facts.name}() takes the name of a field, not a call",
                f"assign first: x := {item.function}(...) | {facts.name}(x)",
                item.at,
            )
        elif isinstance(item, tree.Bare) and item.value == "max" and parameter.maximum and facts.name in _NO_MAX:
            yield finding(
                "limit-too-high",
                f"{name}=max is not documented for {facts.name}()",
                f"write a number, at most {parameter.maximum:,}",
                item.at,
            )
        elif isinstance(item, tree.Number) and parameter.maximum and item.value > parameter.maximum:
            yield finding(
                "limit-too-high",
                f"{name} of {facts.name}() is at most {parameter.maximum:,}",
                f"write {name}={parameter.maximum}",
                item.at,
            )


def _field_word(facts: FunctionFacts, name: str, item: tree.Bare) -> Iterator[Diagnostic]:
    """`round(a*2)` and `round(a-b)`, whose words hold what would be operators in an expression."""
    if _ARITHMETIC.search(item.value):
        yield _expression(facts, name, item)
    elif item.value != "*" and not NAME.fullmatch(item.value):
        yield finding(
            "field-quotes",
            f"the field name {item.value} holds a character that needs quotes",
            f'write "{item.value}"',
            item.at,
        )


def _expression(facts: FunctionFacts, name: str, item: tree.Binary | tree.Unary | tree.Bare) -> Diagnostic:
    if facts.name == "round":
        hint = 'assign first: x := a / b | round(x); format("%.1f", field=x, as=x) keeps decimals'
    elif facts.name == "cidr":
        hint = 'put the network in double quotes: subnet="10.0.0.0/8"'
    elif name == (facts.unnamed or name):
        hint = f"assign first: x := ... | {facts.name}(x)"
    else:
        hint = "put a text in double quotes, or assign the expression to a field first"
    message = f"{name} of {facts.name}() takes no expression"
    return finding("expression-argument", message, hint, item.at)


def _aggregates(facts: FunctionFacts, name: str, item: tree.Value) -> Iterator[Diagnostic]:
    call = item.value if isinstance(item, tree.Assign) else item
    if not isinstance(call, tree.Call):
        return
    inner = function_facts(call.function)
    if inner is not None and inner.kind not in {Kind.AGGREGATE, Kind.STREAMING}:
        yield finding(
            "aggregate-needed",
            f"{name} of {facts.name}() takes aggregate functions, and {inner.name}() is none",
            f"put {inner.name}() in a step of its own, or in braces before an aggregate: {{ {inner.name}(...) | ... }}",
            call.at,
        )
