"""What makes a condition true: values for all the columns of one branch of it at once.

A detection with several kinds of program asks for several columns together, so that a value in one of them, with the
others as they are, shows nothing. Here a whole branch is met, and then met but for one text of it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, TypeAlias

from plan_values import capitals

from polysigma.plan.expressions import (
    And,
    Comparison,
    Constant,
    Expression,
    In,
    InNetwork,
    Not,
    Or,
    TextMatch,
    Wildcard,
    columns,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Way: TypeAlias = dict[str, tuple[Any, ...]]
"""For each column what its value has to meet: the parts of patterns, or a constant."""


def ways(expression: Expression) -> list[Way]:
    """Ways to meet a condition, each alternative in one of them; what is not asked for by value is left open."""
    match expression:
        case TextMatch(item=item, parts=parts):
            return [{name: (parts,)} for name in columns(item)]
        case In(item=item, choices=choices):
            return [{name: (value,)} for name in columns(item) for value in getattr(choices, "items", ())]
        case Comparison(operator="==", left=left, right=Constant(value=value)):
            return [{name: (value,)} for name in columns(left)]
        case InNetwork(item=item, networks=networks):
            return [{name: (str(ipaddress.ip_network(one)[0]),)} for name in columns(item) for one in networks]
        case Or(items=items):
            return [way for item in items for way in ways(item)]
        case And(items=items):
            asked = [found for item in items if (found := ways(item))]
            first = [found[0] for found in asked]
            others = [
                [*first[:place], other, *first[place + 1 :]] for place, found in enumerate(asked) for other in found[1:]
            ]
            return [_together(each) for each in ([first, *others] if asked else [])]
        case _:
            return []


def _together(several: list[Way]) -> Way:
    """One way that meets what several ask for."""
    found: Way = {}
    for way in several:
        for name, pieces in way.items():
            found[name] = found.get(name, ()) + pieces
    return found


def variations(expression: Expression) -> Iterator[tuple[Way, frozenset[str]]]:
    """Ways that ask for several texts, in full, in capitals, without each, with one in capitals, and what is refused.

    Each comes with the columns whose text the condition asks for elsewhere: to be left as they are, or taken away.
    Values that a product prescribes, which alone are compared with regard to case, are in no capitals.
    """
    # Networks are tried one by one elsewhere.
    denied = [node.item for node in walk(expression) if isinstance(node, Not) and not isinstance(node.item, InNetwork)]
    refused = [way for item in denied for way in ways(item)]
    nodes = [node for node in walk(expression) if isinstance(node, TextMatch)]
    texts = frozenset(name for node in nodes for name in columns(node.item))
    prescribed = frozenset(name for node in nodes if node.cased for name in columns(node.item))
    for way in ways(expression):
        if sum(map(len, way.values())) > 1 or refused or texts - set(way):
            made = [*_changed(way, prescribed)]
            made += [_together([_without(way, other), one]) for other in refused for one in _changed(other, prescribed)]
            for one in made:
                yield one, texts - set(way)


def _changed(way: Way, prescribed: frozenset[str]) -> Iterator[Way]:
    """A way; all of it in capitals; and without each piece, with each in capitals, and with more behind an end."""
    yield way
    yield {name: asked if name in prescribed else tuple(map(capitals, asked)) for name, asked in way.items()}
    for name, asked in way.items():
        for place, piece in enumerate(asked):
            yield {**way, name: (*asked[:place], *asked[place + 1 :])}
            if name not in prescribed:
                yield {**way, name: (*asked[:place], capitals(piece), *asked[place + 1 :])}
            if isinstance(piece, tuple) and isinstance(piece[-1], str):
                yield {**way, name: (*asked[:place], (*piece, "x"), *asked[place + 1 :])}


def _without(way: Way, other: Way) -> Way:
    """A way without the pieces that another one asks for too."""
    return {name: tuple(piece for piece in asked if piece not in other.get(name, ())) for name, asked in way.items()}


def met(way: Way, row: Mapping[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    """The values of a row's columns that meet a way; `names` says of which columns of rows a column is made."""
    return {
        name: _value(pieces, row[name])
        for column, pieces in way.items()
        for name in names.get(column, ())
        if row.get(name) not in (None, "")
    }


def _value(pieces: tuple[Any, ...], old: Any) -> Any:
    """One value that has all the pieces: a constant as it is, of patterns the beginnings, the middles and the ends."""
    constants = [piece for piece in pieces if not isinstance(piece, tuple)]
    if constants:
        return type(old)(constants[0]) if isinstance(old, str | int) and not isinstance(old, bool) else constants[0]
    whole = [piece for piece in pieces if not any(isinstance(part, Wildcard) for part in piece)]
    if whole:
        return "".join(whole[0])
    starts = [piece[0] for piece in pieces if isinstance(piece[0], str)]
    ends = [piece[-1] for piece in pieces if isinstance(piece[-1], str)]
    middles = []
    for piece in pieces:
        inner = piece[isinstance(piece[0], str) : len(piece) - isinstance(piece[-1], str)]
        middles.append("".join(part if isinstance(part, str) else "x" for part in inner))
    return max(starts, key=len, default="") + "".join(middles or ["x"]) + max(ends, key=len, default="")
