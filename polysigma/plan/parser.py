"""The text of an expression, as it stands in a rule's steps, to the tree of `polysigma.plan.expressions`.

    TotalConnections >= :min_connections and DestinationPort in (6667, 1080)
    if(Total > 0, Failed / Total, 0)

Keywords are lower case: and or not in is null true false if. Text takes single quotes, doubled inside. `/` binds as
usual, `not` tighter than `and`, `and` tighter than `or`; comparisons do not chain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

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
    ListLiteral,
    Not,
    Or,
    Parameter,
    Scalar,
)
from polysigma.plan.faults import Place, fault

KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "true", "false", "if"})

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>\d{1,40}(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_@\#][A-Za-z0-9_.@\#]*(?:\[\d{1,3}\][A-Za-z0-9_.@\#]*)*)
  | (?P<parameter>:[A-Za-z_][A-Za-z0-9_]*)
  | (?P<text>'(?:[^']|'')*')
  | (?P<symbol><=|>=|!=|[=<>+\-*/(),])
    """,
    re.VERBOSE,
)
_FOREIGN = {
    "==": "equality is one `=`",
    "<>": "write `!=`",
    "&&": "write `and`",
    "||": "write `or`",
    '"': "strings take single quotes: 'like this'",
    "`": "names need no quotes",
    "!": "write `not`",
    "%": "there is no remainder operator",
    "'": "this string has no closing quote (a quote inside is doubled: 'it''s')",
}
_MAX_DEPTH = 60
_MAX_OPERATORS = 100
_MAX_NUMBER = 2**53
_VALUE = "a value is a column, a number, 'text', a :parameter or a function(...)"
_IF = "if(condition, value, other value)"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["number", "word", "parameter", "text", "symbol", "end"]
    text: str
    offset: int


def parse_expression(text: str, path: tuple[str | int, ...] = ()) -> Expression:
    """The tree of an expression.

    `path` says where in the rule's document the text stands; every node of the tree remembers it with its own offset.
    Raises PlanError (code `expression-syntax`) with place and hint.
    """
    return _Parser(text, path).whole()


