"""Expressions as SQL trees; sqlglot prints them for each dialect and does all quoting.

SQL's tests are true, false or unknown, the plan's only true or false. A test that stands where unknown would not act
as false (under NOT, or as a value) is made false by COALESCE; elsewhere unknown and false do the same.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, assert_never

from sqlglot import exp

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
from polysigma.plan.functions import SHARES, TIME_PARTS
from polysigma.plan.lookups import COLUMN
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .printer import PADDING, REGISTRY_ROOTS, folded, network_pattern
from .regexes import RegexDialect, translate
from .sql_dialects import IPV4, IPV6, Dialect, call, there, try_cast

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}
_ARITHMETIC: dict[str, type[exp.Binary]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul, "/": exp.Div}
_REGEX = RegexDialect("SQL", lookahead=False, lazy=True, inline="ims-")


def name(column: str) -> exp.Column:
    """A column by its name, always quoted."""
    return exp.column(exp.to_identifier(column, quoted=True))


SQL_TYPES = {Type.INTEGER: "BIGINT", Type.REAL: "DOUBLE", Type.BOOLEAN: "BOOLEAN"}


def typed(column: str, kind: Type) -> exp.Expr:
    """A recorded column as its type; text that is not of the type, and empty text, is missing."""
    if kind in SQL_TYPES:
        return try_cast(name(column), SQL_TYPES[kind])
    return exp.Nullif(this=name(column), expression=exp.convert(""))


def named(value: exp.Expr, column: str) -> exp.Alias:
    """`value AS "column"`. Here as below sqlglot's own builders would copy what they are given, which costs most."""
    return exp.Alias(this=value, alias=exp.to_identifier(column, quoted=True))


def picked(values: Sequence[exp.Expr], source: str | exp.Expr) -> exp.Select:
    """`SELECT values FROM source`, which is a query of WITH by its name, a table, or a nested query."""
    table = exp.Table(this=exp.to_identifier(source)) if isinstance(source, str) else source
    return exp.Select(expressions=list(values), from_=exp.From(this=table))


def _values_of(lookup: str) -> exp.Subquery:
    """What is in a lookup, which is a table of the site's."""
    return exp.Subquery(this=picked([name(COLUMN)], lookup))


def nested(query: exp.Query, alias: str) -> exp.Subquery:
    """`(query) AS alias`."""
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias)))


