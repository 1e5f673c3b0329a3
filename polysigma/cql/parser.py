"""The parser of CQL: text to the tree of `polysigma.cql.tree`, by recursive descent.

`OR` binds tighter than `AND`, `AND` may be left out, `NOT` and `!` bind tightest
(library.humio.com/lql-grammar/syntax-grammar-guide-subset.html). The documented grammar has calls only as whole steps;
a call under `and`, `or` or `not` is parsed too, because people write it, and left to the linter to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from polysigma.cql import tree
from polysigma.cql.filters import CASE, ENDS, MATCH, QUOTE_IT, FilterParser
from polysigma.cql.lexer import PATTERN, Stop
from polysigma.diagnostics import PolysigmaError, Severity

if TYPE_CHECKING:
    from polysigma.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a tolerant parse gives: the query as far as it could be read, and what was wrong with it."""

    query: tree.Query
    problems: tuple[Diagnostic, ...]


def parse(text: str, file: str | None = None) -> tree.Query:
    """The tree of a query. Raises PolysigmaError, with every problem found, if the grammar does not allow the text."""
    parsed = parse_tolerantly(text)
    errors = [replace(problem, file=file) for problem in parsed.problems if problem.severity is Severity.ERROR]
    if errors:
        raise PolysigmaError(*errors)
    return parsed.query


def parse_tolerantly(text: str) -> Parsed:
    """The tree as far as it can be read, with what was wrong. Raises nothing."""
    parser = _Parser(text)
    lexer = parser.lexer
    start = lexer.at(0)
    try:
        pipeline = parser.whole()
    except Stop:
        pipeline = tree.Pipeline(start, tuple(parser.done))
    except RecursionError:  # a limit of the caller's stack, since ours is MAX_DEPTH
        lexer.problem("too-deep", "the query nests too deeply", "split it into steps")
        pipeline = tree.Pipeline(start, tuple(parser.done))
    return Parsed(tree.Query(start, pipeline, tuple(lexer.comments)), tuple(lexer.problems))


