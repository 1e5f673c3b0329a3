"""Mutants of SQL, made on its tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp, parse_one

if TYPE_CHECKING:
    from collections.abc import Iterator

Made: TypeAlias = tuple[str, str, str]
"""The kind of a mutant, what was changed, and the text."""

_BOUNDS = {exp.GTE: exp.GT, exp.GT: exp.GTE, exp.LTE: exp.LT, exp.LT: exp.LTE}
_MEASURES = {
    exp.Sum: exp.Max,
    exp.Min: exp.Max,
    exp.Max: exp.Min,
    exp.Avg: exp.Max,
    exp.StddevSamp: exp.Avg,
    exp.Lag: exp.Lead,
}
_UNWRAPPED = {
    exp.Coalesce: "guard",
    exp.Nullif: "guard",
    exp.Lower: "case",
    exp.Round: "guard",
    exp.AtTimeZone: "guard",
    exp.ArrayDistinct: "measure",
}


def of_sql(text: str) -> Iterator[Made]:
    """Every mutant of a query in DuckDB's SQL.

    The tree is changed, written and put back for each: a copy of it would take longer than all the rest.
    """
    tree = parse_one(text, read="duckdb")
    same = _written(tree)
    for node in list(tree.walk()):
        for kind, about, other in _replaced(node):
            node.replace(other)
            made = _written(tree)
            # Parentheses that do nothing are no fault.
            if made != same and (kind != "precedence" or parse_one(made, read="duckdb") != tree):
                yield kind, about, made
            other.replace(node)
        for kind, about, name, value in _altered(node):
            before = node.args.get(name)
            node.args[name] = value
            yield kind, about, _written(tree)
            node.args[name] = before


def _written(tree: exp.Expr) -> str:
    return tree.sql(dialect="duckdb", pretty=True)


def _said(node: exp.Expr) -> str:
    return " ".join(node.sql(dialect="duckdb").split())[:110]


def _replaced(node: exp.Expr) -> Iterator[tuple[str, str, exp.Expr]]:
    """What can stand in the place of a node."""
    about = _said(node.parent or node)
    match node:
        case exp.Literal(this=value, is_string=False) if not isinstance(node.parent, exp.UnixToTime):
            for other in (1, -1):
                new = str(int(value) + other) if value.isdigit() else f"{float(value) + other / 10:g}"
                yield "threshold", f"{value} -> {new} in {about}", exp.Literal.number(new)
        case exp.And() | exp.Or():
            other = exp.Or if isinstance(node, exp.And) else exp.And
            made = exp.paren(other(this=node.this.copy(), expression=node.expression.copy()))
            yield "junction", f"{other.__name__} in {_said(node)}", made
            for gone, stays in ((node.this, node.expression), (node.expression, node.this)):
                yield "part", f"without {_said(gone)} in {type(node).__name__}", stays.copy()
        case exp.EQ() | exp.NEQ():
            other = exp.NEQ if isinstance(node, exp.EQ) else exp.EQ
            yield (
                "negation",
                f"{_said(node)} in {about}",
                other(this=node.this.copy(), expression=node.expression.copy()),
            )
        case _ if type(node) in _BOUNDS:
            made = _BOUNDS[type(node)](this=node.this.copy(), expression=node.expression.copy())
            yield "bound", f"{_said(node)} in {about}", made
        case exp.Not():
            yield "negation", f"without NOT in {_said(node)}", node.this.copy()
        case exp.Like() | exp.In() | exp.RegexpFullMatch() | exp.RegexpLike() | exp.Between():
            yield "negation", f"NOT {_said(node)}", exp.not_(node.copy())
        case exp.Is() if not isinstance(node.parent, exp.Not):
            yield "negation", f"NOT {_said(node)}", exp.not_(node.copy())
        case exp.Paren(this=exp.Binary() | exp.Not()):
            yield "precedence", f"without ( ) around {_said(node)}", node.this.copy()
        case _ if type(node) in _UNWRAPPED:
            yield _UNWRAPPED[type(node)], f"without {type(node).__name__} in {_said(node)}", node.this.copy()
            if isinstance(node, exp.Coalesce) and not isinstance(node.expressions[-1], exp.Boolean):
                first, *others = (one.copy() for one in (node.this, *node.expressions))
                turned = exp.Coalesce(this=others[-1], expressions=[*others[:-1], first])
                yield "guard", f"the last one first: {_said(node)}", turned
        case _ if type(node) in _MEASURES:
            yield "measure", f"{_said(node)} in {about}", _MEASURES[type(node)](this=node.this.copy())
        case exp.Distinct() if len(node.expressions) == 1:
            yield "measure", f"without DISTINCT in {about}", node.expressions[0].copy()
        case exp.Count(this=counted) if not isinstance(counted, exp.Star | exp.Distinct):
            yield "measure", f"all in {_said(node)}", exp.Count(this=exp.Star())
        case exp.Union():
            for gone, stays in ((node.this, node.expression), (node.expression, node.this)):
                yield "part", f"without {_said(gone)} in a union", stays.copy()
        case exp.Case() if len(node.args["ifs"]) == 1:
            value = node.args["ifs"][0].args["true"]
            yield "guard", f"always {_said(value)} in {_said(node)}", value.copy()
        case exp.Filter():
            yield "guard", f"without FILTER in {_said(node)}", node.this.copy()
        case exp.IntDiv(this=value, expression=exp.Literal(this=length)) if length.isdigit():
            # The even one of two neighbouring buckets, so that times stay times.
            half = exp.IntDiv(this=value.copy(), expression=exp.Literal.number(2 * int(length)))
            made = exp.Mul(this=exp.paren(half), expression=exp.Literal.number(2))
            yield "bucket", f"twice {length} in {about}", exp.paren(made)
        case _:
            return


_LISTS = {
    exp.In: ("item", "expressions"),
    exp.Group: ("key", "expressions"),
    exp.Order: ("order", "expressions"),
    exp.Window: ("key", "partition_by"),
    exp.Case: ("line", "ifs"),
}


def _altered(node: exp.Expr) -> Iterator[tuple[str, str, str, object]]:
    """What can be taken from a node, or turned round in it: the kind, what it is, the argument and its new value."""
    kind, name = _LISTS.get(type(node), ("", ""))
    items = node.args.get(name) or [] if name else []
    for item, gone in enumerate(items if len(items) > 1 else ()):
        rest = [one for number, one in enumerate(items) if number != item]
        yield kind, f"without {_said(gone)} in {type(node).__name__}: {_said(node)}", name, rest
    match node:
        case exp.Ordered():
            yield "order", f"the other way: {_said(node)}", "desc", not node.args.get("desc")
        case exp.Case() if node.args.get("default"):
            yield "line", f"without ELSE in {_said(node)}", "default", None
        case exp.Window() if len(items) == 1:
            yield "key", f"without {_said(items[0])} in Window: {_said(node)}", "partition_by", []
        case exp.Union():
            yield "join", "the same rows once in a union", "distinct", not node.args.get("distinct")
        case exp.Select():
            clauses = {"where": "step", "qualify": "step", "limit": "limit"}
            there = [(kind, name, gone) for name, kind in clauses.items() if (gone := node.args.get(name))]
            yield from ((kind, f"without {_said(gone)}", name, None) for kind, name, gone in there)
            if node.parent is None:
                for item, gone in enumerate(node.expressions):
                    rest = [one for number, one in enumerate(node.expressions) if number != item]
                    yield "item", f"without {_said(gone)} in what is shown", "expressions", rest
        case exp.Join() if node.args.get("side"):
            yield "join", f"without {node.args['side']} in {_said(node)}", "side", None
        case _:
            return
