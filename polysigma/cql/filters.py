"""The part of the parser that reads filters: conditions under and, or, not, and the patterns in them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from polysigma.cql import tree
from polysigma.cql.expressions import MAX_DEPTH, ExpressionParser, number_value
from polysigma.cql.lexer import NAME, NUMBER, PATTERN

if TYPE_CHECKING:
    from polysigma.diagnostics import Position

_COMPARISON = re.compile(r"=~|==|!=~|!=|<=>|<>|<=|>=|=(?!>)|<|>")
_LIKE = re.compile(r"like(?![\w.:*-])")
_AND = re.compile(r"and(?![\w.:*@#/-])(?!\s*(?:!?=|[<>]))", re.IGNORECASE)
_OR = re.compile(r"or(?![\w.:*@#/-])(?!\s*(?:!?=|[<>]))", re.IGNORECASE)
_NOT = re.compile(r"not(?![\w.:*@#/-])(?!\s*(?:!?=|[<>]))", re.IGNORECASE)
CASE = re.compile(r"case\s*\{")
MATCH = re.compile(r"match\s*\{")
ENDS = {"", "|", ")", "}", ";"}

QUOTE_IT = "put a text or a name with blanks or special characters in double quotes"


class FilterParser(ExpressionParser):
    """Reads filters."""

    def filter(self) -> tree.Filter:
        """A filter with everything that `and`, written or not, joins to it."""
        lexer = self.lexer
        at = lexer.at()
        self._leading_operator()
        operands: list[tree.Filter] = [self._or()]
        explicit = False
        while True:
            lexer.skip()
            if lexer.match(_AND):
                explicit = True
                lexer.skip()
                self._needs_operand("and")
            elif lexer.peek() in ENDS or lexer.peek() in {",", "'", "`", "]", "}"}:
                break
            operands.append(self._or())
        return operands[0] if len(operands) == 1 else tree.And(at, tuple(operands), explicit)

    def _leading_operator(self) -> None:
        lexer = self.lexer
        start = lexer.pos
        word = "and" if lexer.match(_AND) else "or" if lexer.match(_OR) else None
        if word is None:
            return
        lexer.skip()
        compared = lexer.match(_COMPARISON)  # a field of this name
        lexer.pos = start
        if not compared:
            hint = f"begin with the condition; `|` joins this step to the one before by and, or write {QUOTE_IT}"
            lexer.fail("syntax", f"`{word}` has no condition before it", hint)

    def _or(self) -> tree.Filter:
        lexer = self.lexer
        at = lexer.at()
        operands = [self._not()]
        while True:
            lexer.skip()
            if not lexer.match(_OR):
                break
            lexer.skip()
            self._needs_operand("or")
            operands.append(self._not())
        return operands[0] if len(operands) == 1 else tree.Or(at, tuple(operands))

    def _needs_operand(self, word: str) -> None:
        if self.lexer.peek() in ENDS or self.lexer.next_word(_AND) or self.lexer.next_word(_OR):
            self.lexer.fail("syntax", f"`{word}` has no condition behind it", f"write the condition, or {QUOTE_IT}")

    def _not(self) -> tree.Filter:
        lexer = self.lexer
        negations = []
        while True:
            lexer.skip()
            at = lexer.at()
            if lexer.match(_NOT) or (lexer.peek(2) != "!=" and lexer.take("!")):
                negations.append(at)
                continue
            break
        if len(negations) > MAX_DEPTH:
            lexer.fail("too-deep", f"more than {MAX_DEPTH} negations stand in a row", "remove all but one")
        if negations:
            self._needs_operand("not")
        operand = self._primary_filter()
        for at in reversed(negations):
            operand = tree.Not(at, operand)
        return operand

    def _primary_filter(self) -> tree.Filter:
        lexer = self.lexer
        start = lexer.pos
        at = lexer.at()
        match lexer.peek():
            case "(":
                return self._group()
            case "$":
                return self.saved()
            case '"':
                string = lexer.string()
                return self._comparison(tree.Field(at, string.value, quoted=True), start) or tree.FreeText(at, string)
            case "/" | "?":
                pattern = self.pattern()
                assert pattern is not None
                return tree.FreeText(at, pattern)
        called = self.called_function(anywhere=False)
        if called:
            return self.call(called, start)
        if lexer.next_word(CASE):
            lexer.fail("missing-pipe", "`case` stands in a filter", "write | before it")
        word = lexer.match(PATTERN)
        if not word:
            self._no_filter()
        self._ends_in_slashes(word, start)
        if word.endswith("~") and lexer.peek() == "=":
            hint = (
                f"write {word.rstrip('~')}=~ to bind a function to the field, or {word.rstrip('~')}=/.../ for a pattern"
            )
            lexer.fail("syntax", "`~=` is no operator", hint, lexer.pos - 1)
        return self._comparison(tree.Field(at, word), start) or _word_filter(at, word)

    def _no_filter(self) -> NoReturn:
        lexer = self.lexer
        character = lexer.peek()
        hints = {
            "'": ("single-quotes", 'CQL texts take double quotes: "..."'),
            "=": ("syntax", "write a field name before the operator, in double quotes if it has special characters"),
            "{": ("syntax", "braces belong to case, match, join and functions; a filter groups with ( )"),
            "[": ("syntax", "a list of functions is a step of its own: write | before it"),
        }
        code, hint = hints.get(character, ("syntax", f"write a condition or a call here, or {QUOTE_IT}"))
        if character in {"\u00a0", "\u200b", "\ufeff", "\u3000"}:
            hint = "it looks like a blank and is none: replace it by one"
        message = f"{character!r} cannot stand here" if character else "the query ends where a step must stand"
        lexer.fail(code, message, hint)

    def _ends_in_slashes(self, word: str, start: int) -> None:
        if word.endswith("//"):
            self.lexer.fail("syntax", f"{word} ends in slashes", f'write "{word}", or a blank before a comment', start)

    def _group(self) -> tree.Filter:
        lexer = self.lexer
        opened = lexer.pos
        lexer.take("(")
        lexer.skip()
        with self.deeper():
            inner = self.filter()
        lexer.skip()
        if lexer.take(")"):
            return replace(inner, grouped=True) if isinstance(inner, tree.And | tree.Or) else inner
        if lexer.peek() == "|":
            lexer.fail(
                "pipe-in-parentheses",
                "a pipe stands inside the parentheses of a filter",
                "parentheses group conditions; put steps in a case { ... }, or close the parenthesis",
            )
        if lexer.peek(2) == ":=":
            lexer.fail("syntax", "`:=` stands inside a filter", "make the assignment a step of its own")
        self._unclosed(opened, "a parenthesis", ")")

    def _comparison(self, field: tree.Field, start: int) -> tree.Filter | None:
        """The comparison that goes on behind a field's name, or None if the name is free text."""
        lexer = self.lexer
        end = lexer.pos
        comments = len(lexer.comments)
        lexer.skip()
        operator = lexer.match(_COMPARISON) or lexer.match(_LIKE)
        if not operator:
            self._misplaced_operator(field)
            lexer.pos = end
            del lexer.comments[comments:]
            return None
        self.check_name(field, start)
        if operator in {"=~", "!=~"}:
            return self._bind(field, operator)
        if operator == "<=>":
            lexer.skip()
            right = lexer.pos
            name = lexer.string().value if lexer.peek() == '"' else lexer.match(NAME)
            if not name:
                lexer.fail("syntax", "<=> has no field behind it", "write field <=> Query.field")
            return tree.Link(field.at, field, tree.Field(lexer.at(right), name))
        if operator in {"==", "<>"}:
            right_one = "=" if operator == "==" else "!="
            lexer.problem(
                "double-equals" if operator == "==" else "syntax",
                f"`{operator}` stands in a filter",
                f"a filter compares with `{right_one}`; test(a == b) compares two fields",
                lexer.pos - len(operator),
            )
            operator = right_one
        if operator in {"=", "!=", "like"}:
            return tree.Compare(field.at, field, operator, self._compared_pattern(field, operator))
        return tree.Compare(field.at, field, operator, self._compared_number(field, operator))

    def _misplaced_operator(self, field: tree.Field) -> None:
        lexer = self.lexer
        if lexer.peek(2) == ":=":
            lexer.fail(
                "missing-pipe", f"an assignment to {field.name} stands in a filter", "write | before the assignment"
            )
        if lexer.next_word(MATCH) and lexer.text[lexer.pos - 1 : lexer.pos].isspace():
            lexer.fail("missing-pipe", f"a match on {field.name} stands in a filter", "write | before it")

    def _compared_pattern(self, field: tree.Field, operator: str) -> tree.Pattern:
        lexer = self.lexer
        if lexer.peek(2) == "//":
            lexer.fail(
                "empty-regex",
                "an empty regular expression // is a comment",
                f'write {field.name}=* for any value, {field.name}="" for an empty one',
            )
        lexer.skip()
        pattern = self.pattern()
        if pattern is not None:
            return pattern
        hints = {
            "(": f"repeat the field: ({field.name}=a or {field.name}=b), or in({field.name}, values=[a, b])",
            "[": f"write in({field.name}, values=[a, b])",
            "'": 'CQL texts take double quotes: "..."',
            "!": f"write {field.name}!=value or not {field.name}=value",
        }
        what = f"{lexer.peek()!r}" if lexer.peek() not in {"", "|"} else "nothing"
        code = "single-quotes" if lexer.peek() == "'" else "syntax"
        hint = hints.get(lexer.peek(), f'write a value, in double quotes; {field.name}="" for an empty one')
        lexer.fail(code, f"{field.name} is compared (`{operator}`) with {what}", hint)

    def _compared_number(self, field: tree.Field, operator: str) -> tree.Number | tree.Parameter:
        lexer = self.lexer
        lexer.skip()
        start = lexer.pos
        at = lexer.at()
        if lexer.peek() == "?":
            return lexer.parameter()
        quoted = lexer.peek() == '"'
        word = lexer.string().value if quoted else lexer.match(PATTERN)
        if NUMBER.fullmatch(word):
            if quoted:
                lexer.problem(
                    "quoted-number", f"`{operator}` compares with a text", f"write {word} without quotes", start
                )
            return tree.Number(at, word, number_value(word))
        lexer.fail(
            "number-needed",
            f"{field.name} {operator} needs a number, not {word or lexer.peek() or 'nothing'}",
            f"write a number; test({field.name} {operator} other) compares two fields",
            start,
        )

    def _bind(self, field: tree.Field, operator: str) -> tree.Filter:
        lexer = self.lexer
        if operator == "!=~":
            lexer.problem(
                "syntax", "`!=~` is no operator", f"write {field.name} =~ !call(...) or !call({field.name}, ...)"
            )
        lexer.skip()
        negated = lexer.take("!")
        lexer.skip()
        start = lexer.pos
        called = self.called_function(anywhere=True)
        if called:
            return tree.Bind(field.at, field, self.call(called, start), negated)
        hint = f"write {field.name}=/.../ for a regular expression" if lexer.peek() in {"/", '"'} else ""
        lexer.fail(
            "syntax",
            f"{field.name} =~ has no function call behind it",
            hint or f"write {field.name} =~ function(...), or {field.name}=value",
        )

    def pattern(self) -> tree.Pattern | None:
        """A pattern, or None if none comes next."""
        lexer = self.lexer
        start = lexer.pos
        match lexer.peek():
            case '"':
                return lexer.string()
            case "/":
                return lexer.regex()
            case "?":
                return lexer.parameter()
        word = lexer.match(PATTERN)
        if not word:
            return None
        self._ends_in_slashes(word, start)
        return tree.Bare(lexer.at(start), word)

    def check_name(self, field: tree.Field, start: int) -> None:
        if not field.quoted and not NAME.fullmatch(field.name):
            self.lexer.problem(
                "field-quotes",
                f"the field name {field.name} holds a character that needs quotes",
                f'write "{field.name}"',
                start,
            )


def _word_filter(at: Position, word: str) -> tree.Filter:
    if word in {"true", "false"}:
        return tree.Boolean(at, word == "true")
    return tree.FreeText(at, tree.Bare(at, word))
