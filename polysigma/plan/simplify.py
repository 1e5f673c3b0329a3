"""Expressions in the shape that languages print best: lists instead of chains of `or`, one test for all networks.

Every rule here keeps the meaning exactly, missing values included.
"""

from __future__ import annotations

from operator import is_

from polysigma.plan.expressions import (
    FALSE,
    TRUE,
    And,
    Column,
    Comparison,
    Constant,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Not,
    Or,
    Regex,
    Scalar,
    TextMatch,
    conjunction,
    disjunction,
    rewrite,
)


def simplify(expression: Expression) -> Expression:
    """The expression without truth values inside of it, equalities on one column merged into `in`, networks into one
    test, nesting flattened."""
    if _DONE.get(id(expression)) is expression:
        return expression
    simple = _simplified(expression)
    if len(_DONE) >= _REMEMBERED:
        _DONE.clear()
    _DONE[id(simple)] = simple
    return simple


_DONE: dict[int, Expression] = {}
"""Expressions that are simple already, by identity: a condition comes by several times on its way into a query."""
_REMEMBERED = 64


def _simplified(node: Expression) -> Expression:
    match node:
        case And(items=items) | Or(items=items):
            inner = tuple(_simplified(item) for item in items)
            return _simpler(node if all(map(is_, inner, items)) else type(node)(inner, at=node.at))
        case TextMatch(item=Column()) | In(item=Column()) | Regex(item=Column()):
            return node  # nearly all that there is, and nothing inside of it to simplify
        case _:
            return rewrite(node, _simpler)


def _simpler(node: Expression) -> Expression:
    match node:
        case Or(items=items) if any(_is(item, value=True) for item in items):
            return TRUE
        case And(items=items) if any(_is(item, value=False) for item in items):
            return FALSE
        case Not(item=Constant(value=bool() as value)):
            return FALSE if value else TRUE
        case Or(items=items):
            return _merge_choices(disjunction(*items))
        case And(items=items):
            return _merge_exclusions(_intersect(conjunction(*items)))
        case Not(item=Not(item=item)):
            return item
        case _:
            return node


def _is(node: Expression, *, value: bool) -> bool:
    """Whether it is this truth value; 1 is a number and equals True all the same."""
    return isinstance(node, Constant) and node.value is value


def _merge_choices(node: Expression) -> Expression:
    if not isinstance(node, Or):
        return node
    merged = _merged(node.items)
    return node if len(merged) == len(node.items) else disjunction(*merged)


def _merge_exclusions(node: Expression) -> Expression:
    """`not a and not b` on one column becomes `not (a or b)`, merged."""
    if not isinstance(node, And):
        return node
    excluded = [item.item for item in node.items if isinstance(item, Not)]
    merged = _merged(tuple(excluded))
    if len(merged) == len(excluded):
        return node
    first = next(index for index, item in enumerate(node.items) if isinstance(item, Not))
    kept = [item for item in node.items if not isinstance(item, Not)]
    return conjunction(*kept[:first], *(Not(item) for item in merged), *kept[first:])


_Mergeable = tuple[str, Expression, bool]


def _merged(items: tuple[Expression, ...]) -> list[Expression]:
    """The items, those that test one thing for a choice of values united where the first of them stands."""
    places: dict[_Mergeable | int, list[Expression]] = {}
    for index, item in enumerate(items):
        places.setdefault(_kind(item) or index, []).append(item)
    return [group[0] if len(group) == 1 else _united(group) for group in places.values()]


def _kind(node: Expression) -> _Mergeable | None:
    if isinstance(node, InNetwork):
        return "network", node.item, False
    choices = _choices(node)
    if choices is None:
        return None
    item, values, cased = choices
    return "text" if isinstance(values[0], str) else "number", item, cased


def _united(group: list[Expression]) -> Expression:
    first = group[0]
    if isinstance(first, InNetwork):
        networks = dict.fromkeys(network for node in group if isinstance(node, InNetwork) for network in node.networks)
        return InNetwork(first.item, tuple(networks), at=first.at)
    found = [choices for choices in map(_choices, group) if choices]
    values = dict.fromkeys(value for _, items, _ in found for value in items)
    return In(found[0][0], ListLiteral(tuple(values)), found[0][2], at=first.at)


def _choices(node: Expression) -> tuple[Expression, tuple[Scalar, ...], bool] | None:
    """What an equality or a list test allows: the item, its values, and whether case matters."""
    match node:
        case In(item=item, choices=ListLiteral(items=values), cased=cased):
            return item, values, cased
        case TextMatch(item=item, parts=(str() as text,), cased=cased):
            return item, (text,), cased
        case Comparison(operator="=", left=left, right=Constant(value=int() | float() as number)) if not isinstance(
            number, bool
        ):
            return left, (number,), False
        case _:
            return None


def _intersect(node: Expression) -> Expression:
    """Two exact lists on one column become what they have in common (an event filter that a condition narrows)."""
    if not isinstance(node, And):
        return node
    merged: list[Expression] = []
    for item in node.items:
        for index, earlier in enumerate(merged):
            first, second = _choices(earlier), _choices(item)
            if first is None or second is None or first[0] != second[0] or not (first[2] and second[2]):
                continue
            common = tuple(value for value in first[1] if value in second[1])
            if common:
                merged[index] = In(first[0], ListLiteral(common), cased=True, at=earlier.at)
                break
        else:
            merged.append(item)
    return node if len(merged) == len(node.items) else conjunction(*merged)
