"""Expressions: one small closed set of nodes for rule conditions and for the steps of a correlation.

Every language prints this one tree, so that missing values and letter case are decided once:

* an *atom* (comparison, in, text match, regex, in-network, exists) is true or false, never unknown. It is false where
  a value that it needs is missing, so `not` keeps a row that lacks the field, as in Sigma;
* text is compared without regard to case unless `cased`;
* arithmetic on a missing value is missing, and so is a division by zero.

A missing value is null or empty text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polysigma.plan.faults import Place

Scalar = str | int | float | bool


class Wildcard(Enum):
    """A part of a text pattern that stands for other text."""

    ANY = "*"
    """Any text, also none, also over line ends."""
    ONE = "?"
    """Exactly one character."""

    __hash__ = object.__hash__
    """As members are compared: by identity. Enum's own is Python code, and patterns are hashed by the thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all expressions have: the place in the rule that they came from, if known. It takes no part in equality."""

    at: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Column(Node):
    """The value of a column."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A constant; `None` is a missing value."""

    value: Scalar | None


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """A list of constants, right of `in`."""

    items: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Lookup(Node):
    """A list of texts that the platform keeps under a name, right of `in`: a query names it and does not hold it."""

    name: str
    items: tuple[str, ...]
    """What is in it; addresses in their canonical spelling."""


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """`:name`, a parameter of the rule. It is bound to a literal before anything is printed."""

    name: str


ArithmeticOperator = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`left operator right` on numbers; `/` is real division and is missing where the divisor is 0."""

    operator: ArithmeticOperator
    left: Expression
    right: Expression


ComparisonOperator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`left operator right`; an atom. `!=` is false, too, where a side is missing."""

    operator: ComparisonOperator
    left: Expression
    right: Expression
    cased: bool = False
    """For two texts: with regard to case."""


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of them."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """At least one of them."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The opposite of a true or false expression."""

    item: Expression


@dataclass(frozen=True, slots=True)
class In(Node):
    """`item in choices`; an atom. `choices` is a list, a lookup or, before binding, a parameter."""

    item: Expression
    choices: ListLiteral | Lookup | Parameter
    cased: bool = False


@dataclass(frozen=True, slots=True)
class TextMatch(Node):
    """Whole-value match of a text against literal parts and wildcards; an atom."""

    item: Expression
    parts: tuple[str | Wildcard, ...]
    cased: bool = False

    def __hash__(self) -> int:
        # Of the many in one list of values, the parts are what differs.
        return hash(self.parts)


RegexFlag = Literal["i", "m", "s"]


@dataclass(frozen=True, slots=True)
class Regex(Node):
    """A match of a regular expression anywhere in a text (Sigma's `re`); an atom. With regard to case without `i`."""

    item: Expression
    pattern: str
    flags: frozenset[RegexFlag] = frozenset()


@dataclass(frozen=True, slots=True)
class InNetwork(Node):
    """Whether an address lies in one of the networks (CIDR notation, IPv4 and IPv6); an atom."""

    item: Expression
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """Whether a value is there: neither null nor empty text. An atom; `x is null` is its opposite."""

    item: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of `polysigma.plan.functions`."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Case(Node):
    """The value of the first branch whose condition holds, else `otherwise`."""

    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression


Expression = (
    Column
    | Constant
    | ListLiteral
    | Lookup
    | Parameter
    | Arithmetic
    | Comparison
    | And
    | Or
    | Not
    | In
    | TextMatch
    | Regex
    | InNetwork
    | Exists
    | Call
    | Case
)

TRUE = Constant(True)  # noqa: FBT003 (a constant of the language, not a flag)
FALSE = Constant(False)  # noqa: FBT003
NULL = Constant(None)


