"""Conditions as CQL: the filter grammar where it reaches, `case` where function calls stand under `or`.

CQL facts this rests on (LogScale documentation, "Query Filters", "Grammar Subset", "Conditional Evaluation"): OR binds
tighter than AND; a filter has no function call as an operand; every comparison on a missing field fails except `!=`;
a negated call passes events that lack the field; a `case` without a `*` clause drops what no clause matches.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import (
    FALSE,
    TRUE,
    And,
    Arithmetic,
    Call,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Or,
    Parameter,
    Regex,
    Scalar,
    TextMatch,
    Wildcard,
)
from polysigma.plan.lookups import COLUMN
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .logscale_texts import (
    CQL_REGEX,
    SETS_FLAGS,
    AnyText,
    alternation,
    anchored,
    as_one,
    finds_nothing,
    has_case,
    has_control,
)
from .regexes import translate

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN_NAME = re.compile(r"[#%&.0-9@A-Z\\^_a-z]+(\[\d+\])?")
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEYWORDS = frozenset({"and", "or", "not", "true", "false", "like", "case", "match", "in"})

_TEXT_TESTS = {"starts_with": "text:startsWith", "ends_with": "text:endsWith", "contains": "text:contains"}


def quoted(text: str) -> str:
    """A double-quoted string. Raises for text that no string can hold."""
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text):
        raise unsupported(
            RefusalCode.CONTROL_CHARACTER, f"the control character in {text!r} cannot stand in a LogScale string"
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@lru_cache(maxsize=1024)
def field_name(name: str) -> str:
    """A field's name, quoted where its characters need it."""
    return name if _PLAIN_NAME.fullmatch(name) and name.lower() not in _KEYWORDS else quoted(name)