class Expressions:
    """Prints expressions for a dialect. `types` gives the type of a column.

    Columns among `recorded` are as they were recorded, most of them text; the others have their type already.
    """

    def __init__(self, dialect: Dialect, types: Mapping[str, Type], recorded: Collection[str] = ()) -> None:
        self.dialect = dialect
        self.types = types
        self.recorded = recorded

    def condition(self, node: Expression) -> exp.Expr:
        """A test; unknown where a missing value decides, which WHERE and WHEN take as false."""
        match node:
            case And(items=items):
                return exp.and_(*(self.condition(item) for item in items), copy=False)
            case Or(items=items):
                return exp.or_(*(self.condition(item) for item in items), copy=False)
            case Not(item=Exists(item=item)):
                return exp.Is(this=self._whole(item), expression=exp.null())
            case Not(item=item):
                return exp.Not(this=self.settled(item))
            case Comparison():
                return self._comparison(node)
            case In(item=item, choices=Lookup(name=lookup)):
                return exp.In(this=exp.func("LOWER", self._matched(item)), query=_values_of(lookup))
            case In(item=item, choices=choices, cased=cased):
                assert isinstance(choices, ListLiteral)
                return self._membership(item, choices.items, cased=cased)
            case TextMatch(item=item, parts=parts, cased=cased):
                return self._text(item, parts, cased=cased)
            case Regex(item=item, pattern=pattern, flags=flags):
                letters = "".join(sorted(flags))
                text = (f"(?{letters})" if letters else "") + translate(pattern, _REGEX)
                return exp.RegexpLike(this=self.text(item), expression=exp.convert(text))
            case InNetwork(item=item, networks=networks):
                return self._network(item, networks)
            case Exists(item=item):
                return there(self._whole(item))
            case Constant(value=bool() as constant):
                return exp.convert(constant)
            case Column() | Case() | Call():
                return self.value(node)
            case Constant() | ListLiteral() | Lookup() | Parameter() | Arithmetic():
                raise TypeError(f"not a test: {node!r}")
            case _:
                assert_never(node)

    def settled(self, node: Expression) -> exp.Expr:
        """A test that is true or false, never unknown."""
        if isinstance(node, Exists | Not | Constant):
            return exp.paren(self.condition(node), copy=False)
        return exp.Coalesce(this=self.condition(node), expressions=[exp.false()])

    def value(self, node: Expression) -> exp.Expr:
        """A value; NULL where it is missing."""
        match node:
            case Column(name=column):
                return typed(column, self.types[column]) if column in self.recorded else name(column)
            case Constant(value=float() as number):
                # A number with a point is an exact decimal in SQL, which overflows; the plan calculates with reals.
                return exp.cast(exp.convert(number), "DOUBLE")
            case Constant(value=constant):
                return exp.convert(constant)
            case Arithmetic(operator=operator, left=left, right=right):
                first, second = self._operand(left), self._operand(right)
                if operator in {"*", "/"}:
                    # Of `*`, too: whole numbers overflow, and one row's error would end the query.
                    first = exp.cast(first, "DOUBLE")
                if operator == "/" and not (isinstance(right, Constant) and right.value):
                    second = exp.Nullif(this=second, expression=exp.convert(0))
                return _ARITHMETIC[operator](this=first, expression=second)
            case Call():
                return self._call(node)
            case Case(branches=branches, otherwise=otherwise):
                case = exp.case()
                for test, result in branches:
                    case = case.when(self.condition(test), self.value(result), copy=False)
                if isinstance(otherwise, Constant) and otherwise.value is None:
                    return case
                return case.else_(self.value(otherwise), copy=False)
            case And() | Or() | Not() | Comparison() | In() | TextMatch() | Regex() | InNetwork() | Exists():
                return self.settled(node)
            case ListLiteral() | Lookup() | Parameter():
                raise TypeError(f"not a value: {node!r}")
            case _:
                assert_never(node)

    def text(self, node: Expression) -> exp.Expr:
        """A value as text."""
        kind = self.type_of(node)
        value = self.value(node)
        return value if kind in {None, Type.TEXT, Type.ADDRESS} else exp.cast(value, "VARCHAR")

    def type_of(self, node: Expression) -> Type | None:
        from polysigma.plan.typing import Scope, infer

        return self.types.get(node.name) if isinstance(node, Column) else infer(node, Scope(self.types, {})).type

    def _matched(self, node: Expression) -> exp.Expr:
        """A value as text, for a test that no empty text can meet."""
        if isinstance(node, Column) and self.types.get(node.name) not in SQL_TYPES:
            return name(node.name)
        return self.text(node)

    def _whole(self, node: Expression) -> exp.Expr:
        """A value that can stand before IS."""
        value = self.value(node)
        return exp.paren(value, copy=False) if isinstance(value, exp.Binary | exp.Not) else value

    def _operand(self, node: Expression) -> exp.Expr:
        value = self.value(node)
        return exp.paren(value, copy=False) if isinstance(node, Arithmetic) else value

    def _comparison(self, node: Comparison) -> exp.Expr:
        left, right = (
            exp.convert(side.value) if isinstance(side, Constant) else self.value(side)
            for side in (node.left, node.right)
        )
        kinds = {self.type_of(node.left), self.type_of(node.right)}
        if kinds <= {Type.TEXT, Type.ADDRESS} and not node.cased:
            left, right = exp.func("LOWER", left), exp.func("LOWER", right)
        elif Type.TEXT in kinds and kinds & {Type.INTEGER, Type.REAL}:
            # A number against a text column: a text that is no number is missing.
            if self.type_of(node.left) is Type.TEXT:
                left = try_cast(left, "DOUBLE")
            if self.type_of(node.right) is Type.TEXT:
                right = try_cast(right, "DOUBLE")
        return _COMPARISONS[node.operator](this=left, expression=right)

    def _membership(self, item: Expression, items: tuple[Scalar, ...], *, cased: bool) -> exp.Expr:
        if not all(isinstance(value, str) for value in items):
            return _one_of(self.value(item), items)
        texts = self._spelled(item, [str(value) for value in items])
        if cased or not any(_has_case(text) for text in texts):
            return _one_of(self._matched(item), texts)
        return _one_of(exp.func("LOWER", self._matched(item)), [folded(text) for text in texts])

    def _spelled(self, item: Expression, texts: list[str]) -> list[str]:
        """Addresses as the address columns spell them."""
        return [_full(text) for text in texts] if self.type_of(item) is Type.ADDRESS else texts

    def _text(self, item: Expression, parts: tuple[str | Wildcard, ...], *, cased: bool) -> exp.Expr:
        subject = self._matched(item)
        literal = [part for part in parts if isinstance(part, str)]
        if len(literal) == len(parts) == 1:
            literal = self._spelled(item, literal)
            parts = (literal[0],)
        if not cased and any(_has_case(text) for text in literal):
            subject = exp.func("LOWER", subject)
            parts = tuple(folded(part) if isinstance(part, str) else part for part in parts)
        if len(parts) == 1 and isinstance(parts[0], str):
            return exp.EQ(this=subject, expression=exp.convert(parts[0]))
        pattern = "".join(_liked(part) for part in parts)
        like = exp.Like(this=subject, expression=exp.convert(pattern))
        escaped = "!" in pattern or (self.dialect.backslash_escapes and "\\" in pattern)
        return exp.Escape(this=like, expression=exp.convert("!")) if escaped else like

    def _network(self, item: Expression, networks: tuple[str, ...]) -> exp.Expr:
        """Networks as prefixes of the canonical spelling; where one needs many, the octet is compared as a number."""
        subject = self.value(item)
        found = [ipaddress.ip_network(text) for text in networks]
        four = [_ipv4(subject, network) for network in found if isinstance(network, ipaddress.IPv4Network)]
        six = [
            test for network in found if isinstance(network, ipaddress.IPv6Network) for test in _ipv6(subject, network)
        ]
        parts = []
        if four:
            valid = self.dialect.full_match(subject.copy(), IPV4)
            parts.append(exp.and_(exp.or_(*four, copy=False), valid, copy=False))
        if six:
            valid = self.dialect.full_match(subject.copy(), IPV6)
            parts.append(exp.and_(exp.or_(*six, copy=False), valid, copy=False))
        return exp.or_(*parts, copy=False)

    def _call(self, node: Call) -> exp.Expr:
        arguments = node.arguments
        match node.name:
            case "coalesce":
                first, *rest = (self.value(argument) for argument in arguments)
                return exp.Coalesce(this=first, expressions=rest)
            case "lower":
                return exp.func("LOWER", self.text(arguments[0]))
            case "length":
                return exp.func("LENGTH", self.text(arguments[0]))
            case "round":
                return exp.func("ROUND", self.value(arguments[0]), self.value(arguments[1]))
            case "base_name":
                found = self.dialect.regex_replace(self.text(arguments[0]), r"(?s)^.*[/\\]", "")
                return exp.Nullif(this=found, expression=exp.convert(""))
            case "starts_with" | "ends_with" | "contains":
                kinds = {"starts_with": exp.StartsWith, "ends_with": exp.EndsWith, "contains": exp.Contains}
                whole, part = (exp.func("LOWER", self.text(argument)) for argument in arguments)
                return kinds[node.name](this=whole, expression=part)
            case "registry_key":
                return self._registry_key(arguments[0])
            case "registry_value":
                named = exp.Coalesce(this=self.text(arguments[1]), expressions=[exp.convert("(Default)")])
                return exp.DPipe(
                    this=exp.DPipe(this=self._registry_key(arguments[0]), expression=exp.convert("\\")),
                    expression=named,
                )
            case part if part in TIME_PARTS:
                # Timestamps here are UTC; a week is that of ISO 8601 in DuckDB and in Spark.
                return exp.Extract(this=exp.var(part.upper()), expression=self.value(arguments[0]))
            case "seconds_between":
                return self.dialect.seconds_between(self.value(arguments[0]), self.value(arguments[1]))
            case "time_from_seconds":
                return self.dialect.from_seconds(self.value(arguments[0]))
            case "time_from_milliseconds":
                return self.dialect.from_seconds(
                    exp.Div(this=exp.cast(self.value(arguments[0]), "DOUBLE"), expression=exp.convert(1000))
                )
            case "time_from_text":
                return self.dialect.from_text(self.text(arguments[0]))
            case "digit_ratio" | "vowel_ratio" as ratio:
                text = self.text(arguments[0])
                counted = exp.func("LENGTH", self.dialect.regex_replace(text, f"[^{SHARES[ratio]}]", ""))
                length = exp.Nullif(this=exp.func("LENGTH", text.copy()), expression=exp.convert(0))
                return exp.Div(this=exp.cast(counted, "DOUBLE"), expression=length)
            case "labels":
                count = arguments[1]
                if not isinstance(count, Constant) or not isinstance(count.value, int) or count.value < 1:
                    raise unsupported(RefusalCode.STEP, "labels with a number that is not constant")
                pattern = rf"([^.]+(?:[.][^.]+){{0,{count.value - 1}}})[.]?$"
                found = call("REGEXP_EXTRACT", self.text(arguments[0]), pattern, 1)
                return exp.Nullif(this=found, expression=exp.convert(""))
            case "network":
                kept = call("REGEXP_EXTRACT", self.text(arguments[0]), network_pattern(arguments[1]), 1)
                unpadded = self.dialect.regex_replace(kept, PADDING, r"\1\2")
                return exp.Nullif(this=unpadded, expression=exp.convert(""))
            case other:
                raise unsupported(
                    RefusalCode.STEP, f"the function {other} can only define a column, not stand inside an expression"
                )

    def _registry_key(self, key: Expression) -> exp.Expr:
        """A key with Sysmon's abbreviation for its root."""
        case = exp.Case()
        for pattern, short in REGISTRY_ROOTS:
            rest = self.dialect.regex_replace(self.text(key), f"(?i)^{pattern}", "")
            found = self.dialect.full_match(self.text(key), rf"(?is){pattern}(?:\\.*)?")
            case = case.when(found, exp.DPipe(this=exp.convert(short), expression=rest))
        return case.else_(self.text(key))


