"""The typed tree of a CQL query: what an engine evaluates, a linter judges and a highlighter colours.

Every node is a frozen dataclass with `at`, the place of its first character. A literal keeps its decoded value and its
kind: a quoted text, a bare word, a number, a regular expression and a parameter are different classes, because CQL
gives each another meaning by where it stands.

Source: library.humio.com/lql-grammar/syntax-grammar-guide-subset.html, whose productions the class names follow
loosely (LogicalOrFilter is `Or`, FreeTextPattern is `FreeText`, EvalShorthand is `Assign`, FieldShorthand is `Bind`,
StatsShorthand is `Stats`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any, TypeAlias

from polysigma.diagnostics import Position  # noqa: TC001  (`dataclasses.fields` and typing tools read it at run time)

if TYPE_CHECKING:
    from collections.abc import Iterator


_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes have: the place of their first character."""

    at: Position


# Literals and names


@dataclass(frozen=True, slots=True)
class Quoted(Node):
    r"""A text in double quotes, decoded (`\"`, `\\`, `\n`, `\r` and `\t`; any other backslash stays).

    As a filter's pattern every `*` in it is a wildcard. In an expression it is plain text.
    """

    value: str


@dataclass(frozen=True, slots=True)
class Bare(Node):
    """An unquoted word: a pattern in a filter (`*` is a wildcard), a name or a keyword in an argument (`limit=max`)."""

    value: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number, as written and as a value."""

    text: str
    value: int | float


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """`true` or `false`, as a filter or in an expression."""

    value: bool


@dataclass(frozen=True, slots=True)
class Regex(Node):
    r"""A regular expression literal `/pattern/flags`; `pattern` is as written, without the slashes, `\/` included."""

    pattern: str
    flags: str

    @property
    def source(self) -> str:
        r"""The pattern with `\/` as `/`: what a regular expression engine gets."""
        return _ESCAPE.sub(lambda found: "/" if found[1] == "/" else found[0], self.pattern)


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A user parameter, `?name` or `?{name=default}`."""

    name: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A field's name where the grammar has a field: left of a comparison or `:=`, or a word in an expression."""

    name: str
    quoted: bool = False


# Filters


@dataclass(frozen=True, slots=True)
class And(Node):
    """All operands hold; `explicit` when one `and` at least was written out."""

    operands: tuple[Filter, ...]
    explicit: bool = True
    grouped: bool = dataclass_field(default=False, compare=False)
    """Whether it stands in parentheses of its own."""


@dataclass(frozen=True, slots=True)
class Or(Node):
    """One operand at least holds. In CQL it binds tighter than `and`."""

    operands: tuple[Filter, ...]
    grouped: bool = dataclass_field(default=False, compare=False)
    """Whether it stands in parentheses of its own."""


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The operand does not hold (`not f`, `!f`, `!call()`)."""

    operand: Filter


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`field op value`. `op` is one of `=`, `!=`, `like` (with a pattern) or `<`, `<=`, `>`, `>=` (with a number)."""

    field: Field
    op: str
    value: Pattern | Number


@dataclass(frozen=True, slots=True)
class FreeText(Node):
    """A pattern looked for in the whole event; the word `*` alone holds for every event."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Link(Node):
    """`field <=> Query.field`: in a `correlate()` query, the equality that joins two queries."""

    left: Field
    right: Field


@dataclass(frozen=True, slots=True)
class Bind(Node):
    """`field =~ call(...)`: the call with `field=` given; `negated` for `field =~ !call(...)`."""

    field: Field
    call: Call
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """One argument of a call; `name` is None for the unnamed one."""

    name: str | None
    value: Value


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function call, as a step, a filter's operand or part of an expression. `function` is as it was written."""

    function: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Saved(Node):
    """`$name(...)`: a saved query, whose text is not known here."""

    name: str
    arguments: tuple[Argument, ...]


# Expressions


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-operand` or `!operand`."""

    op: str
    operand: Value


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left op right`, op one of `== != < <= > >= + - * /`."""

    op: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Array(Node):
    """`[a, b, ...]` in an argument."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """`{ pipeline }` as an argument: of `join`, of `defineTable`, or a composite function of `groupBy`."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class NamedQuery(Node):
    """`Name: { pipeline } include: [fields]`: one query of a `correlate()`."""

    name: str
    pipeline: Pipeline
    include: Value | None


# Steps


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`field := value`: sets the field to an expression, which may be a call that computes one."""

    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Case(Node):
    """`case { a | b ; c | d }`: an event takes the first branch that it passes; without a `*` branch it may be lost."""

    branches: tuple[Pipeline, ...]


@dataclass(frozen=True, slots=True)
class MatchBranch(Node):
    """`guard => pipeline` in a `match`."""

    guard: Guard
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Match(Node):
    """`field match { guard => pipeline ; ... }`."""

    field: Field
    branches: tuple[MatchBranch, ...]


@dataclass(frozen=True, slots=True)
class Stats(Node):
    """`[f(), g()]` as a step, short for `stats([f(), g()])`."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Pipeline(Node):
    """Steps, each fed by the one before it."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """A comment, without its marks."""

    text: str
    block: bool = False


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A whole query and the comments in it."""

    pipeline: Pipeline
    comments: tuple[Comment, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the query's own pipeline."""
        return self.pipeline.steps


Pattern: TypeAlias = Quoted | Bare | Regex | Parameter
Filter: TypeAlias = And | Or | Not | Compare | FreeText | Boolean | Link | Bind | Call | Saved
Step: TypeAlias = Filter | Assign | Case | Match | Stats
Guard: TypeAlias = Quoted | Bare | Regex | Parameter | Call
Value: TypeAlias = (
    Quoted
    | Bare
    | Number
    | Boolean
    | Regex
    | Parameter
    | Field
    | Call
    | Saved
    | Unary
    | Binary
    | Array
    | Subquery
    | NamedQuery
    | Assign
)
"""What an argument or the right side of `:=` may hold. `Bare` stands in arguments that take names, keywords or
patterns; in an argument that takes an expression the same word is a `Field`. `Assign` stands only in a list of
functions. `Regex` never stands in a query without errors."""


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below `node`, in the order of the text."""
    for field in fields(node):
        value: Any = getattr(node, field.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, Node):
                    yield item


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it, parents first, in the order of the text."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(tuple(children(current))))