def split_arguments(text: str) -> list[str]:
    """The texts between the commas of an argument list, outside parentheses and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if character == "," and depth == 0:
                parts.append(text[start:index])
                start = index + 1
    return [*parts, text[start:]]


class _Parser:
    def __init__(self, text: str, path: tuple[str | int, ...]) -> None:
        self.text = text
        self.path = path
        self.depth = 0
        self.operators = 0
        self.tokens = self._tokens()
        self.index = 0

    def whole(self) -> Expression:
        if not self.text.strip():
            self.fail("an expression is missing here", self.next, "write one, or leave its key out")
        expression = self.disjunction()
        if self.next.kind != "end":
            hint = "put `and`, `or` or an operator between two values"
            if self.next.text in _COMPARISONS:
                hint = "put parentheses round one comparison"
            if self.next.text.lower() in KEYWORDS and self.next.text not in KEYWORDS:
                hint = f"keywords are lower case: {self.next.text.lower()}"
            elif self.next.text.lower() in {"like", "between", "contains", "matches"}:
                hint = "match text in the base rule's detection, with Sigma's modifiers"
            self.fail(f"{self.next.text!r} is not expected here", self.next, hint)
        return expression

    # The grammar, loosest first.

    def disjunction(self) -> Expression:
        start = self.next
        items = [self.conjunction()]
        while self.accept("or"):
            items.append(self.conjunction())
        return items[0] if len(items) == 1 else Or(tuple(items), at=self.place(start))

    def conjunction(self) -> Expression:
        start = self.next
        items = [self.negation()]
        while self.accept("and"):
            items.append(self.negation())
        return items[0] if len(items) == 1 else And(tuple(items), at=self.place(start))

    def negation(self) -> Expression:
        start = self.next
        if self.accept("not"):
            self.deeper(start)
            inner = self.negation()
            self.depth -= 1
            return Not(inner, at=self.place(start))
        return self.comparison()

    def comparison(self) -> Expression:
        start = self.next
        left = self.sum()
        operator = self.next
        at = self.place(operator)
        if operator.text in _COMPARISONS and operator.kind == "symbol":
            self.advance()
            return Comparison(operator.text, left, self.sum(), at=at)  # type: ignore[arg-type]
        if self.accept("is"):
            negated = self.accept("not")
            self.expect("null", "`is null` or `is not null`")
            return Exists(left, at=at) if negated else Not(Exists(left, at=at), at=at)
        if operator.text == "not" and self.peek(1).text == "in":
            self.advance()
            self.advance()
            return Not(In(left, self.choices(), at=at), at=self.place(start))
        if self.accept("in"):
            return In(left, self.choices(), at=at)
        return left

    def choices(self) -> ListLiteral | Parameter:
        start = self.next
        if start.kind == "parameter":
            self.advance()
            return Parameter(start.text[1:], at=self.place(start))
        self.expect("(", "`in` takes a list, (1, 2, 3), or a parameter, :name")
        items: list[Scalar] = []
        while True:
            items.append(self.scalar())
            if self.accept(")"):
                return ListLiteral(tuple(items), at=self.place(start))
            self.expect(",", "items of a list are separated by commas")

    def scalar(self) -> Scalar:
        token = self.next
        negative = self.accept("-")
        token_value = self.next
        value = self.primary()
        if not isinstance(value, Constant) or value.value is None or (negative and isinstance(value.value, str | bool)):
            self.fail("a list holds numbers and strings only", token_value if negative else token, "x in (1, 2)")
        return -value.value if negative else value.value  # type: ignore[operator]

    def sum(self) -> Expression:
        left = self.product()
        while self.next.kind == "symbol" and self.next.text in {"+", "-"}:
            operator = self.advance()
            left = self.arithmetic(operator, left, self.product())
        return left

    def product(self) -> Expression:
        left = self.unary()
        while self.next.kind == "symbol" and self.next.text in {"*", "/"}:
            operator = self.advance()
            left = self.arithmetic(operator, left, self.unary())
        return left

    def unary(self) -> Expression:
        start = self.next
        if not self.accept("-"):
            return self.primary()
        self.deeper(start)
        inner = self.unary()
        self.depth -= 1
        if isinstance(inner, Constant) and isinstance(inner.value, int | float) and not isinstance(inner.value, bool):
            return Constant(-inner.value, at=self.place(start))
        return Arithmetic("-", Constant(0), inner, at=self.place(start))

    def primary(self) -> Expression:
        token = self.advance()
        at = self.place(token)
        match token.kind:
            case "number":
                number = float(token.text) if set(token.text) & set(".eE") else int(token.text)
                if number > _MAX_NUMBER:
                    self.fail(
                        "this number is larger than every language holds exactly", token, f"at most {_MAX_NUMBER}"
                    )
                return Constant(number, at=at)
            case "text":
                return Constant(token.text[1:-1].replace("''", "'"), at=at)
            case "parameter":
                return Parameter(token.text[1:], at=at)
            case "symbol" if token.text == "(":
                self.deeper(token)
                inner = self.disjunction()
                self.depth -= 1
                self.expect(")", "a parenthesis is not closed")
                return inner
            case "word":
                return self.word(token)
            case _:
                found = "the end" if token.kind == "end" else repr(token.text)
                self.fail(f"{found} stands where a value is expected", token, _VALUE)

    def word(self, token: _Token) -> Expression:
        at = self.place(token)
        match token.text:
            case "true" | "false":
                return Constant(token.text == "true", at=at)
            case "null":
                self.fail("`null` is not a value", token, "write `x is null` or `x is not null`")
            case "if":
                self.expect("(", _IF)
                condition, value, otherwise = self.arguments(token, exactly=3)
                return Case(((condition, value),), otherwise, at=at)
            case text if text in KEYWORDS:
                self.fail(f"`{text}` stands where a value is expected", token, _VALUE)
        if self.accept("("):
            return Call(token.text, tuple(self.arguments(token)), at=at)
        return Column(token.text, at=at)

    def arguments(self, name: _Token, exactly: int | None = None) -> list[Expression]:
        self.deeper(name)
        found: list[Expression] = []
        if not self.accept(")"):
            while True:
                found.append(self.disjunction())
                if self.accept(")"):
                    break
                self.expect(",", f"the arguments of {name.text} are not closed by a parenthesis")
        self.depth -= 1
        if exactly is not None and len(found) != exactly:
            self.fail(f"{name.text} takes {exactly} arguments, not {len(found)}", name, _IF)
        return found

    # Tokens.

    def _tokens(self) -> list[_Token]:
        tokens, offset = [], 0
        while offset < len(self.text):
            found = _TOKEN.match(self.text, offset)
            if found is None or self.text[offset : offset + 2] in {"==", "<>"}:
                self.unreadable(offset)
            if found.lastgroup != "space":
                tokens.append(_Token(found.lastgroup, found.group(), offset))  # type: ignore[arg-type]
            offset = found.end()
        return [*tokens, _Token("end", "", len(self.text))]

    def unreadable(self, offset: int) -> NoReturn:
        two, one = self.text[offset : offset + 2], self.text[offset]
        hint = _FOREIGN.get(two) or _FOREIGN.get(one) or _VALUE
        self.fail(f"{two if two in _FOREIGN else one!r} cannot be read here", _Token("end", one, offset), hint)

    @property
    def next(self) -> _Token:
        return self.tokens[self.index]

    def peek(self, ahead: int) -> _Token:
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def advance(self) -> _Token:
        token = self.next
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def accept(self, text: str) -> bool:
        if self.next.text == text and self.next.kind in {"word", "symbol"}:
            self.index += 1
            return True
        return False

    def expect(self, text: str, hint: str) -> None:
        if not self.accept(text):
            found = "the end" if self.next.kind == "end" else repr(self.next.text)
            self.fail(f"`{text}` is expected, not {found}", self.next, hint)

    def deeper(self, token: _Token) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(f"nests deeper than {_MAX_DEPTH} levels", token, "split it over several `derive` columns")

    def arithmetic(self, operator: _Token, left: Expression, right: Expression) -> Arithmetic:
        """A chain of operators is a deep tree, too, which everything that reads it descends."""
        self.operators += 1
        if self.operators > _MAX_OPERATORS:
            message = f"has more than {_MAX_OPERATORS} arithmetic operators"
            self.fail(message, operator, "split it over several `derive` columns")
        return Arithmetic(operator.text, left, right, at=self.place(operator))  # type: ignore[arg-type]

    def place(self, token: _Token) -> Place:
        before = self.text[: token.offset]
        return Place(self.path, before.count("\n") + 1, token.offset - (before.rfind("\n") + 1) + 1)

    def fail(self, message: str, token: _Token, hint: str | None = None) -> NoReturn:
        raise fault("expression-syntax", message, self.place(token), hint)


_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
