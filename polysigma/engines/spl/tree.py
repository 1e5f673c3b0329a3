"""What SPL text means, as a tree. Every node has the offset in the text where it begins."""

from __future__ import annotations

from dataclasses import dataclass, field


class SplError(ValueError):
    """Text that is no SPL, or SPL that is not known here; with the line and the column, both from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        self.line = text.count("\n", 0, at) + 1
        self.column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"{self.line}:{self.column}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all nodes have."""

    at: int = field(default=0, compare=False, repr=False)


# Search expressions.


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """`` `name` ``: what a site has defined."""

    name: str


@dataclass(frozen=True, slots=True)
class Term(Node):
    """`field operator value`; `*` in the value of `=` and `!=` is a wildcard."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class TermIn(Node):
    """`field IN (values)`."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchNot(Node):
    item: SearchExpression


@dataclass(frozen=True, slots=True)
class SearchAnd(Node):
    items: tuple[SearchExpression, ...]


@dataclass(frozen=True, slots=True)
class SearchOr(Node):
    items: tuple[SearchExpression, ...]


SearchExpression = Macro | Term | TermIn | SearchNot | SearchAnd | SearchOr

# Expressions of eval and where.


@dataclass(frozen=True, slots=True)
class Name(Node):
    """The value of a field."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A text or a number."""

    value: str | int | float


@dataclass(frozen=True, slots=True)
class Function(Node):
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """`left operator right`: arithmetic, `.` for joined text, comparisons, AND and OR."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Opposite(Node):
    """`NOT item`, or `-item`."""

    operator: str
    item: Expression


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """`item IN (choices)`."""

    item: Expression
    choices: tuple[Expression, ...]


Expression = Name | Literal | Function | Operation | Opposite | Membership

# Commands.


@dataclass(frozen=True, slots=True)
class Search(Node):
    """The first search; `earliest` and `latest` are its bounds in time."""

    expression: SearchExpression
    earliest: str | None = None
    latest: str | None = None


@dataclass(frozen=True, slots=True)
class Where(Node):
    condition: Expression


@dataclass(frozen=True, slots=True)
class Eval(Node):
    assignments: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """`function(field or eval(expression)) AS name`; `count` may have no argument."""

    function: str
    argument: Expression | None
    name: str
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Stats(Node):
    """`stats`, or `eventstats`, which adds the numbers to every row."""

    aggregates: tuple[Aggregate, ...]
    by: tuple[str, ...]
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Streamstats(Node):
    """`streamstats current=f window=1 global=f last(field) AS name by keys`: the value in each key's row before."""

    field: str
    name: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tstats(Node):
    """`tstats` over a data set; `span` is the width of `_time` among the keys, in seconds."""

    aggregates: tuple[Aggregate, ...]
    data_model: str
    where: SearchExpression | None
    by: tuple[str, ...]
    span: int | None = None
    earliest: str | None = None
    latest: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup(Node):
    """`lookup file.csv column AS key OUTPUT shown AS found`."""

    table: str
    column: str
    key: str
    shown: str
    found: str


@dataclass(frozen=True, slots=True)
class Sort(Node):
    """Each field with True for descending; `limit` 0 keeps every row."""

    keys: tuple[tuple[str, bool], ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Head(Node):
    count: int


@dataclass(frozen=True, slots=True)
class Table(Node):
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fieldformat(Node):
    """How a field is shown; its value stays."""

    field: str
    shown: Expression


@dataclass(frozen=True, slots=True)
class Rename(Node):
    """`rename prefix.* AS *`."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Mvexpand(Node):
    field: str


@dataclass(frozen=True, slots=True)
class Append(Node):
    """`append [search]`: the rows of another search behind those so far."""

    query: Query


Command = (
    Append
    | Search
    | Where
    | Eval
    | Stats
    | Streamstats
    | Tstats
    | Lookup
    | Sort
    | Head
    | Table
    | Fieldformat
    | Rename
    | Mvexpand
)


@dataclass(frozen=True, slots=True)
class Query(Node):
    """Commands in the order of the pipeline; the first one finds the rows."""

    commands: tuple[Command, ...]
