"""Random `polysigma` maps, as a content team could write them: correct by construction, and of every kind of step.

A map is drawn from a seed alone, so that a failure is repeated by its number. What is for display only is not compared,
and nothing hangs on what no language promises: which of two events of one moment is the first, and the last digits of a
deviation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

TEXT, INTEGER, REAL, BOOLEAN, ADDRESS, TIME, LIST = "text", "integer", "real", "boolean", "address", "time", "list"
NUMBERS = (INTEGER, REAL)
WORDS = ("ab", "AB", "foo", "x y", "é", "12", "it''s", "a\\b", "a*b", "100%_", "😀", "nothing")
PARTS = ("a", "B", "é", "\\", "*", "_", "''", "1", "%")
CONSTANTS = {INTEGER: ("0", "1", "2", "3", "12", "443", "65535", "4294967296"), REAL: ("0.5", "1.5", "0.37", "1000.25")}
WIDTHS = ("1m", "15m", "1h")


@dataclass
class Fields:
    """What the events of a category have: names and types; `keys` are those worth grouping by."""

    types: dict[str, str]
    keys: tuple[str, ...]
    weighted: bool = False
    """Whether a row of some platform stands for several events, so that a mean of single events cannot be said."""


@dataclass
class Writer:
    """Writes one map; `columns` are those in scope, `inexact` those that may be shown and not compared for equality."""

    dice: random.Random
    columns: dict[str, str]
    ordered: bool
    """Whether no two events are of one moment, so that there is a first and a last."""
    weighted: bool
    steps: list[dict[str, Any]] = field(default_factory=list)
    inexact: set[str] = field(default_factory=set)
    keys: tuple[str, ...] = ()
    grouped: bool = False
    made: int = 0

    def name(self) -> str:
        self.made += 1
        return f"C{self.made}"

    def some(self, *kinds: str, exact: bool = True) -> list[str]:
        return [name for name, kind in self.columns.items() if kind in kinds and not (exact and name in self.inexact)]

    # Expressions.

    def number(self, depth: int = 2) -> str:
        """A number; one in three is calculated."""
        dice, known = self.dice, self.some(*NUMBERS)
        kind = dice.randrange(9) if depth else 0
        match kind:
            case 0 | 1 | 2 if known:
                return dice.choice(known)
            case 3 | 4:
                operator = dice.choice("+-*/")
                # Products stay within 64 bits: what is beyond ends in an error here, and in other numbers there.
                right = dice.choice(("2", "3", "0.5", "10")) if operator == "*" else self.number(depth - 1)
                return f"({self.number(depth - 1)} {operator} {right})"
            case 5:
                return f"coalesce({self.number(depth - 1)}, {dice.choice(CONSTANTS[INTEGER])})"
            case 6:
                return f"if({self.condition(depth - 1)}, {self.number(depth - 1)}, {self.number(depth - 1)})"
            case 7 if self.some(TEXT):
                return f"{dice.choice(('length', 'digit_ratio', 'vowel_ratio'))}({self.text(0)})"
            case 8 if self.some(TIME):
                times = self.some(TIME)
                if dice.randrange(2):
                    return f"({dice.choice(times)} - {dice.choice(times)})"
                return f"{dice.choice(('minute', 'hour', 'day', 'month'))}({dice.choice(times)})"
            case _:
                return dice.choice(known) if known and dice.randrange(2) else dice.choice(CONSTANTS[INTEGER])

    def text(self, depth: int = 2) -> str:
        dice, known = self.dice, self.some(TEXT)
        kind = dice.randrange(6) if depth else 0
        match kind:
            case 1:
                return f"lower({self.text(depth - 1)})"
            case 2:
                return f"coalesce({self.text(depth - 1)}, '{dice.choice(WORDS)}')"
            case 3:
                return f"if({self.condition(depth - 1)}, {self.text(depth - 1)}, '{dice.choice(WORDS)}')"
            case 4:
                return f"labels({self.text(0)}, {dice.randint(1, 2)})"
            case _ if known:
                return dice.choice(known)
            case _:
                return f"'{dice.choice(WORDS)}'"

    def condition(self, depth: int = 2) -> str:
        dice = self.dice
        kind = dice.randrange(10)
        if depth and kind < 4:
            parts = [self.condition(depth - 1) for _ in range(dice.randint(1, 2) + (kind < 2))]
            joined = dice.choice((" and ", " or ")).join(parts)
            return f"not ({joined})" if kind == 3 else f"({joined})"
        texts, addresses, others = self.some(TEXT), self.some(ADDRESS), [*self.columns]
        match kind:
            case 4 | 5 if texts:
                column, word = dice.choice(texts), dice.choice(WORDS)
                words = ", ".join(f"'{one}'" for one in dice.sample(WORDS, 2))
                forms = (f"{column} = '{word}'", f"{column} != '{word}'", f"{column} in ({words})",
                         f"{column} not in ({words})")  # fmt: skip
                return dice.choice(forms)
            case 6 if texts:
                function = dice.choice(("starts_with", "ends_with", "contains"))
                return f"{function}({dice.choice(texts)}, '{dice.choice(PARTS)}')"
            case 7:
                names = [
                    name for name in others if self.columns[name] not in (LIST, BOOLEAN) and name not in self.inexact
                ]
                return f"{dice.choice(names)} is {dice.choice(('', 'not '))}null" if names else "1 = 1"
            case 8 if addresses:
                return f"{dice.choice(addresses)} = '{dice.choice(('10.1.2.3', '2001:db8::1'))}'"
            case 8 if self.some(BOOLEAN):
                return dice.choice(self.some(BOOLEAN))
            case _ if self.some(*NUMBERS):
                column = dice.choice(self.some(*NUMBERS))
                if dice.randrange(4) == 0 and self.columns[column] == INTEGER:
                    return f"{column} in (1, 2, 443)"
                left = column if dice.randrange(2) else self.number(1)
                right = dice.choice((*CONSTANTS[INTEGER], *CONSTANTS[REAL]))
                return f"{left} {dice.choice(('=', '!=', '<', '<=', '>', '>='))} {right}"
            case _:
                return "1 = 1"

    # Steps.

    def bucket(self) -> str:
        name = self.name()
        self.steps.append({"bucket": {name: self.dice.choice(WIDTHS)}})
        self.columns[name] = TIME
        return name

    def derive(self) -> list[str]:
        """One to three columns; gives those that can be keys."""
        made: dict[str, str] = {}
        keys = []
        for _ in range(self.dice.randint(1, 3)):
            name = self.name()
            kind = self.dice.choice((TEXT, REAL, BOOLEAN, "round"))
            match kind:
                case "text":
                    made[name] = self.text()
                    keys.append(name)
                case "real":
                    made[name] = self.number()
                case "boolean":
                    made[name] = self.condition()
                case _:
                    # Halves are rounded otherwise by each language: a quarter's thousandth is none at two places.
                    made[name] = f"round({self.number(1)}, {self.dice.randint(0, 2)})"
                    self.inexact.add(name)
            self.columns[name] = REAL if kind == "round" else kind
        self.steps.append({"derive": made})
        return keys

    def where(self) -> None:
        self.steps.append({"where": self.condition()})

    def score(self) -> None:
        name = self.name()
        cases = [f"{points} when {self.condition()}" for points in (5, 3, 1)[: self.dice.randint(1, 3)]]
        self.steps.append({"score": {name: cases}})
        self.columns[name] = INTEGER

    def measures(self, *, least: int = 1) -> tuple[dict[str, str], dict[str, str]]:
        """Measures and their types."""
        found, kinds = {}, {}
        for _ in range(self.dice.randint(least, 4)):
            name = self.name()
            found[name], kinds[name] = self.measure(name)
        return found, kinds

    def measure(self, name: str) -> tuple[str, str]:
        dice = self.dice
        numbers = self.some(*NUMBERS)
        valued = self.some(TEXT, INTEGER, ADDRESS, TIME)
        choices = ["count", "count", "count_if"]
        choices += ["distinct", "distinct_if"] if valued else []
        choices += ["collect"] if self.some(TEXT, INTEGER, ADDRESS) else []
        choices += ["sum", "min", "max"] if numbers else []
        of_events = not self.grouped and self.weighted
        choices += (
            ["avg", "stdev", "median", "percentile"] if numbers and (not of_events or dice.randrange(8) == 0) else []
        )
        choices += ["time"] if self.some(TIME) else []
        choices += ["first", "last"] if self.ordered and not self.grouped and valued else []
        function = dice.choice(choices)
        match function:
            case "count":
                return "count()", INTEGER
            case "count_if":
                return f"count_if({self.condition()})", INTEGER
            case "distinct":
                return f"distinct({dice.choice(valued)})", INTEGER
            case "distinct_if":
                return f"distinct_if({dice.choice(valued)}, {self.condition()})", INTEGER
            case "collect":
                self.inexact.add(name)
                # How a time is written in a list is left to each language.
                return f"collect({dice.choice(self.some(TEXT, INTEGER, ADDRESS))}, {dice.choice((2, 100))})", LIST
            case "time":
                return f"{dice.choice(('min', 'max'))}({dice.choice(self.some(TIME))})", TIME
            case "first" | "last":
                column = dice.choice(valued)
                return f"{function}({column})", self.columns[column]
            case "percentile" | "median":
                self.inexact.add(name)
                value = dice.choice(numbers)
                return (f"median({value})" if function == "median" else f"percentile({value}, 90)"), REAL
            case "stdev" | "avg":
                self.inexact.add(name)
                return f"{function}({dice.choice(numbers)})", REAL
            case _:
                value = dice.choice(numbers) if dice.randrange(2) else self.number(1)
                return f"{function}({value})", REAL

    def group(self, keys: tuple[str, ...], **more: Any) -> None:
        measures, kinds = self.measures()
        kind = "sequence" if more else "group"
        self.steps.append({kind: {"by": list(keys), **more, "measures": measures}})
        self.columns = {**{key: self.columns[key] for key in keys}, **kinds}
        self.keys, self.grouped = keys, True

    def annotate(self) -> None:
        """On what rows are grouped by, or some of it: not every language can say other keys of events."""
        keys = self.keys[: self.dice.randint(1, len(self.keys))] if self.keys else ()
        if not keys:
            return
        measures, kinds = self.measures()
        self.steps.append({"annotate": {"by": list(keys), "measures": measures}})
        self.columns |= kinds

    def previous(self, bucket: str) -> None:
        """The bucket before, or a time of an event in it, of the rows of a group by a bucket."""
        keys = [one for one in self.keys if one != bucket]
        (group,) = self.steps[-1].values()
        times = [name for name, text in group["measures"].items() if text in ("min(EventTime)", "max(EventTime)")]
        column, name = self.dice.choice([bucket, *times]), self.name()
        self.steps.append({"previous": {"by": keys, "column": column, "as": name}})
        self.columns[name] = TIME

    def sort(self) -> None:
        """By columns of which rows have the same values, and then mostly by the keys; without these nothing is taken.

        Where rows are tied at `take` no language says which of them is left, and a map that leaves it open is refused
        (`take-order`, tests/plan/test_faults.py).
        """
        known = self.some(INTEGER, TIME, TEXT)
        columns = self.dice.sample(known, min(len(known), self.dice.randint(0, 2)))
        columns = [one for one in columns if one not in self.keys]
        order = [f"{name}{self.dice.choice(('', ' desc', ' asc'))}" for name in columns]
        tied = bool(order) and self.dice.randrange(3) == 0
        self.steps.append({"sort": order if tied else [*order, *self.keys]})
        if not tied and self.dice.randrange(3) == 0:
            self.steps.append({"take": self.dice.randint(1, 5)})


def steps(
    dice: random.Random, fields: Fields, key: str, rules: tuple[str, ...], *, ordered: bool
) -> list[dict[str, Any]]:
    """The steps of a map whose hits have the key `key` among theirs."""
    columns = dict(fields.types) | ({"Rule": TEXT} if len(rules) > 1 else {})
    # An event that several rules match is several rows of one moment.
    writer = Writer(dice, columns, ordered and len(rules) == 1, fields.weighted)
    if len(rules) > 1 and dice.randrange(2):
        chosen = dice.sample(rules, dice.randint(2, len(rules)))
        writer.group((key,), rules=chosen)
    else:
        more = [one for one in fields.keys if one != key]
        if dice.randrange(3) == 0:
            more += writer.derive()
        if dice.randrange(4) == 0:
            writer.where()
        keys = [key, *dice.sample(more, min(len(more), dice.randint(0, 2)))]
        buckets = [writer.bucket()] if dice.randrange(2) else []
        keys += buckets
        if len(rules) > 1 and dice.randrange(2):
            keys.append("Rule")
        if dice.randrange(6) == 0:
            writer.keys = tuple(keys)
            writer.annotate()
        writer.group(tuple(keys))
        if buckets and dice.randrange(2):
            writer.previous(*buckets)
        if len(keys) > 1 and dice.randrange(2):
            _between(writer)
            writer.group((key, *dice.sample(keys[1:], dice.randint(0, len(keys) - 2))))
    _between(writer)
    if dice.randrange(2):
        writer.sort()
    return writer.steps


def _between(writer: Writer) -> None:
    for add in writer.dice.sample(
        (writer.derive, writer.where, writer.score, writer.annotate), writer.dice.randint(0, 3)
    ):
        add()
