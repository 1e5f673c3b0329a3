"""The part of the parser that reads calls, arguments and expressions.

An argument is read in one of two ways. Where the function takes an expression (`test`, `if`, `coalesce`, ...) a word
is a field and `-`, `*` are operators. Elsewhere a word is a name, a keyword or a pattern and may hold `-`, `*` and `:`
(`span=1h`, `values=[S-1-5-18, calico-*]`). An operator behind such a word is read all the same, so that the linter can
say that no expression may stand there.

What the grammar excludes but people write (`=`, `and`, `or`, `=~`, a regular expression in an expression) is noted as
a problem and parsed on, so that one run finds all of them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from polysigma.cql import tree
from polysigma.cql.functions import is_function, takes_expression
from polysigma.cql.lexer import ARGUMENT_WORD, FUNCTION_NAME, NAME, NUMBER, SAVED_NAME, Lexer

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 100
"""How deep a query may nest; honest ones stay below 20, and Python's stack ends near 1,000 frames."""
MAX_OPERATORS = 200
"""How many operators one expression may hold, because each makes its tree one level deeper."""

_OPERATOR = re.compile(
    r":=|=~|==|!=|<=>|<=|>=|=>|=(?!>)|<|>|\+|-|\*|%(?=\s)|/(?![/*])|&&|(?:and|or|like)(?![\w.:(#@-])", re.IGNORECASE
)
_LEVEL = {"or": 0, "and": 0, "&&": 0, "+": 2, "-": 2, "*": 3, "/": 3, "%": 3}
_COMPARISON = 1
_ARGUMENT_NAME = re.compile(rf"({NAME.pattern})[ \t\r\n\f]*=(?![=~>])")
_QUOTED_ARGUMENT_NAME = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"[ \t\r\n\f]*=(?![=~>])')
_DOLLAR = re.compile(r"\$(?=\s*[,)\]])")
_QUERY_NAME = re.compile(r"([A-Za-z_]\w*)[ \t\r\n\f]*:[ \t\r\n\f]*(?=\{)")

_WRONG_OPERATORS = {
    "=": ("equals-in-expression", "`=` stands in an expression", "write `==`; `=` inside a call names a parameter"),
    "and": (
        "logic-in-expression",
        "an expression has no `and`",
        "make each condition a step of its own, nest `if`, or use `case { ... }`",
    ),
    "or": (
        "logic-in-expression",
        "an expression has no `or`",
        "use `case { a | ... ; b | ... }`, one branch for each condition, or nest `if`",
    ),
    "&&": ("logic-in-expression", "an expression has no `&&`", "make each condition a step of its own, or nest `if`"),
    "=~": (
        "match-in-expression",
        "an expression has no `=~`",
        "filter in a `case { field=/.../ | ... ; * | ... }`, or use text:contains()",
    ),
    "like": ("match-in-expression", "an expression has no `like`", "use text:contains(string=field, substring=...)"),
}


