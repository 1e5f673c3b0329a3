"""Conditions in the language of `eval` and `where`.

SPL facts this rests on (Splunk Search Reference, "where", "Comparison and conditional functions"; Search Manual,
"Difference between NOT and !="): comparison of texts is with regard to case; a test of a missing field is null, which
`where`, `if`, `case` and `count(eval())` take for false, and its `NOT` is null as well, so that every negated test
says itself what becomes of a missing field. `match` looks for a PCRE anywhere in a text.
"""

from __future__ import annotations

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
    ComparisonOperator,
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
from polysigma.plan.functions import TIME_PARTS
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .spl_lookups import found_in
from .spl_text import (
    eight_groups,
    escaped_text,
    eval_name,
    eval_string,
    eval_value,
    is_sayable,
    looks_like_number,
    may_match_nothing,
    pattern_of,
    regex,
    regex_string,
)

if TYPE_CHECKING:
    from .spl_values import Values

_OPPOSITE: dict[ComparisonOperator, ComparisonOperator] = {
    "=": "!=",
    "!=": "=",
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
}


class Tests:
    """Prints conditions over the rows of one place in a query."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def conjuncts(self, items: tuple[Expression, ...]) -> list[str]:
        """Conditions that must all hold, each ready to stand beside AND. What one asks for is there for the next."""
        found = []
        for item in items:
            if isinstance(item, Exists) and isinstance(item.item, Column) and item.item.name in self.values.present:
                continue
            found.append(self.text(item, inner=len(items) > 1))
            if isinstance(item, Exists) and isinstance(item.item, Column):
                self.values.present.add(item.item.name)
        return found

    def text(self, node: Expression, *, negate: bool = False, inner: bool = False) -> str:
        """A condition, or its opposite; in parentheses where it has several parts and stands `inner` to others."""
        match node:
            case Not(item=item):
                return self.text(item, negate=not negate, inner=inner)
            case And(items=items) | Or(items=items):
                parts = [self.text(item, negate=negate, inner=True) for item in items]
                word = " AND " if isinstance(node, And) is not negate else " OR "
                return f"({word.join(parts)})" if inner else word.join(parts)
            case Constant() if node in (TRUE, FALSE):
                return "true()" if (node == TRUE) is not negate else "false()"
            case Comparison():
                parts = self._comparison(node, negate=negate)
            case In(item=item, choices=Lookup() as lookup):
                field = eval_name(found_in(item, lookup))
                return f"isnull({field})" if negate else f"isnotnull({field})"
            case In(item=item, choices=choices, cased=cased):
                assert isinstance(choices, ListLiteral)
                parts = self._membership(item, choices.items, cased=cased, negate=negate)
            case TextMatch(item=item, parts=pattern, cased=cased):
                parts = self._text_match(item, pattern, cased=cased, negate=negate)
            case Regex(item=item, pattern=""):
                return self._exists(item, negate=negate, inner=inner)
            case Regex(item=item, pattern=source, flags=flags):
                guard = may_match_nothing(source)
                parts = self._match(item, regex(source, flags), negate=negate, guard_empty=guard)
            case InNetwork(item=item, networks=networks):
                value = self.values.text(item)
                tests = _one_of([f"cidrmatch({escaped_text(network)}, {value})" for network in networks])
                parts = self._plain(item, tests if len(networks) == 1 or not negate else f"({tests})", negate=negate)
                if len(networks) > 1 and not negate:
                    return f"({tests})" if inner else tests
            case Exists(item=item):
                return self._exists(item, negate=negate, inner=inner)
            case Column() | Constant() | ListLiteral() | Lookup() | Parameter() | Arithmetic() | Call() | Case():
                raise TypeError(f"not a test: {node!r}")
            case _:
                assert_never(node)
        word = " OR " if negate else " AND "
        return f"({word.join(parts)})" if inner and len(parts) > 1 else word.join(parts)

    # Each of the following gives the parts of a test, joined by AND; or those of its opposite, joined by OR.

    def _plain(self, item: Expression, test: str, *, negate: bool) -> list[str]:
        return [*self._missing(item), f"NOT {test}"] if negate else [test]

    def _missing(self, *items: Expression) -> list[str]:
        """What holds where one of the values is missing."""
        found: dict[str, None] = {}
        for item in items:
            whole = item.arguments[0] if isinstance(item, Call) and item.name in TIME_PARTS else item
            if isinstance(item, Constant) or (isinstance(whole, Column) and whole.name in self.values.present):
                continue
            found[f"isnull({self.values.text(item)})"] = None
        return list(found)

    def _exists(self, item: Expression, *, negate: bool, inner: bool) -> str:
        value = self.values.text(item)
        if not self._may_be_empty(item):
            return f"isnull({value})" if negate else f"isnotnull({value})"
        if not negate:
            return f'{value}!=""'
        text = f'isnull({value}) OR {value}=""'
        return f"({text})" if inner else text

    def _may_be_empty(self, item: Expression) -> bool:
        """Whether a value may be an empty text: what came with the event, and any text."""
        if isinstance(item, Column):
            return item.name in self.values.recorded or self._type(item) in {Type.TEXT, Type.ADDRESS, None}
        return self._type(item) is Type.TEXT

    def _type(self, item: Expression) -> Type | None:
        return self.values.type_of(item)

    def _comparison(self, node: Comparison, *, negate: bool) -> list[str]:
        left, right, operator = node.left, node.right, node.operator
        if isinstance(right, Constant) and isinstance(right.value, bool):
            word = eval_value(right.value)
            sign = _OPPOSITE[operator] if negate else operator
            return [*(self._missing(left) if negate else []), f"{self._lowered(left, word)}{sign}{word}"]
        kinds = {self._type(left), self._type(right)}
        if kinds & {Type.INTEGER, Type.REAL, Type.TIME, Type.BOOLEAN}:
            sign = _OPPOSITE[operator] if negate else operator
            one, other = (self._number(side, ordered=operator not in {"=", "!="}) for side in (left, right))
            missing = self._missing_numbers(left, right, ordered=operator not in {"=", "!="}) if negate else []
            return [*missing, f"{one}{sign}{other}"]
        sides = [self.values.text(side) if node.cased else f"lower({self.values.text(side)})" for side in (left, right)]
        if isinstance(right, Constant):
            assert isinstance(right.value, str)
            sides[1] = eval_string(right.value if node.cased else right.value.lower())
        if not isinstance(right, Constant) or looks_like_number(str(right.value)):
            # With a letter before them, two texts that look like numbers are compared as texts.
            sides = [f'"x".{side}' for side in sides]
        sign = _OPPOSITE[operator] if negate else operator
        guards = [
            self.values.text(side)
            for side in (left, right)
            if self._may_be_empty(side) and not isinstance(side, Constant)
        ]
        if negate:
            return [*self._missing(left, right), *(f'{guard}=""' for guard in guards), f"{sides[0]}{sign}{sides[1]}"]
        return [*(f'{guard}!=""' for guard in guards), f"{sides[0]}{sign}{sides[1]}"]

    def _is_text(self, item: Expression, *, ordered: bool) -> bool:
        """Whether a side of a comparison of numbers is text, which Splunk would put in the order of text."""
        own = isinstance(item, Column) and item.name in self.values.recorded
        return self._type(item) is Type.TEXT or (ordered and own and self._type(item) is not Type.TIME)

    def _number(self, item: Expression, *, ordered: bool) -> str:
        text = self.values.operand(item)
        return f"tonumber({text})" if self._is_text(item, ordered=ordered) else text

    def _missing_numbers(self, *items: Expression, ordered: bool) -> list[str]:
        found = []
        for item in items:
            if self._is_text(item, ordered=ordered) and not isinstance(item, Constant):
                found.append(f"isnull(tonumber({self.values.text(item)}))")
            else:
                found += self._missing(item)
        return found

    def _membership(self, item: Expression, choices: tuple[Scalar, ...], *, cased: bool, negate: bool) -> list[str]:
        texts = [choice for choice in choices if isinstance(choice, str)]
        if texts and self._type(item) is Type.ADDRESS:
            texts = [eight_groups(text) for text in texts]
        if not texts:
            value = self.values.text(item)
            listed = ", ".join(eval_value(choice) for choice in choices)
            if len(choices) == 1:
                sign = "!=" if negate else "="
                return [*(self._missing(item) if negate else []), f"{value}{sign}{listed}"]
            return self._plain(item, f"{value} IN ({listed})", negate=negate)
        if len(texts) == 1:
            return self._text_match(item, (texts[0],), cased=cased, negate=negate)
        folded = texts if cased else [text.lower() for text in texts]
        value = self._lowered(item, "".join(folded)) if not cased else self.values.text(item)
        folded = list(dict.fromkeys(folded))
        if all(is_sayable(text) and not self._is_number(item, text) for text in folded):
            return self._plain(item, f"{value} IN ({', '.join(eval_string(text) for text in folded)})", negate=negate)
        tests = " OR ".join(
            f"match({value}, {regex_string(pattern_of((text,)))})"
            if self._is_number(item, text)
            else f"{value}={eval_string(text)}"
            for text in folded
        )
        return self._plain(item, f"({tests})", negate=negate)

    def _is_number(self, item: Expression, text: str) -> bool:
        """Whether a text that a column of text is compared with would be taken for a number."""
        return looks_like_number(text) and self._type(item) in {Type.TEXT, None}

    def _lowered(self, item: Expression, against: str) -> str:
        """The value in lower case, where the case of what it is compared with can matter."""
        value = self.values.text(item)
        made = isinstance(item, Column) and item.name in self.values.lowered
        return value if made or against.lower() == against.upper() else f"lower({value})"

    def _text_match(
        self, item: Expression, parts: tuple[str | Wildcard, ...], *, cased: bool, negate: bool
    ) -> list[str]:
        if self._type(item) is Type.ADDRESS:
            if len(parts) > 1 and any(isinstance(part, str) and "::" in part for part in parts):
                raise unsupported(
                    RefusalCode.ADDRESS_PATTERN,
                    "part of an address with `::` in it: IPv6 addresses are compared in eight groups",
                )
            parts = tuple(eight_groups(part) if len(parts) == 1 and isinstance(part, str) else part for part in parts)
        only = parts[0] if len(parts) == 1 else None
        if isinstance(only, str) and not self._is_number(item, only):
            sign = "!=" if negate else "="
            value = self.values.text(item) if cased else self._lowered(item, only)
            text = eval_string(only if cased else only.lower())
            return [*(self._missing(item) if negate else []), f"{value}{sign}{text}"]
        literal = "".join(part for part in parts if isinstance(part, str))
        flags = "" if cased or literal.lower() == literal.upper() else "i"
        inner = parts[parts[0] is Wildcard.ANY : len(parts) - (parts[-1] is Wildcard.ANY)]
        flags += "s" if any(isinstance(part, Wildcard) for part in inner) else ""
        return self._match(item, regex_string(pattern_of(parts), flags), negate=negate, guard_empty=not literal)

    def _match(self, item: Expression, pattern: str, *, negate: bool, guard_empty: bool) -> list[str]:
        value = self.values.text(item)
        test = f"match({value}, {pattern})"
        if not guard_empty:
            return self._plain(item, test, negate=negate)
        if negate:
            return [*self._missing(item), f'{value}=""', f"NOT {test}"]
        return [f'{value}!=""', test]


def _one_of(tests: list[str]) -> str:
    """Several tests, some to a line."""
    lines = [" OR ".join(tests[start : start + 3]) for start in range(0, len(tests), 3)]
    return "\n        OR ".join(lines)
