"""Expressions as KQL.

KQL facts this rests on (learn.microsoft.com/kusto/query, pages "Null values", "String operators", "in operators",
"ipv4_is_in_any_range()", "parse_ipv6()"): a string has no null, a missing one is empty; `=`-like tests on a null
are false and `!=` is true, but an order (`null > 1`) and an address function on what is no address are null, which
`where` drops and `not()` keeps null. Such tests are made false where they stand under `not` or as a value.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import (
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
from polysigma.plan.types import Type

from .kql_addresses import MAPPED, full_spelling, in_ranges, of_two_families
from .kql_functions import call
from .kql_text import name, quoted, value, verbatim
from .regexes import RegexDialect, escaped, translate

if TYPE_CHECKING:
    from collections.abc import Mapping

KQL_REGEX = RegexDialect("KQL", lookahead=False, lazy=True, inline="ims-")
MAX_PATTERNS = 60
"""More alternatives for one text are printed as one regular expression."""
_NULLS = {
    Type.INTEGER: "long(null)",
    Type.REAL: "real(null)",
    Type.BOOLEAN: "bool(null)",
    Type.TIME: "datetime(null)",
    Type.LIST: "dynamic(null)",
}
_NEGATED_COMPARISONS = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Expressions:
    """Prints expressions. `types` gives the type of a column, `present` the columns that are never missing."""

    def __init__(self, types: Mapping[str, Type], present: frozenset[str] | set[str] = frozenset()) -> None:
        self.types = types
        self.present = present

    # Tests.

    def condition(self, node: Expression, *, strict: bool = False) -> str:
        """A test. Null where a missing value decides, unless `strict`; `where` and `case` take null as false."""
        match node:
            case And(items=items):
                return " and ".join(self._part(item, strict=strict) for item in items)
            case Or():
                return " or ".join(self.alternatives(node, strict=strict))
            case Not(item=item):
                return self.negated(item)
            case Comparison():
                return _all(self._compared(node, strict=strict))
            case In(item=item, choices=Lookup(name=lookup)):
                return self._looked_up(item, lookup, negate=False)
            case In(item=item, choices=choices, cased=cased):
                assert isinstance(choices, ListLiteral)
                return self._membership(item, choices.items, cased=cased, negate=False)
            case TextMatch(item=item, parts=parts, cased=cased):
                return self._text_match(item, parts, cased=cased, negate=False)
            case Regex():
                return _all(self._matched(node))
            case InNetwork(item=item, networks=networks):
                return self._network(item, networks, strict=strict)
            case Exists(item=item):
                return f"{self._existence(item)}({self.value(item)})"
            case Constant(value=bool() as constant):
                return value(constant)
            case Column(name=column):
                return name(column) if column in self.present else f"{name(column)} == true"
            case Call(name="starts_with" | "ends_with" | "contains"):
                return self.value(node)
            case Case() | Call():
                return self._settled(self.value(node), strict=strict)
            case Constant() | ListLiteral() | Lookup() | Parameter() | Arithmetic():
                raise TypeError(f"not a test: {node!r}")
            case _:
                assert_never(node)

    def alternatives(self, node: Or, *, strict: bool = False) -> list[str]:
        """The parts of `or`; very many patterns for one text become one regular expression.

        The binder gives up on deep queries (KS245, "Query syntax depth exceeds maximum safe limit").
        """
        crowds: dict[tuple[Expression, bool], list[TextMatch]] = {}
        for item in node.items:
            if isinstance(item, TextMatch):
                crowds.setdefault((item.item, item.cased), []).append(item)
        crowded = {key: crowd for key, crowd in crowds.items() if len(crowd) > MAX_PATTERNS}
        merged = {id(item) for crowd in crowded.values() for item in crowd}
        parts = [self._part(item, strict=strict) for item in node.items if id(item) not in merged]
        return parts + [self._crowd(subject, crowd, cased=cased) for (subject, cased), crowd in crowded.items()]

    def _crowd(self, subject: Expression, crowd: list[TextMatch], *, cased: bool) -> str:
        body = "|".join(_pattern(item.parts) for item in crowd)
        flags = "s" if cased else "is"
        return f"{self.text(subject)} matches regex {verbatim(f'(?{flags})(?:{body})')}"

    def bare(self, node: Expression, *, strict: bool = False) -> str:
        """A test that stands alone, without parentheses round it and what it asks to be there."""
        match node:
            case Comparison():
                return " and ".join(self._compared(node, strict=strict))
            case Regex():
                return " and ".join(self._matched(node))
            case _:
                return self.condition(node, strict=strict)

    def negated(self, node: Expression) -> str:
        """The opposite of a test, never null: it holds where a value is missing."""
        match node:
            case Not(item=item):
                return self.condition(item, strict=True)
            case Exists(item=item):
                return f"{self._existence(item).replace('not', '')}({self.value(item)})"
            case In(item=item, choices=Lookup(name=lookup)):
                return self._looked_up(item, lookup, negate=True)
            case In(item=item, choices=choices, cased=cased):
                assert isinstance(choices, ListLiteral)
                return self._membership(item, choices.items, cased=cased, negate=True)
            case TextMatch(item=item, parts=parts, cased=cased):
                return self._text_match(item, parts, cased=cased, negate=True)
            case Comparison(operator="=", left=flag, right=Constant(value=True)) if self._is_test(flag):
                return f"not({self.condition(flag)})"
            case Comparison(operator="=", left=left, right=Constant(value=bool() | int() | float() as constant)) if (
                self.type_of(left) is not Type.TEXT
            ):
                return f"{self._operand(left)} != {value(constant)}"
            case Comparison(operator="<" | "<=" | ">" | ">=" as order, left=Column() as left, right=Constant()) if (
                self.type_of(left) is not Type.TEXT
            ):
                opposite = Comparison(_NEGATED_COMPARISONS[order], left, node.right)  # type: ignore[arg-type]
                if left.name in self.present:
                    return self.condition(opposite)
                return f"(isnull({name(left.name)}) or {self.condition(opposite)})"
            case _:
                return f"not({self.bare(node, strict=True)})"

    def _part(self, node: Expression, *, strict: bool) -> str:
        text = self.condition(node, strict=strict)
        return f"({text})" if isinstance(node, And | Or) or of_two_families(node) else text

    def _is_test(self, node: Expression) -> bool:
        """Whether a true or false value is never missing, so that it needs no comparison."""
        return (isinstance(node, Column) and node.name in self.present) or (
            isinstance(node, Call) and node.name in {"starts_with", "ends_with", "contains"}
        )

    def _settled(self, text: str, *, strict: bool) -> str:
        return f"coalesce({text}, false)" if strict else text

    def _existence(self, item: Expression) -> str:
        return "isnotempty" if self._is_text(item) else "isnotnull"

    def _is_text(self, item: Expression) -> bool:
        return self.type_of(item) in {None, Type.TEXT, Type.ADDRESS}

    def _compared(self, node: Comparison, *, strict: bool) -> list[str]:
        """What must be there, and the comparison."""
        left, right, operator = node.left, node.right, node.operator
        kinds = {self.type_of(left), self.type_of(right)}
        if kinds <= {Type.TEXT, Type.ADDRESS}:
            # Two columns: empty equals empty, but a missing value equals nothing.
            there = [f"isnotempty({self.value(side)})" for side in (left, right) if not self.is_there(side)]
            there = there if operator == "!=" else there[:1]
            sign = {"=": "==", "!=": "!="}[operator] if node.cased else {"=": "=~", "!=": "!~"}[operator]
            return [*there, f"{self.value(left)} {sign} {self.value(right)}"]
        if Type.TEXT in kinds:
            first, second = (f"todouble({self.value(side)})" for side in (left, right))
        else:
            first, second = self._operand(left), self._operand(right)
        # To Python, 1 is true.
        if operator == "=" and isinstance(right, Constant) and right.value is True and self._is_test(left):
            return [self.condition(left)]
        if operator in {"=", "!="}:
            sides = ((left, first), (right, second))
            there = [f"isnotnull({text})" for side, text in sides if not self.is_there(side)]
            # Two nulls are neither equal nor unequal: the test is null.
            there = there if operator == "!=" or not isinstance(right, Constant) else []
            return [*there, f"{first} {'==' if operator == '=' else operator} {second}"]
        nullable = not (self.is_there(left) and self.is_there(right))
        return [self._settled(f"{first} {operator} {second}", strict=strict and nullable)]

    def _membership(self, item: Expression, items: tuple[Scalar, ...], *, cased: bool, negate: bool) -> str:
        texts = [text for text in items if isinstance(text, str)]
        if not texts:
            subject, listed, sign = self._operand(item), [value(number) for number in items], ("in", "==")
        else:
            subject, listed = self.text(item), [quoted(text) for text in self._spelled(item, texts)]
            exact = cased or not any(_has_case(text) for text in texts)
            sign = ("in", "==") if exact else ("in~", "=~")
        if len(listed) == 1:
            single = {"==": "!=", "=~": "!~"}[sign[1]] if negate else sign[1]
            return f"{subject} {single} {listed[0]}"
        return f"{subject} {'!' if negate else ''}{sign[0]} ({', '.join(listed)})"

    def _looked_up(self, item: Expression, lookup: str, *, negate: bool) -> str:
        """Whether a value is in a watchlist (learn.microsoft.com/azure/sentinel/watchlists-queries)."""
        return f"{self.text(item)} {'!' if negate else ''}in~ ((_GetWatchlist({quoted(lookup)}) | project SearchKey))"

    def _text_match(self, item: Expression, parts: tuple[str | Wildcard, ...], *, cased: bool, negate: bool) -> str:
        subject = self.text(item)
        literal = [part for part in parts if isinstance(part, str)]
        if len(literal) == len(parts) == 1:
            return self._membership(item, tuple(literal), cased=cased, negate=negate)
        suffix, no = "_cs" if cased and any(_has_case(text) for text in literal) else "", "!" if negate else ""
        match parts:
            case (Wildcard.ANY, str() as text, Wildcard.ANY):
                return f"{subject} {no}contains{suffix} {quoted(text)}"
            case (str() as text, Wildcard.ANY):
                return f"{subject} {no}startswith{suffix} {quoted(text)}"
            case (Wildcard.ANY, str() as text):
                return f"{subject} {no}endswith{suffix} {quoted(text)}"
        ignore = "" if cased or not any(_has_case(text) for text in literal) else "i"
        test = f"{subject} matches regex {verbatim(f'(?{ignore}s)' + _pattern(parts))}"
        return f"not({test})" if negate else test

    def _matched(self, node: Regex) -> list[str]:
        subject = self.text(node.item)
        letters = "".join(sorted(node.flags))
        pattern = (f"(?{letters})" if letters else "") + translate(node.pattern, KQL_REGEX)
        test = f"{subject} matches regex {verbatim(pattern)}"
        # A pattern that matches the empty text would match a missing value.
        return [f"isnotempty({subject})", test] if _matches_nothing(node.pattern) else [test]

    def _network(self, item: Expression, networks: tuple[str, ...], *, strict: bool) -> str:
        """IPv4 and IPv6 networks each by their own functions, which are null for an address of the other kind."""
        subject = self.text(item)
        found = [ipaddress.ip_network(text) for text in networks]
        four = [str(network) for network in found if isinstance(network, ipaddress.IPv4Network)]
        six = [network for network in found if isinstance(network, ipaddress.IPv6Network)]
        tests = []
        if four:
            tests.append(self._settled(in_ranges("ipv4", subject, four), strict=strict))
        if six:
            test = self._settled(in_ranges("ipv6", subject, [str(network) for network in six]), strict=strict)
            # To these functions an IPv4 address is ::ffff:a.b.c.d, which lies in ::/0.
            wide = any(network.overlaps(MAPPED) for network in six)
            tests.append(f'({subject} contains ":" and {test})' if wide else test)
        return " or ".join(tests)

    # Values.

    def value(self, node: Expression) -> str:
        """A value: null, or an empty string, where it is missing."""
        match node:
            case Column(name=column):
                return name(column)
            case Constant(value=None):
                return '""'
            case Constant(value=constant):
                assert constant is not None
                return value(constant)
            case Arithmetic(operator="/", left=left, right=right):
                return self._division(left, right)
            case Arithmetic(operator=operator, left=left, right=right):
                return f"{self._operand(left)} {operator} {self._operand(right)}"
            case Call():
                return call(node, self)
            case Case(branches=branches, otherwise=otherwise):
                return self._case(node, branches, otherwise)
            case And() | Or() | Not() | Comparison() | In() | TextMatch() | Regex() | InNetwork() | Exists():
                return f"({self.condition(node, strict=True)})"
            case ListLiteral() | Lookup() | Parameter():
                raise TypeError(f"not a value: {node!r}")
            case _:
                assert_never(node)

    def assigned(self, node: Expression) -> str:
        """A value at the right of `name =`, without parentheses that it does not need there."""
        text = self.value(node)
        enclosed = isinstance(node, And | Or | Not | Comparison | In | TextMatch | Regex | InNetwork | Exists)
        enclosed |= isinstance(node, Arithmetic) and node.operator == "/" and text.startswith("(")
        return text[1:-1] if enclosed else text

    def text(self, node: Expression) -> str:
        """A value as a string."""
        return self.value(node) if self._is_text(node) else f"tostring({self.value(node)})"

    def type_of(self, node: Expression) -> Type | None:
        from polysigma.plan.typing import Scope, infer

        return self.types.get(node.name) if isinstance(node, Column) else infer(node, Scope(self.types, {})).type

    def is_there(self, node: Expression) -> bool:
        """Whether a value is never missing, as far as that is easily seen."""
        match node:
            case Column(name=column):
                return column in self.present
            case Constant(value=constant):
                return constant is not None
            case Arithmetic(operator=operator, left=left, right=right):
                divisor = operator != "/" or (isinstance(right, Constant) and right.value != 0)
                return divisor and self.is_there(left) and self.is_there(right)
            case Case(branches=branches, otherwise=otherwise):
                return all(self.is_there(result) for _, result in branches) and self.is_there(otherwise)
            case Call(name="coalesce", arguments=arguments):
                return any(self.is_there(argument) for argument in arguments)
            case Call(name="round", arguments=(first, *_)):
                return self.is_there(first)
            case And() | Or() | Not() | Comparison() | In() | TextMatch() | Regex() | InNetwork() | Exists():
                return True
            case _:
                return False

    def null(self, kind: Type | None) -> str:
        """The missing value of a type."""
        return _NULLS.get(kind, '""') if kind else '""'

    def _operand(self, node: Expression) -> str:
        text = self.value(node)
        return f"({text})" if isinstance(node, Arithmetic) and node.operator != "/" else text

    def _division(self, left: Expression, right: Expression) -> str:
        """Real division, missing where the divisor is 0; int / int would cut off the fraction."""
        is_real = self.type_of(left) is Type.REAL
        dividend = self._operand(left) if is_real else f"todouble({self.value(left)})"
        quotient = f"{dividend} / {self._operand(right)}"
        never_zero = isinstance(right, Constant) and right.value != 0
        if never_zero or (isinstance(right, Column) and right.name in self.never_zero):
            return f"({quotient})"
        return f"iff({self.value(right)} == 0, real(null), {quotient})"

    never_zero: frozenset[str] = frozenset()
    """Columns that cannot be 0, as a count of rows in a group."""

    plain = False
    """Whether a computed column is printed in its plain form (`kql_plain`)."""

    def _case(
        self, node: Expression, branches: tuple[tuple[Expression, Expression], ...], otherwise: Expression
    ) -> str:
        kind = self.type_of(node)
        arguments = [text for test, result in branches for text in (self.condition(test), self.as_type(result, kind))]
        function = "iff" if len(branches) == 1 else "case"
        return f"{function}({', '.join([*arguments, self.as_type(otherwise, kind)])})"

    def as_type(self, node: Expression, kind: Type | None) -> str:
        """A branch's value in the type of all: KQL wants one type of all of them."""
        if isinstance(node, Constant) and node.value is None:
            return self.null(kind)
        text = self.value(node)
        return f"todouble({text})" if kind is Type.REAL and self.type_of(node) is Type.INTEGER else text

    def _spelled(self, item: Expression, texts: list[str]) -> list[str]:
        """Addresses as `address_columns` spells them."""
        return [full_spelling(text) for text in texts] if self.type_of(item) is Type.ADDRESS else texts


def _all(tests: list[str]) -> str:
    return f"({' and '.join(tests)})" if len(tests) > 1 else tests[0]


def _has_case(text: str) -> bool:
    return text.lower() != text.upper()


def _pattern(parts: tuple[str | Wildcard, ...]) -> str:
    """The pattern without `.*` at its ends, which say the same as no anchor."""
    start = "" if parts[0] is Wildcard.ANY else "^"
    end = "" if parts[-1] is Wildcard.ANY else "$"
    inner = parts[parts[0] is Wildcard.ANY : len(parts) - (parts[-1] is Wildcard.ANY)]
    wild = {Wildcard.ANY: ".*", Wildcard.ONE: "."}
    body = "".join(wild[part] if isinstance(part, Wildcard) else escaped(part, KQL_REGEX) for part in inner)
    return start + body + end


def _matches_nothing(pattern: str) -> bool:
    try:
        return re.search(pattern, "") is not None
    except re.error:
        return True