class _Parser(FilterParser):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.done: list[tree.Step] = []

    def whole(self) -> tree.Pipeline:
        lexer = self.lexer
        at = lexer.at(0)
        self._steps(self.done, "")
        if lexer.peek():
            lexer.fail("syntax", f"{lexer.peek()!r} closes what was not opened", f"remove it, or {QUOTE_IT}")
        return tree.Pipeline(at, tuple(self.done))

    def pipeline(self, closing: str) -> tree.Pipeline:
        """Steps up to one of the `closing` characters, which is not passed."""
        self.lexer.skip()
        at = self.lexer.at()
        steps: list[tree.Step] = []
        self._steps(steps, closing)
        return tree.Pipeline(at, tuple(steps))

    def _steps(self, steps: list[tree.Step], closing: str) -> None:
        lexer = self.lexer
        lexer.skip()
        lexer.take("|")  # a leading pipe is allowed
        while True:
            lexer.skip()
            character = lexer.peek()
            if not character or character in closing:
                self._trailing_pipe(steps)
                return
            if character == "|":
                lexer.fail("empty-step", "two pipes have no step between them", "remove one of them")
            if character in ENDS:
                return
            steps.append(self._step())
            lexer.skip()
            if not lexer.take("|"):
                self._end_of_step(closing)
                return

    def _trailing_pipe(self, steps: list[tree.Step]) -> None:
        if steps:
            self.lexer.problem("trailing-pipe", "no step follows the last pipe", "remove the pipe, or write the step")

    def _end_of_step(self, closing: str) -> None:
        lexer = self.lexer
        character = lexer.peek()
        if not character or character in closing or character in ENDS:
            return
        hints = {
            ",": f"separate steps by | and arguments by commas inside ( ); {QUOTE_IT}",
            "'": 'CQL texts take double quotes: "..."',
            "`": f"a backtick has no meaning in CQL; {QUOTE_IT}",
        }
        lexer.fail("syntax", f"{character!r} cannot stand here", hints.get(character, f"write | or {QUOTE_IT}"))

    # Steps

    def _step(self) -> tree.Step:
        lexer = self.lexer
        start = lexer.pos
        if lexer.next_word(CASE):
            return self._case()
        if lexer.peek() == "[":
            array = self.array(expression=False)
            return tree.Stats(array.at, array.items)
        field = self._assigned_field()
        if field is None:
            lexer.pos = start
            return self.filter()
        lexer.skip()
        if lexer.take(":="):
            lexer.skip()
            if lexer.peek() in ENDS:
                lexer.fail("syntax", f"{field.name} := has no value", "write field := expression", start)
            return tree.Assign(field.at, field, self.value(expression=True))
        return self._match(field)

    def _assigned_field(self) -> tree.Field | None:
        """The field of `field := ...` or `field match { ... }`, if that is what comes next."""
        lexer = self.lexer
        start = lexer.pos
        comments = len(lexer.comments)
        if lexer.peek() == '"':
            string = lexer.string()
            field = tree.Field(string.at, string.value, quoted=True)
        else:
            name = lexer.match(PATTERN)
            if not name:
                return None
            field = tree.Field(lexer.at(start), name)
        end = lexer.pos
        lexer.skip()
        if lexer.peek(2) == ":=" or lexer.next_word(MATCH):
            self.check_name(field, start)
            lexer.pos = end
            del lexer.comments[comments:]
            return field
        del lexer.comments[comments:]
        return None

    def _case(self) -> tree.Case:
        lexer = self.lexer
        start = lexer.pos
        lexer.match(CASE)
        branches: list[tree.Pipeline] = []
        with self.deeper():
            while True:
                lexer.skip()
                if lexer.take("}"):
                    return tree.Case(lexer.at(start), tuple(branches))
                branch_start = lexer.pos
                branch = self.pipeline(";}")
                lexer.skip()
                if lexer.take(";"):
                    if not branch.steps:
                        lexer.problem("empty-step", "a case branch is empty", "remove its semicolon", branch_start)
                elif lexer.peek() != "}":
                    self._unclosed_case(start)
                if branch.steps:
                    branches.append(branch)

    def _unclosed_case(self, start: int) -> NoReturn:
        lexer = self.lexer
        if not lexer.peek():
            lexer.fail("syntax", "a case is not closed", "close it with }", start)
        lexer.fail(
            "syntax", f"{lexer.peek()!r} cannot stand here", f"end a case branch by ; and a case by }}; {QUOTE_IT}"
        )

    def _match(self, field: tree.Field) -> tree.Match:
        lexer = self.lexer
        start = lexer.pos
        lexer.match(MATCH)
        branches: list[tree.MatchBranch] = []
        with self.deeper():
            while True:
                lexer.skip()
                if lexer.take("}"):
                    return tree.Match(field.at, field, tuple(branches))
                if not lexer.peek():
                    lexer.fail("syntax", "a match is not closed", "close it with }", start)
                at = lexer.at()
                guard = self._guard()
                lexer.skip()
                if not lexer.take("=>"):
                    lexer.fail("syntax", "a match guard has no => behind it", 'write "value" => step | step ;')
                branches.append(tree.MatchBranch(at, guard, self.pipeline(";}")))
                lexer.skip()
                if not lexer.take(";") and lexer.peek() not in {"}", ""}:
                    lexer.fail("syntax", f"{lexer.peek()!r} cannot stand here", "end a match branch by ;")

    def _guard(self) -> tree.Guard:
        called = self.called_function(anywhere=False)
        if called:
            return self.call(called, self.lexer.pos - len(called))
        pattern = self.pattern()
        if pattern is None:
            self.lexer.fail(
                "syntax",
                f"{self.lexer.peek()!r} cannot be a match guard",
                'a guard is "a pattern", /a regex/, a filter function\'s call, or * for the rest',
            )
        return pattern