def conjunction(*items: Expression) -> Expression:
    """`items` joined by and, nested ones unfolded, duplicates and TRUE left out; TRUE if nothing is left."""
    # A rule may list thousands of values, so duplicates are found by hash.
    parts = (part for item in items for part in (item.items if isinstance(item, And) else (item,)))
    flat = dict.fromkeys(part for part in parts if not isinstance(part, Constant) or part != TRUE)
    if len(flat) == 1:
        return next(iter(flat))
    return And(tuple(flat)) if flat else TRUE


def disjunction(*items: Expression) -> Expression:
    """`items` joined by or, nested ones unfolded, duplicates left out; FALSE if there are none."""
    parts = (part for item in items for part in (item.items if isinstance(item, Or) else (item,)))
    flat = dict.fromkeys(part for part in parts if not isinstance(part, Constant) or part != FALSE)
    if len(flat) == 1:
        return next(iter(flat))
    return Or(tuple(flat)) if flat else FALSE


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """The parts that must all hold; none for TRUE."""
    if expression == TRUE:
        return ()
    return expression.items if isinstance(expression, And) else (expression,)


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside an expression, in order of reading."""
    match expression:  # what conditions consist of comes first
        case TextMatch(item=item) | Not(item=item) | Regex(item=item) | InNetwork(item=item) | Exists(item=item):
            return (item,)
        case And(items=items) | Or(items=items):
            return items
        case Column() | Constant() | ListLiteral() | Lookup() | Parameter():
            return ()
        case In(item=item, choices=choices):
            return (item, choices)
        case Arithmetic(left=left, right=right) | Comparison(left=left, right=right):
            return (left, right)
        case Call(arguments=arguments):
            return arguments
        case Case(branches=branches, otherwise=otherwise):
            return (*(part for branch in branches for part in branch), otherwise)


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything inside it, outer first."""
    queue = [expression]
    while queue:
        node = queue.pop()
        yield node
        queue += children(node)[::-1]


def columns(expression: Expression) -> tuple[str, ...]:
    """The names of the columns that an expression reads, each once, in order of reading."""
    found: dict[str, None] = {}
    queue: list[Expression] = [expression]
    while queue:
        match queue.pop():
            case TextMatch(item=Column(name=name)) | Column(name=name):  # most of a condition
                found[name] = None
            case And(items=items) | Or(items=items):
                queue += items[::-1]
            case node:
                queue += children(node)[::-1]
    return tuple(found)


def rewrite(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The expression with `change` applied to every node, inner ones first; positions are kept."""
    parts = children(expression)
    new = tuple(rewrite(part, change) for part in parts)
    if all(old is part for old, part in zip(parts, new, strict=True)):
        return change(expression)  # most of a condition stays as it is, and need not be made again
    return change(_with_children(expression, new))


def _with_children(expression: Expression, new: tuple[Expression, ...]) -> Expression:
    """The expression with other expressions directly inside of it."""
    at = expression.at
    match expression:
        case Column() | Constant() | ListLiteral() | Lookup() | Parameter():
            return expression
        case Arithmetic(operator=operator):
            return Arithmetic(operator, new[0], new[1], at=at)
        case Comparison(operator=comparison, cased=cased):
            return Comparison(comparison, new[0], new[1], cased, at=at)
        case And():
            return And(new, at=at)
        case Or():
            return Or(new, at=at)
        case Not():
            return Not(new[0], at=at)
        case In(cased=cased):
            item, choices = new
            if not isinstance(choices, ListLiteral | Lookup | Parameter):
                raise TypeError(f"the right side of `in` must stay a list, not {choices!r}")
            return In(item, choices, cased, at=at)
        case TextMatch(parts=parts, cased=cased):
            return TextMatch(new[0], parts, cased, at=at)
        case Regex(pattern=pattern, flags=flags):
            return Regex(new[0], pattern, flags, at=at)
        case InNetwork(networks=networks):
            return InNetwork(new[0], networks, at=at)
        case Exists():
            return Exists(new[0], at=at)
        case Call(name=name):
            return Call(name, new, at=at)
        case Case():
            *pairs, otherwise = new
            return Case(tuple(zip(pairs[::2], pairs[1::2], strict=True)), otherwise, at=at)