def _one_of(subject: exp.Expr, items: Sequence[Scalar]) -> exp.Expr:
    return (
        subject.isin(*items, copy=False) if len(items) > 1 else exp.EQ(this=subject, expression=exp.convert(items[0]))
    )


def _has_case(text: str) -> bool:
    return text.lower() != text.upper()


def _liked(part: str | Wildcard) -> str:
    if part is Wildcard.ANY:
        return "%"
    if part is Wildcard.ONE:
        return "_"
    return "".join(f"!{character}" if character in "%_!" else character for character in part)


def _full(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return folded(text)
    return address.exploded if isinstance(address, ipaddress.IPv6Address) else str(address)


def _starts(subject: exp.Expr, prefix: str) -> exp.Expr:
    return exp.Like(this=subject.copy(), expression=exp.convert(f"{prefix}%"))


def _ipv4(subject: exp.Expr, network: ipaddress.IPv4Network) -> exp.Expr:
    octets, bits = divmod(network.prefixlen, 8)
    parts = str(network.network_address).split(".")
    if network.prefixlen == 32:
        return exp.EQ(this=subject.copy(), expression=exp.convert(str(network.network_address)))
    fixed = "".join(f"{part}." for part in parts[:octets])
    if not bits:
        return _starts(subject, fixed)
    low = int(parts[octets])
    high = low + 2 ** (8 - bits) - 1
    octet = try_cast(call("SPLIT_PART", subject.copy(), ".", octets + 1), "INT")
    between = exp.Between(this=octet, low=exp.convert(low), high=exp.convert(high))
    return exp.and_(_starts(subject, fixed), between, copy=False) if fixed else between


def _ipv6(subject: exp.Expr, network: ipaddress.IPv6Network) -> list[exp.Expr]:
    """One test for each prefix of whole digits that the network is made of."""
    digits = network.network_address.exploded.replace(":", "")
    whole, bits = divmod(network.prefixlen, 4)
    variants = [digits[:whole]]
    if bits:
        first = int(digits[whole], 16)
        variants = [digits[:whole] + f"{first + step:x}" for step in range(2 ** (4 - bits))]
    tests: list[exp.Expr] = []
    for variant in variants:
        spelled = ":".join(variant[index : index + 4] for index in range(0, len(variant), 4))
        if len(variant) == 32:
            tests.append(exp.EQ(this=subject.copy(), expression=exp.convert(spelled)))
        else:
            tests.append(_starts(subject, spelled + (":" if variant and len(variant) % 4 == 0 else "")))
    return tests