def value(item: Scalar) -> str:
    """A value right of `=`, or in a list."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, int | float):
        # In an expression `1e+20` would be the field 1e plus 20.
        return format(Decimal(repr(item)), "f")
    plain = _PLAIN_WORD.fullmatch(item) and item.lower() not in _KEYWORDS
    return item if plain else quoted(item)


@dataclass(frozen=True, slots=True)
class Atom:
    """A test as CQL: `text` holds if the test does, `negated` if it does not. A call cannot stand inside a filter."""

    text: str
    negated: str
    is_call: bool = False


class Filters:
    """Prints conditions. `hoist` stores the value of an expression in a field and gives the field's name and steps."""

    def __init__(
        self, types: Callable[[str], Type | None], flags: set[str], hoist: Callable[[Expression], tuple[str, list[str]]]
    ) -> None:
        self.types = types
        self.flags = flags
        """The boolean columns that the query itself made: 1 or 0."""
        self.raw: set[str] = set()
        """The columns that events come with, in which any type can be an empty text."""
        self.hoist = hoist
        self.before: list[str] = []
        """The steps that the tests at hand need before them; they let every event pass."""

    def steps(self, condition: Expression) -> list[str]:
        """A condition as the steps of a pipeline, all of which must let an event pass; none for TRUE."""
        before, tests = self.split(condition)
        return [*before, *tests]

    def split(self, condition: Expression) -> tuple[list[str], list[str]]:
        """As `steps`, apart: those that only store what is tested, which may stand before a `case`, and the tests."""
        outer, self.before = self.before, []
        try:
            tests = self._steps(condition, negate=False)
            return self.before, tests
        finally:
            self.before = outer

    def _steps(self, node: Expression | AnyText, *, negate: bool) -> list[str]:
        match node:
            case Not(item=item):
                return self._steps(item, negate=not negate)
            case And(items=items) if not negate:
                return [step for item in items for step in self._steps(item, negate=False)]
            case Or(items=items) if negate:
                return [step for item in self._joined(items) for step in self._steps(item, negate=True)]
            case And(items=items) | Or(items=items):
                mark = len(self.before)
                text = self._filter(node, negate=negate)
                if text is not None:
                    return [text]
                del self.before[mark:]
                parts = self._joined(items) if isinstance(node, Or) else items
                branches = [" | ".join(self._steps(item, negate=negate)) or "*" for item in parts]
                return ["case {\n    " + ";\n    ".join(branches) + ";\n  }"]
            case Constant() if node in (TRUE, FALSE):
                return [] if (node == TRUE) is not negate else ["false"]
            case _:
                prepared, atom = self._prepared(node, standalone=True)
                self.before += prepared
                return [atom.negated if negate else atom.text]

    def _filter(self, node: Expression | AnyText, *, negate: bool) -> str | None:
        """A condition inside the filter grammar, in parentheses where it has several parts; None if it needs calls."""
        match node:
            case Not(item=item):
                return self._filter(item, negate=not negate)
            case And(items=items) | Or(items=items):
                joined = self._joined(items) if isinstance(node, Or) else items
                parts = [self._filter(item, negate=negate) for item in joined]
                if any(part is None for part in parts):
                    return None
                if len(parts) == 1:
                    return parts[0]
                word = " and " if isinstance(node, And) is not negate else " or "
                return f"({word.join(part for part in parts if part)})"
            case Constant():
                return None
            case _:
                prepared, atom = self._prepared(node, standalone=False)
                self.before += prepared
                return None if atom.is_call else (atom.negated if negate else atom.text)

    def _joined(self, items: tuple[Expression, ...]) -> list[Expression | AnyText]:
        """Alternatives, those that look for text in one column made one test: one pass over the text finds them all."""
        groups: dict[tuple[str, object], list[Expression]] = {}
        for item in items:
            match item:
                case TextMatch(item=Column(name=name), cased=cased) if self.types(name) is not Type.ADDRESS:
                    groups.setdefault((name, cased), []).append(item)
                case In(item=Column(name=name), choices=ListLiteral(items=texts), cased=cased) if self.types(
                    name
                ) is not Type.ADDRESS and all(isinstance(text, str) for text in texts):
                    groups.setdefault((name, cased), []).append(item)
                case Regex(item=Column(name=name), pattern=pattern, flags=flags) if pattern and not SETS_FLAGS(pattern):
                    groups.setdefault((name, flags), []).append(item)
                case _:
                    pass
        together: dict[int, Expression | AnyText | None] = {}
        for parts in groups.values():
            if len(parts) > 1 and (one := as_one(parts)) is not None:
                together |= dict.fromkeys(map(id, parts)) | {id(parts[0]): one}
        return [one for item in items if (one := together.get(id(item), item)) is not None]

    def _prepared(self, node: Expression | AnyText, *, standalone: bool) -> tuple[list[str], Atom]:
        """The steps that an atom needs before it, and the atom."""
        if isinstance(node, AnyText):
            name, prepared = self._column(node.item)
            return prepared, self._text(name, list(node.patterns), cased=node.cased)
        node = self._as_network(node)
        match node:
            case Comparison(operator="=", left=Call(name=name) as compared, right=Constant(value=True)) if (
                name in _TEXT_TESTS
            ):
                return self._text_of_two(name, compared.arguments)
            case Comparison(operator=operator, left=left, right=right):
                if not isinstance(right, Constant):
                    return self._comparison_of_two(node, left, right)
                name, prepared = self._column(left)
                return prepared, self._comparison(name, operator, right.value)
            case In(item=item, choices=Lookup() as lookup):
                name, prepared = self._column(item)
                return prepared, _looked_up(name, lookup)
            case In(item=item, choices=choices, cased=cased):
                name, prepared = self._column(item)
                assert isinstance(choices, ListLiteral)
                return prepared, self._membership(name, choices.items, cased=cased, standalone=standalone)
            case TextMatch(item=item, parts=parts, cased=cased):
                name, prepared = self._column(item)
                return prepared, self._text(name, [parts], cased=cased)
            case Regex(item=item, pattern=pattern, flags=flags):
                name, prepared = self._column(item)
                if pattern == "":
                    return prepared, self._exists(name, item)
                letters = "".join(sorted({"i": "i", "m": "m", "s": "d"}[flag] for flag in flags))
                body = f"/{translate(pattern, CQL_REGEX)}/{letters}"
                if finds_nothing(pattern):
                    # An empty text counts as missing, so that no pattern is found in it.
                    return prepared, Atom(f'({name}={body} and {name}!="")', f'({name}!={body} or {name}="")')
                return prepared, Atom(f"{name}={body}", f"{name}!={body}")
            case InNetwork(item=item, networks=networks):
                name, prepared = self._column(item)
                listed = ", ".join(quoted(network) for network in networks)
                subnet = f"[{listed}]" if len(networks) > 1 else listed
                call = f"cidr({name}, subnet={subnet})"
                return prepared, Atom(call, f"!{call}", is_call=True)
            case Exists(item=item):
                name, prepared = self._column(item)
                return prepared, self._exists(name, item)
            case (
                And()
                | Or()
                | Not()
                | Constant()
                | Column()
                | ListLiteral()
                | Lookup()
                | Parameter()
                | Arithmetic()
                | Call()
                | Case()
            ):
                raise TypeError(f"not a test: {node!r}")
            case _:
                assert_never(node)

    def _as_network(self, node: Expression) -> Expression:
        """A test for whole addresses as one for networks if one is IPv6, which the platform may spell otherwise."""
        match node:
            case TextMatch(item=Column(name=column), parts=(str() as text,)):
                texts: tuple[Scalar, ...] = (text,)
            case In(item=Column(name=column), choices=ListLiteral(items=texts)):
                pass
            case _:
                return node
        if self.types(column) is not Type.ADDRESS or not any(":" in str(text) for text in texts):
            return node
        try:
            return InNetwork(Column(column), tuple(str(ipaddress.ip_network(str(text))) for text in texts))
        except ValueError:
            return node

    def _column(self, item: Expression) -> tuple[str, list[str]]:
        if isinstance(item, Column):
            return field_name(item.name), []
        name, steps = self.hoist(item)
        return field_name(name), steps

    def _exists(self, name: str, item: Expression) -> Atom:
        kind = self.types(item.name) if isinstance(item, Column) else None
        if kind is Type.TEXT or kind is None or (isinstance(item, Column) and item.name in self.raw):
            # Text can be there and empty, which counts as missing.
            return Atom(f'({name}=* and {name}!="")', f'({name}!=* or {name}="")')
        return Atom(f"{name}=*", f"{name}!=*")

    def _comparison(self, name: str, operator: str, constant: Scalar | None) -> Atom:
        if isinstance(constant, bool):
            if name in self.flags:
                return Atom(f"{name}={int(constant)}", f"{name}!={int(constant)}")
            return self._text(name, [(str(constant).lower(),)], cased=False)
        assert isinstance(constant, int | float)
        text = value(constant)
        if operator == "=":
            return Atom(f"{name}={text}", f"{name}!={text}")
        if operator == "!=":
            there, lacking = f"{name}=*", f"{name}!=*"
            if name in self.raw:  # an empty text is no number, and counts as missing
                there, lacking = f'{there} and {name}!=""', f'{lacking} or {name}=""'
            return Atom(f"({there} and {name}!={text})", f"({lacking} or {name}={text})")
        # The opposite of > is not <=: an event without the field must pass.
        return Atom(f"{name} {operator} {text}", f"not ({name} {operator} {text})")

    def _comparison_of_two(self, node: Comparison, left: Expression, right: Expression) -> tuple[list[str], Atom]:
        (first, before), (second, after) = self._column(left), self._column(right)
        operator = {"=": "=="}.get(node.operator, node.operator)
        kinds = [self.types(side.name) for side in (left, right) if isinstance(side, Column)]
        numeric = all(kind is None or kind.is_number or kind is Type.TIME for kind in kinds)
        sides = [_operand(name) if numeric or node.cased else f"lower({name})" for name in (first, second)]
        if operator in {"==", "!="}:
            # An empty text counts as missing; coalesce() makes null of it, and a comparison with null does not hold.
            sides = [f"coalesce([{side}])" for side in sides]
        call = f"test({sides[0]} {operator} {sides[1]})"
        return [*before, *after], Atom(call, f"!{call}", is_call=True)

    def _text_of_two(self, function: str, arguments: tuple[Expression, ...]) -> tuple[list[str], Atom]:
        """Whether the text of one field is in that of another; an empty one is missing, and nothing starts with it."""
        (whole, before), (part, after) = (self._column(argument) for argument in arguments)
        call = f"{_TEXT_TESTS[function]}(string=lower({whole}), substring=coalesce([lower({part})]))"
        return [*before, *after], Atom(call, f"!{call}", is_call=True)

    def _membership(self, name: str, items: tuple[Scalar, ...], *, cased: bool, standalone: bool) -> Atom:
        texts = [item for item in items if isinstance(item, str)]
        together = "".join(texts)
        exact = cased or not has_case(together)
        starred = "*" in together or has_control(together)
        if texts and (starred or (not exact and not standalone) or len(texts) == 1):
            return self._text(name, [(text,) for text in texts], cased=cased)
        listed = ", ".join(value(item) for item in items)
        if len(items) == 1:
            return Atom(f"{name}={listed}", f"{name}!={listed}")
        if standalone and not name.startswith("#"):
            ignore = "" if exact else ", ignoreCase=true"
            call = f"in({name}, values=[{listed}]{ignore})"
            return Atom(call, f"!{call}", is_call=True)
        return Atom(
            "(" + " or ".join(f"{name}={value(item)}" for item in items) + ")",
            "(" + " and ".join(f"{name}!={value(item)}" for item in items) + ")",
        )

    def _text(self, name: str, patterns: list[tuple[str | Wildcard, ...]], *, cased: bool) -> Atom:
        """A whole-value match: plain equality where case cannot matter, else one regular expression for all."""
        cased = cased or name.startswith(
            "#"
        )  # a tag is asked for by the value it has: a pattern reads every data source
        # All of the text at once: there are tens of thousands of patterns in a corpus, and questions to ask of each.
        literal = "".join([part for parts in patterns for part in parts if isinstance(part, str)])
        exact = cased or not has_case(literal)
        one = any(Wildcard.ONE in parts for parts in patterns)
        if exact and not one and len(patterns) == 1 and "*" not in literal and not has_control(literal):
            glob = "".join("*" if isinstance(part, Wildcard) else part for part in patterns[0])
            text = quoted(glob) if "*" in glob else value(glob)
            return Atom(f"{name}={text}", f"{name}!={text}")
        flags = ("" if exact else "i") + (
            "d" if one or any(isinstance(part, Wildcard) for parts in patterns for part in parts[1:-1]) else ""
        )
        body = anchored(patterns[0]) if len(patterns) == 1 else alternation(patterns)
        return Atom(f"{name}=/{body}/{flags}", f"{name}!=/{body}/{flags}")


def _looked_up(name: str, lookup: Lookup) -> Atom:
    """Whether a value is in an uploaded file. `match` is a filter while `strict` is true, which is the default, and can
    be negated (library.humio.com/data-analysis/functions-match.html)."""
    if any(":" in item for item in lookup.items):
        raise unsupported(
            RefusalCode.ADDRESS_PATTERN,
            f"the lookup {lookup.name} has IPv6 addresses, which LogScale spells in several ways: name them in `where`",
        )
    call = f"match(file={quoted(f'{lookup.name}.csv')}, field={name}, column={COLUMN}, ignoreCase=true)"
    return Atom(call, f"!{call}", is_call=True)


def _operand(name: str) -> str:
    """A field inside an expression, where a quoted word is a string."""
    return f"getField({name})" if name.startswith('"') else name