class ExpressionParser:
    """Reads values; `pipeline` is supplied by the parser of steps."""

    def __init__(self, text: str) -> None:
        self.lexer = Lexer(text)
        self._depth = 0

    def pipeline(self, closing: str) -> tree.Pipeline:
        raise NotImplementedError

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting; ends parsing past the limit."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.lexer.fail("too-deep", f"the query nests deeper than {MAX_DEPTH} levels", "split it into steps")
        yield
        self._depth -= 1

    # Calls

    def call(self, name: str, start: int) -> tree.Call:
        """A call whose name has been passed; the opening parenthesis comes next."""
        return tree.Call(self.lexer.at(start), name, self.arguments(name))

    def saved(self) -> tree.Saved:
        """`$name(...)`, `$"a name"(...)` or `$query://name(...)`; the `$` comes next.

        Source: library.humio.com/data-analysis/syntax-macros.html.
        """
        lexer = self.lexer
        start = lexer.pos
        lexer.take("$")
        name = lexer.string().value if lexer.peek() == '"' else lexer.match(SAVED_NAME)
        if not name:
            lexer.fail("syntax", "$ has no saved query's name behind it", 'write $name() or $"a name"()', start)
        lexer.whitespace()
        if lexer.peek() != "(":
            lexer.fail("syntax", f"the saved query {name} is not called", f'write $"{name}"()', start)
        return tree.Saved(lexer.at(start), name, self.arguments(None))

    def arguments(self, function: str | None) -> tuple[tree.Argument, ...]:
        """Arguments in parentheses, which open here."""
        lexer = self.lexer
        opened = lexer.pos
        lexer.take("(")
        arguments: list[tree.Argument] = []
        with self.deeper():
            while True:
                lexer.skip()
                if lexer.take(")"):
                    return tuple(arguments)
                if not lexer.peek():
                    self._unclosed(opened, f"the parenthesis of {function or 'the saved query'}", ")")
                arguments.append(self._argument(function))
                lexer.skip()
                if not lexer.take(",") and lexer.peek() != ")":
                    self._not_separated(opened, function)

    def _unclosed(self, opened: int, what: str, closing: str) -> NoReturn:
        self.lexer.fail("syntax", f"{what} is not closed", f"close it with {closing}", opened)

    def _not_separated(self, opened: int, function: str | None) -> NoReturn:
        lexer = self.lexer
        if not lexer.peek() or lexer.peek() == "|":
            self._unclosed(opened, f"the parenthesis of {function or 'the saved query'}", ")")
        lexer.fail(
            "syntax",
            f"{lexer.peek()!r} stands where an argument's comma or the closing parenthesis must stand",
            "separate arguments by commas, and put texts with blanks or special characters in double quotes",
        )

    def _argument(self, function: str | None) -> tree.Argument:
        lexer = self.lexer
        start = lexer.pos
        name: str | None = None
        query = _QUERY_NAME.match(lexer.text, start)
        if query:
            return tree.Argument(lexer.at(start), None, self._named_query(query.group(1), query.end()))
        named = _ARGUMENT_NAME.match(lexer.text, start)
        if named:
            name = named.group(1)
            lexer.pos = named.end()
        elif _QUOTED_ARGUMENT_NAME.match(lexer.text, start):  # eval("a name"=...)
            name = lexer.string().value
            lexer.skip()
            lexer.take("=")
        lexer.skip()
        if name is not None and lexer.peek() in {",", ")"}:
            lexer.fail("syntax", f"the argument {name}= has no value", f"write {name}=value", start)
        return tree.Argument(lexer.at(start), name, self.value(expression=takes_expression(function, name)))

    def _named_query(self, name: str, brace: int) -> tree.NamedQuery:
        """`Name: { ... } include: [...]`, the form of library.humio.com/data-analysis/functions-correlate.html."""
        lexer = self.lexer
        at = lexer.at()
        lexer.pos = brace
        pipeline = self.braces()
        include: tree.Value | None = None
        lexer.skip()
        if lexer.take("include"):
            lexer.skip()
            if not lexer.take(":"):
                lexer.fail("syntax", "`include` has no colon behind it", "write include: [field, field]")
            lexer.skip()
            include = self.value(expression=False)
        return tree.NamedQuery(at, name, pipeline, include)

    # Values

    def value(self, *, expression: bool, level: int = 0) -> tree.Value:
        """A value and the operators behind it, by precedence climbing."""
        lexer = self.lexer
        left = self._unary(expression=expression)
        for _ in range(MAX_OPERATORS):
            lexer.skip()
            operator = lexer.next_word(_OPERATOR).lower()
            its_level = _LEVEL.get(operator, _COMPARISON)
            if not operator or its_level < level:
                return left
            if operator in {"=>", "<=>"}:
                self._unexpected_operator(operator)
            left = self._operation(operator, left, its_level)
        lexer.fail("too-deep", f"an expression holds more than {MAX_OPERATORS} operators", "split it into steps")

    def _operation(self, operator: str, left: tree.Value, level: int) -> tree.Value:
        lexer = self.lexer
        start = lexer.pos
        lexer.pos += len(operator)
        lexer.skip()
        if operator == ":=":
            name = _field_name(left)
            if name is None:
                self._unexpected_operator(operator, start)
            return tree.Assign(left.at, name, self.value(expression=True, level=level))
        if operator == "%":
            lexer.problem(
                "modulo-operator", "the documented grammar has no `%`", "use math:mod(field, divisor=...)", start
            )
        if operator in _WRONG_OPERATORS:
            code, message, hint = _WRONG_OPERATORS[operator]
            lexer.problem(code, message, hint, start)
            if operator == "=~" and lexer.peek() == "/":
                return tree.Binary(left.at, operator, _as_operand(left), lexer.regex())
        with self.deeper():
            right = self.value(expression=True, level=level + 1)
        return tree.Binary(left.at, operator, _as_operand(left), right)

    def _unexpected_operator(self, operator: str, at: int | None = None) -> NoReturn:
        self.lexer.fail(
            "syntax",
            f"`{operator}` cannot stand in an expression",
            "an expression has == != < <= > >= + - * / and calls",
            at,
        )

    def _unary(self, *, expression: bool) -> tree.Value:
        lexer = self.lexer
        start = lexer.pos
        minus = lexer.peek() == "-" and (expression or not lexer.next_word(ARGUMENT_WORD)[1:])
        if minus or (lexer.peek() == "!" and lexer.peek(2) != "!="):
            operator = lexer.peek()
            lexer.pos += 1
            lexer.skip()
            number = lexer.next_word(NUMBER)
            if operator == "-" and number and lexer.next_word(NAME) == number:
                lexer.pos += len(number)
                return tree.Number(lexer.at(start), f"-{number}", number_value(f"-{number}"))
            with self.deeper():
                return tree.Unary(lexer.at(start), operator, self._unary(expression=True))
        return self._primary(expression=expression)

    def _primary(self, *, expression: bool) -> tree.Value:
        lexer = self.lexer
        start = lexer.pos
        match lexer.peek():
            case '"':
                return lexer.string()
            case "?":
                return lexer.parameter()
            case "$":
                return self.saved()
            case "[":
                return self.array(expression=expression)
            case "{":
                return tree.Subquery(lexer.at(start), self.braces())
            case "(":
                return self._parenthesised(expression=expression)
            case "/":
                return self._regex_in_expression()
            case "'":
                lexer.fail("single-quotes", "a text stands in single quotes", 'CQL texts take double quotes: "..."')
            case _:
                return self._word(expression=expression)

    def _word(self, *, expression: bool) -> tree.Value:
        lexer = self.lexer
        start = lexer.pos
        called = self.called_function(anywhere=True)
        if called:
            return self.call(called, start)
        word = lexer.match(NAME if expression else ARGUMENT_WORD)
        at = lexer.at(start)
        if not word:
            lexer.fail(
                "syntax",
                f"{lexer.peek()!r} stands where a value must stand" if lexer.peek() else "the query ends inside a call",
                "write a field, a number, a text in double quotes or a call here",
            )
        if not expression and lexer.next_word(_DOLLAR):  # `regex=^a$`
            lexer.problem("unquoted-text", "a text that holds $ has no quotes", f'write "{word}$"', start)
            lexer.pos += 1
            return tree.Bare(at, f"{word}$")
        if NUMBER.fullmatch(word):
            return tree.Number(at, word, number_value(word))
        if word in {"true", "false"}:
            return tree.Boolean(at, word == "true")
        return tree.Field(at, word) if expression else tree.Bare(at, word)

    def _regex_in_expression(self) -> tree.Regex:
        self.lexer.problem(
            "regex-in-expression",
            "a regular expression literal stands in an expression or argument",
            'test it in a filter of its own (field=/.../), or give regex("...") its text',
        )
        return self.lexer.regex()

    def called_function(self, *, anywhere: bool) -> str:
        """Passes the name of a call if one comes next, up to its parenthesis.

        A blank before the parenthesis is allowed where nothing else could be meant: in an expression, and at the name
        of a function that exists.
        """
        lexer = self.lexer
        found = FUNCTION_NAME.match(lexer.text, lexer.pos)
        if not found:
            return ""
        name, end = found.group(), found.end()
        while lexer.text[end : end + 1].isspace() and (anywhere or is_function(name)):
            end += 1
        if lexer.text[end : end + 1] != "(" or (end > found.end() and name.lower() in {"and", "or", "not", "like"}):
            return ""
        lexer.pos = end
        return name

    def _parenthesised(self, *, expression: bool) -> tree.Value:
        lexer = self.lexer
        opened = lexer.pos
        lexer.take("(")
        lexer.skip()
        with self.deeper():
            value = self.value(expression=expression)
        lexer.skip()
        if not lexer.take(")"):
            self._unclosed(opened, "a parenthesis", ")")
        return value

    def array(self, *, expression: bool) -> tree.Array:
        """`[a, b, ...]`, which opens here."""
        lexer = self.lexer
        opened = lexer.pos
        lexer.take("[")
        items: list[tree.Value] = []
        with self.deeper():
            while True:
                lexer.skip()
                if lexer.take("]"):
                    return tree.Array(lexer.at(opened), tuple(items))
                if not lexer.peek():
                    self._unclosed(opened, "a list", "]")
                items.append(self.value(expression=expression))
                lexer.skip()
                if not lexer.take(",") and lexer.peek() != "]":
                    if not lexer.peek() or lexer.peek() in ")|":
                        self._unclosed(opened, "a list", "]")
                    lexer.fail(
                        "syntax",
                        f"{lexer.peek()!r} stands where a list's comma or its end must stand",
                        "separate by commas, and put texts with blanks or special characters in double quotes",
                    )

    def braces(self) -> tree.Pipeline:
        """`{ pipeline }`, which opens here."""
        lexer = self.lexer
        opened = lexer.pos
        lexer.take("{")
        with self.deeper():
            pipeline = self.pipeline("}")
        if not lexer.take("}"):
            self._unclosed(opened, "a brace", "}")
        return pipeline


def number_value(text: str) -> int | float:
    """The value of a text that `NUMBER` matches."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _field_name(value: tree.Value) -> tree.Field | None:
    match value:
        case tree.Field():
            return value
        case tree.Bare(at, name):
            return tree.Field(at, name)
        case tree.Quoted(at, name):
            return tree.Field(at, name, quoted=True)
        case _:
            return None


def _as_operand(value: tree.Value) -> tree.Value:
    """A word that an operator follows is a field, whatever the argument takes."""
    return tree.Field(value.at, value.value) if isinstance(value, tree.Bare) else value
