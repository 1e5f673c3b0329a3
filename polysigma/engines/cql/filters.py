"""Filters: conditions on fields, free text, and filter functions under `and`, `or` and `not`.

Sources: library.humio.com/data-analysis/syntax-filters.html and syntax-operators.html: `=`, `!=` and `like` regard
case; a comparison on a field that the event lacks fails unless it is `!=`; `field=*` asks whether the field is there,
`field=""` for an empty one; `<` and its like compare numbers.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.engines.cql.calls import Predicate, negated
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.expressions import predicate
from polysigma.engines.cql.patterns import equals, inside
from polysigma.engines.cql.regexes import Pattern, compile_regex, search_test
from polysigma.engines.cql.values import number, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Row, Test, Value

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NOT_SEARCHED = ("#",)
_HIDDEN = frozenset({"@id", "@timestamp", "@ingesttimestamp"})


def filter_test(context: Context, node: tree.Filter, *, operand: bool = False) -> Test:
    """Whether a row passes a filter. `operand` says that it stands under `and`, `or` or `not`."""
    match node:
        case tree.And(operands=operands):
            tests = [filter_test(context, item, operand=True) for item in operands]
            return lambda row: all(test(row) for test in tests)
        case tree.Or(operands=operands):
            tests = [filter_test(context, item, operand=True) for item in operands]
            return lambda row: any(test(row) for test in tests)
        case tree.Not(operand=tree.Call() | tree.Bind() as call):
            return negated(context, _called(context, call, operand=operand))
        case tree.Not(operand=inner):
            test = filter_test(context, inner, operand=True)
            return lambda row: not test(row)
        case tree.Call():
            return _called(context, node, operand=operand).test
        case tree.Bind(negated=is_negated):
            found = _called(context, node, operand=operand)
            return negated(context, found) if is_negated else found.test
        case tree.Boolean(value=value):
            return lambda _: value
        case tree.Compare():
            return _comparison(context, node)
        case tree.FreeText():
            return _free_text(context, node)
        case _:
            refuse(node, "saved queries and links between queries are not implemented")


def _called(context: Context, node: tree.Call | tree.Bind, *, operand: bool) -> Predicate:
    if operand:
        context.compiled.add("call-as-operand")
    if isinstance(node, tree.Call):
        return predicate(context, node, None)
    return predicate(context, node.call, node.field)


def _comparison(context: Context, node: tree.Compare) -> Test:
    field, op, value = node.field.name, node.op, node.value
    if isinstance(value, tree.Number):
        return _order(field, op, value)
    if isinstance(value, tree.Regex):
        test = search_test(context, field, literal(context, value, may_extract=False))
    elif op == "like":
        test = on_field(field, inside(context, pattern_text(value)))
    else:
        test = _equal(context, field, pattern_text(value))
    if op == "!=":
        return lambda row: not test(row)
    return test


def _equal(context: Context, field: str, pattern: str) -> Test:
    if pattern and not pattern.strip("*"):
        return lambda row: field in row
    if "*" not in pattern and number(pattern) is None:
        # Only a text can be equal to a text that spells no number.
        return lambda row: row.get(field) == pattern
    return on_field(field, equals(context, pattern, "equals-numeric"))


def _order(field: str, op: str, value: tree.Number) -> Test:
    compare, bound = _ORDER[op], value.value

    def test(row: Row) -> bool:
        found = number(row.get(field))
        return found is not None and compare(found, bound)

    return test


def on_field(field: str, matches: Callable[[Value], bool]) -> Test:
    """Whether a field is there and its value matches."""

    def test(row: Row) -> bool:
        value = row.get(field)
        return value is not None and matches(value)

    return test


def pattern_text(node: tree.Pattern) -> str:
    """The text of a pattern that is no regular expression."""
    match node:
        case tree.Quoted(value=value) | tree.Bare(value=value):
            return value
        case tree.Parameter(default=str() as default):
            return default
        case _:
            refuse(node, "a parameter without a default has no value here")


def literal(context: Context, node: tree.Regex, *, may_extract: bool) -> Pattern:
    """The pattern of a literal. Named groups extract fields only where the filter is a step of its own: "must be a
    top-level expression" (data-analysis/syntax-fields.html, regular expression-based field extraction)."""
    pattern = compile_regex(context, node, node.source, node.flags)
    if pattern.fields and not may_extract:
        refuse(
            node,
            "a named group extracts a field only where its filter is a step of its own",
            "write (?:...), or the filter between two pipes",
        )
    if pattern.fields and "g" in node.flags:
        refuse(node, "the flag g with a named group, which makes several events of one, is not implemented")
    return pattern


def _free_text(context: Context, node: tree.FreeText) -> Test:
    """Whether any field of the event, as it came, holds a pattern; tags, @id and the timestamps are not searched.

    "Free-text search does not take into account any fields added or removed within the pipeline", and it works only
    before the first aggregate (data-analysis/syntax-filters.html, functions-regex.html).
    """
    if isinstance(node.pattern, tree.Regex):
        matches = _regex(context, literal(context, node.pattern, may_extract=False))
    else:
        shown = pattern_text(node.pattern)
        if shown and not shown.strip("*"):
            return lambda _: True
        matches = _cased(context, shown)
    if context.aggregated:
        refuse(node, "free text behind an aggregate finds nothing that is documented", "name a field")

    def test(_: Row) -> bool:
        return any(
            matches(value)
            for name, value in context.event.items()
            if not name.startswith(_NOT_SEARCHED) and name not in _HIDDEN
        )

    return test


def _regex(context: Context, pattern: Pattern) -> Callable[[Value], bool]:
    return lambda value: pattern.search(context, text(value)) is not None


def _cased(context: Context, pattern: str) -> Callable[[Value], bool]:
    exact, loose = inside(context, pattern), inside(context, pattern, ignore_case=True)
    ignores = context.flipped("free-text-case")

    def matches(value: Value) -> bool:
        if exact(value):
            return True
        if loose(value):
            context.meet("free-text-case")
            return ignores
        return False

    return matches
