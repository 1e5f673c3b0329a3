"""Mutants of printed queries: one small fault each, of the kinds that a printer, or a hand, could make."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp, parse_one

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Mutant:
    """A changed query, the kind of the fault, and what was changed, with its surroundings."""

    kind: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}"


def mutants(target: str, text: str) -> list[Mutant]:
    """Every mutant of a query, each text once."""
    made = _of_sql(text) if target == "sql" else _of_pipeline(target, text)
    return list({mutant.text: mutant for mutant in made if mutant.text != text}.values())


# Pipelines: CQL, KQL and SPL, by their tokens.

_TOKEN = re.compile(
    r"""
    (?P<comment> ```[^`]*``` | //[^\n]* )
  | (?P<text> @?"(?:[^"\\]|\\.)*" | /(?:[^/\\\n]|\\.)+/[a-z]* )
  | (?P<duration> (?<![\w."])\d+[smhd](?!\w) )
  | (?P<number> (?<![\w."])\d+(?:\.\d+)?(?![\w.]) )
  | (?P<word> !?[A-Za-z_@#][\w.@#]* )
  | (?P<operator> !=|>=|<=|==|=~|:=|[<>=] )
  | (?P<other> \s+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BOUNDS = {">=": ">", ">": ">=", "<=": "<", "<": "<="}
_WORDS = {
    "sum": "max",
    "min": "max",
    "max": "min",
    "and": "or",
    "AND": "OR",
    "desc": "asc",
    "asc": "desc",
    "values": "list",
}
_TIMES = {'"%Y-%m-%dT%H:00:00Z"': '"%Y-%m-%dT00:00:00Z"', '"%Y-%m-%dT%H:%M:00Z"': '"%Y-%m-%dT%H:00:00Z"'}
_LIMITS = re.compile(r"limit=\s*$|head\s+$|sort\s+$")


def _of_pipeline(target: str, text: str) -> Iterator[Mutant]:
    tokens = [(found.lastgroup or "", found.group(), found.start()) for found in _TOKEN.finditer(text)]
    for place, (kind, token, start) in enumerate(tokens):

        def changed(name: str, new: str, start: int = start, token: str = token) -> Mutant:
            return Mutant(name, _around(text, start, token, new), text[:start] + new + text[start + len(token) :])

        before = text[:start]
        match kind:
            case "number":
                name = "limit" if _LIMITS.search(before) else "threshold"
                for other in (1, -1):
                    yield changed(name, f"{float(token) + other:g}" if "." in token else str(int(token) + other))
            case "duration":
                yield changed("bucket", f"{2 * int(token[:-1])}{token[-1]}")
            case "text" if token in _TIMES:
                yield changed("bucket", _TIMES[token])
            case "other" if token == "(" and _junction(text, start):
                end = _junction(text, start)
                yield Mutant(
                    "precedence",
                    _around(text, start, "( )", ""),
                    text[:start] + text[start + 1 : end] + text[end + 1 :],
                )
            case "operator" if token in _BOUNDS:
                yield changed("bound", _BOUNDS[token])
            case "operator" if token == "!=":
                yield changed("negation", "=" if target != "kql" else "==")
            case "word" if token.startswith("!"):
                yield changed("negation", token[1:])
            case "word" if token in {"not", "NOT"}:
                yield changed("negation", "" if target == "spl" or not _calls(tokens, place) else "tobool")
            case "word" if token in _WORDS and (token in {"and", "AND", "desc", "asc"} or _calls(tokens, place)):
                yield changed("order" if token in {"desc", "asc"} else "measure or junction", _WORDS[token])
            case _:
                pass
    yield from _items(text)
    yield from _lines(text)
    for found in re.finditer(r"(?<=[ ,])[-+](?=[A-Za-z])", text) if target == "spl" else ():
        made = text[: found.start()] + ("+" if found[0] == "-" else "-") + text[found.end() :]
        yield Mutant("order", _around(text, found.start(), found[0], "the other way"), made)


def _junction(text: str, start: int) -> int:
    """Where the parenthesis at a place is closed, if it stands around an `or`; else 0."""
    if start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        return 0
    depth = 0
    for end in range(start, len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            return end if re.search(r"\bor\b", text[start:end], re.IGNORECASE) else 0
    return 0


def _calls(tokens: list[tuple[str, str, int]], place: int) -> bool:
    return place + 1 < len(tokens) and tokens[place + 1][1] == "("


def _around(text: str, start: int, token: str, new: str) -> str:
    line = text[text.rfind("\n", 0, start) + 1 : (text + "\n").find("\n", start)]
    return f"{token} -> {new or 'nothing'} in {line.strip()[:110]}"


_LIST = re.compile(
    r"[\[(]((?:\s*(?:\"[^\"\n]*\"|\w[\w.]*)\s*,)+\s*(?:\"[^\"\n]*\"|\w[\w.]*)\s*)[\])]|\bby ([\w., \n=()]+)"
)


def _items(text: str) -> Iterator[Mutant]:
    """Without one item of a list: a network, a port, a key, a column."""
    comments = [found.span() for found in _TOKEN.finditer(text) if found["comment"]]
    for found in _LIST.finditer(text):
        if any(start <= found.start() < end for start, end in comments):
            continue
        group = 1 if found[1] else 2
        items = re.split(r",\s*" if group == 1 or "," in found[2] else r"\s+", found[group].strip())
        if len(items) < 2:
            continue
        separator = ", " if group == 1 or "," in found[2] else " "
        for index, item in enumerate(items):
            rest = separator.join((*items[:index], *items[index + 1 :]))
            made = text[: found.start(group)] + rest + text[found.end(group) :]
            yield Mutant("item", f"without {item} in {found[0][:60]}", made)


def _lines(text: str) -> Iterator[Mutant]:
    """Without one step."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if line.startswith("| ") and (index + 1 == len(lines) or lines[index + 1].startswith("| ")):
            yield Mutant("step", f"without {line.strip()[:110]}", "".join((*lines[:index], *lines[index + 1 :])))


# SQL, by its tree.


def _of_sql(text: str) -> Iterator[Mutant]:
    tree = parse_one(text, read="duckdb")
    count = sum(1 for _ in tree.walk())
    for index in range(count):
        for way in range(2):
            other = copy.deepcopy(tree)
            node = next(node for number, node in enumerate(other.walk()) if number == index)
            if way == 0:
                yield from _dropped(tree, index)
            made = _changed(node, way)
            if made:
                yield Mutant(*made, other.sql(dialect="duckdb", pretty=True))


def _changed(node: exp.Expr, way: int) -> tuple[str, str] | None:
    """Changes a node in one of two ways; tells the kind and what was changed."""
    about = (node.parent or node).sql(dialect="duckdb")[:110]
    match node:
        case exp.Literal(this=value, is_string=False) if value.isdigit():
            node.set("this", str(int(value) + (1 if way == 0 else -1)))
            return "threshold", f"{value} -> {node.this} in {about}"
        case exp.GTE() | exp.GT() | exp.LTE() | exp.LT() if way == 0:
            other = {exp.GTE: exp.GT, exp.GT: exp.GTE, exp.LTE: exp.LT, exp.LT: exp.LTE}[type(node)]
            node.replace(other(this=node.this, expression=node.expression))
            return "bound", about
        case exp.And() if way == 0:
            node.replace(exp.Or(this=node.this, expression=node.expression))
            return "measure or junction", f"AND -> OR in {about}"
        case exp.Not() if way == 0:
            node.replace(node.this)
            return "negation", f"without NOT in {about}"
        case exp.Sum() | exp.Min() | exp.Max() if way == 0:
            other = {exp.Sum: exp.Max, exp.Min: exp.Max, exp.Max: exp.Min}[type(node)]
            node.replace(other(this=node.this))
            return "measure or junction", about
        case exp.Ordered() if way == 0:
            node.set("desc", not node.args.get("desc"))
            return "order", about
        case _:
            return None


def _dropped(tree: exp.Expr, index: int) -> Iterator[Mutant]:
    """Without one item of a node's list: a value of IN, a key of GROUP BY or ORDER BY, a branch of AND and OR."""
    node = next(node for number, node in enumerate(tree.walk()) if number == index)
    sides = 2 if isinstance(node, exp.And | exp.Or) else 0
    items = len(node.expressions) if isinstance(node, exp.In | exp.Group | exp.Order) else sides
    for item in range(items if items > 1 else 0):
        other = copy.deepcopy(tree)
        place = next(node for number, node in enumerate(other.walk()) if number == index)
        if sides:
            gone = place.this if item == 0 else place.expression
            place.replace(place.expression if item == 0 else place.this)
        else:
            gone = place.expressions[item]
            place.set("expressions", [one for number, one in enumerate(place.expressions) if number != item])
        about = f"without {gone.sql(dialect='duckdb')[:90]} in {type(node).__name__}"
        yield Mutant("item", about, other.sql(dialect="duckdb", pretty=True))
