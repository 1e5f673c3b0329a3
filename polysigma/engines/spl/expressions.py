"""The two languages of conditions in SPL: terms of `search`, and expressions of `eval` and `where`.

Source: Splunk Search Reference, "search" (precedence: parentheses, NOT, OR, AND; terms side by side are joined by AND),
"eval" and "where" (precedence: NOT, AND, OR); Search Manual, "Boolean expressions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from polysigma.engines.spl.functions import BOOLEAN, EVAL
from polysigma.engines.spl.tree import (
    Expression,
    Function,
    Literal,
    Macro,
    Membership,
    Name,
    Operation,
    Opposite,
    SearchAnd,
    SearchExpression,
    SearchNot,
    SearchOr,
    SplError,
    Term,
    TermIn,
)

if TYPE_CHECKING:
    from polysigma.engines.spl.lexer import Token

_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_ADDITIONS = frozenset({"+", "-", "."})
_PRODUCTS = frozenset({"*", "/", "%"})
_TRUTH = _COMPARISONS | {"AND", "OR"}


class Reader:
    """A place in a list of tokens."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.source = text
        self.tokens = tokens
        self.index = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def take(self) -> Token:
        """The token here; goes on to the next."""
        token = self.token
        if token.kind != "end":
            self.index += 1
        return token

    def is_symbol(self, *symbols: str) -> bool:
        return self.token.kind == "symbol" and self.token.text in symbols

    def expect(self, symbol: str) -> Token:
        """Takes a symbol. Raises SplError where another token stands."""
        if not self.is_symbol(symbol):
            self.fail(f"{symbol!r} expected, not {self.token.text!r}")
        return self.take()

    def word(self, *words: str) -> Token:
        """Takes one of some words."""
        if not self.token.is_word(*words):
            self.fail(f"{' or '.join(words)} expected, not {self.token.text!r}")
        return self.take()

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        raise SplError(message, self.source, (token or self.token).at)

    def field(self) -> str:
        """A field outside of eval: a name with dots, or any text in double quotes."""
        if self.token.kind == "string":
            return self.take().text
        if self.token.kind != "word":
            self.fail(f"a field expected, not {self.token.text!r}")
        name = self.take().text
        while self.is_symbol(".") and self.token.glued and self.tokens[self.index + 1].kind == "word":
            self.take()
            name += f".{self.take().text}"
        return name

    def integer(self) -> int:
        if self.token.kind != "word" or not self.token.text.isdecimal():
            self.fail(f"a whole number expected, not {self.token.text!r}")
        return int(self.take().text)

    # Search.

    def search(self) -> SearchExpression:
        """Terms side by side, or joined by AND; OR binds more tightly."""
        at = self.token.at
        items = [self._search_or()]
        while self.token.kind != "end" and not self.is_symbol("|", ")") and not self._ends_search():
            if self.token.is_word("and"):
                self.take()
            items.append(self._search_or())
        return items[0] if len(items) == 1 else SearchAnd(tuple(items), at=at)

    def _ends_search(self) -> bool:
        return self.token.is_word("by")

    def _search_or(self) -> SearchExpression:
        at = self.token.at
        items = [self._search_not()]
        while self.token.is_word("or"):
            self.take()
            items.append(self._search_not())
        return items[0] if len(items) == 1 else SearchOr(tuple(items), at=at)

    def _search_not(self) -> SearchExpression:
        at = self.token.at
        if self.token.is_word("not"):
            self.take()
            return SearchNot(self._search_not(), at=at)
        if self.is_symbol("("):
            self.take()
            inner = self.search()
            self.expect(")")
            return inner
        if self.token.kind == "macro":
            return Macro(self.take().text, at=at)
        return self._term()

    def _term(self) -> SearchExpression:
        at = self.token.at
        name = self.field()
        if self.token.is_word("in"):
            self.take()
            self.expect("(")
            values = [self._value()]
            while self.is_symbol(","):
                self.take()
                values.append(self._value())
            self.expect(")")
            return TermIn(name, tuple(values), at=at)
        if not self.is_symbol(*_COMPARISONS):
            self.fail(f"a comparison expected after {name}: words without a field are not known here")
        return Term(name, self.take().text, self._value(), at=at)

    def _value(self) -> str:
        """A value right of a comparison: in quotes, or a word of letters, digits and what else needs none."""
        if self.token.kind == "string":
            return self.take().text
        if self.token.kind != "word" and not self.is_symbol("*", "-", "@"):
            self.fail(f"a value expected, not {self.token.text!r}")
        text = self.take().text
        while self.token.glued and (self.token.kind == "word" or self.is_symbol("*", "-", "@", ".", ":")):
            text += self.take().text
        return text

    # Eval.

    def condition(self) -> Expression:
        """An expression with a truth value."""
        at = self.token
        found = self.expression()
        if not is_truth(found):
            self.fail("a condition expected, not a value", at)
        return found

    def expression(self) -> Expression:
        return self._binary(0)

    def _binary(self, level: int) -> Expression:
        """OR, AND, NOT, comparisons, additions, products: each binds more tightly than the one before."""
        if level == 2:
            return self._not()
        if level == 4:
            return self._chain(level, _ADDITIONS)
        if level == 5:
            return self._chain(level, _PRODUCTS)
        if level == 6:
            return self._unary()
        if level == 3:
            return self._comparison()
        word = ("or", "and")[level]
        left = self._binary(level + 1)
        while self.token.is_word(word):
            at = self.take()
            left = Operation(word.upper(), self._truth(left, at), self._truth(self._binary(level + 1), at), at=at.at)
        return left

    def _truth(self, item: Expression, at: Token) -> Expression:
        if not is_truth(item):
            self.fail(f"{at.text} joins conditions, not values", at)
        return item

    def _not(self) -> Expression:
        if self.token.is_word("not"):
            at = self.take()
            return Opposite("NOT", self._truth(self._not(), at), at=at.at)
        return self._binary(3)

    def _comparison(self) -> Expression:
        left = self._binary(4)
        if self.token.is_word("in"):
            at = self.take()
            self.expect("(")
            choices = [self._binary(4)]
            while self.is_symbol(","):
                self.take()
                choices.append(self._binary(4))
            self.expect(")")
            return Membership(left, tuple(choices), at=at.at)
        if self.is_symbol(*_COMPARISONS):
            at = self.take()
            left = Operation(at.text, left, self._binary(4), at=at.at)
            if self.is_symbol(*_COMPARISONS):
                self.fail("comparisons do not chain")
        return left

    def _chain(self, level: int, symbols: frozenset[str]) -> Expression:
        left = self._binary(level + 1)
        while self.is_symbol(*symbols):
            at = self.take()
            left = Operation(at.text, left, self._binary(level + 1), at=at.at)
        return left

    def _unary(self) -> Expression:
        if self.is_symbol("-"):
            at = self.take()
            return Opposite("-", self._unary(), at=at.at)
        return self._primary()

    def _primary(self) -> Expression:
        token = self.take()
        if token.kind == "string":
            return Literal(token.text, at=token.at)
        if token.kind == "quoted":
            return Name(token.text, at=token.at)
        if token.kind == "symbol" and token.text == "(":
            inner = self.expression()
            self.expect(")")
            return inner
        if token.kind != "word":
            self.fail(f"a value expected, not {token.text!r}", token)
        if token.text[0].isdigit():
            return self._number(token)
        if self.is_symbol("("):
            return self._function(token)
        return Name(token.text, at=token.at)

    def _number(self, token: Token) -> Expression:
        text = token.text
        if self.is_symbol(".") and self.token.glued and self.tokens[self.index + 1].text[:1].isdigit():
            self.take()
            text += f".{self.take().text}"
        try:
            return Literal(int(text) if text.isdecimal() else float(text), at=token.at)
        except ValueError:
            self.fail(f"{text!r} is no number", token)

    def _function(self, token: Token) -> Expression:
        name = token.text.lower()
        if name not in EVAL:
            self.fail(f"the function {token.text} is not known here", token)
        self.expect("(")
        arguments: list[Expression] = []
        while not self.is_symbol(")"):
            if arguments:
                self.expect(",")
            arguments.append(self.expression())
        self.expect(")")
        least, most = EVAL[name]
        if not least <= len(arguments) <= most or (name == "case" and len(arguments) % 2):
            self.fail(f"{name} takes another number of arguments than {len(arguments)}", token)
        conditions = arguments[:1] if name == "if" else arguments[::2] if name == "case" else []
        if not all(is_truth(item) for item in conditions):
            self.fail(f"{name} takes a condition, not a value", token)
        return Function(name, tuple(arguments), at=token.at)


def is_truth(item: Expression) -> bool:
    """Whether an expression is true or false, rather than a value."""
    match item:
        case Membership():
            return True
        case Operation(operator=operator) | Opposite(operator=operator):
            return operator in _TRUTH or operator == "NOT"
        case Function(name=name):
            return name in BOOLEAN
        case _:
            return False
