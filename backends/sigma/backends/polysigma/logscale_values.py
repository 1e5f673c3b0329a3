"""Computed fields as CQL: an expression becomes the steps that store its value in a field.

CQL facts this rests on (LogScale documentation, "Expressions", functions coalesce, format, formatTime, replace, round):
an expression has no `and`, `or` or regular expression and its equality is `==`; a missing operand makes the result
missing; most functions take field names, not expressions, so what they work on is stored first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import (
    TRUE,
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
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Or,
    Parameter,
    Regex,
    TextMatch,
)
from polysigma.plan.functions import SHARES
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .logscale_filters import field_name, quoted, value
from .printer import REGISTRY_ROOTS, network_pattern

if TYPE_CHECKING:
    from .logscale_filters import Filters

_MAPPED = "^::[fF]{4}:([0-9]+[.][0-9]+[.][0-9]+[.][0-9]+)$"
"""An IPv4 address written as IPv6 (RFC 4291, 2.5.5.2), in the usual dotted form."""

_TIME_PARTS = {
    **{part: f"time:{part}" for part in ("minute", "hour", "month", "year")},
    "day": "time:dayOfMonth",
    "week": "time:weekOfYear",
}
"""The functions for parts of a time (LogScale documentation, functions time:*); the week is that of ISO 8601."""


class Values:
    """Prints computed fields. One for each query, so that temporary fields have names of their own."""

    def __init__(self) -> None:
        self.filters: Filters
        self.temporaries = 0
        self.stored: dict[Expression, str] = {}
        """The temporary fields that hold what is computed more than once of one event."""
        self.never_zero: set[str] = set()
        """Columns that cannot be 0, as a count of rows in a group."""

    def temporary(self, item: Expression) -> tuple[str, list[str]]:
        """A field with the value of an expression: its name, and the steps, none where it is there already."""
        if item in self.stored:
            return self.stored[item], []
        self.temporaries += 1
        name = f"_t{self.temporaries}"
        steps = self.assign(name, item)
        if isinstance(item, Call) and item.name == "registry_key":
            self.stored[item] = name  # its steps are many, and a path needs it for the key and for the value
        return name, steps

    def assign(self, name: str, item: Expression) -> list[str]:
        """The steps that store the value of an expression in a field that does not exist yet."""
        target = field_name(name)
        match item:
            case Comparison() | And() | Or() | Not() | In() | TextMatch() | Regex() | InNetwork() | Exists():
                before, tests = self.filters.split(item)
                test = " | ".join(tests) or "*"
                return [*before, self._case([f"{test} | {target} := 1", f"* | {target} := 0"])]
            case Case(branches=branches, otherwise=otherwise):
                return self._chosen(name, branches, otherwise)
            case Arithmetic():
                return self._arithmetic(name, item)
            case Call():
                return self._call(name, item)
            case Column(name=column):
                return [f"{target} := {_read(column)}"]
            case Constant(value=None):
                return []
            case Constant(value=constant):
                assert constant is not None
                text = quoted(constant) if isinstance(constant, str) else value(constant + 0)
                return [f"{target} := {text}"]
            case ListLiteral() | Lookup() | Parameter():
                raise TypeError(f"not a value: {item!r}")
            case _:
                assert_never(item)

    def score(self, name: str, cases: tuple[tuple[int, Expression], ...]) -> list[str]:
        """The points of the first case that holds, else 0."""
        target = field_name(name)
        before: list[str] = []
        branches = []
        for points, condition in cases:
            needed, tests = self.filters.split(condition)
            before += needed
            branches.append(f"{' | '.join(tests) or '*'} | {target} := {points}")
        return [*before, self._case([*branches, f"* | {target} := 0"])]

    def _chosen(
        self, name: str, branches: tuple[tuple[Expression, Expression], ...], otherwise: Expression
    ) -> list[str]:
        """The value of the first branch that holds; what takes several steps is worked out before the `case`."""
        before: list[str] = []
        done = []
        for condition, result in (*branches, (TRUE, otherwise)):
            needed, tests = self.filters.split(condition)
            steps = self.assign(name, result)
            if len(steps) > 1 or any(step.startswith("case") for step in steps):
                field, stored = self.temporary(result)
                before += stored
                steps = [f"{field_name(name)} := {field}"]
            before += needed
            done.append(" | ".join([*(tests or ["*"]), *steps]))
        return [*before, self._case(done)]

    def _case(self, branches: list[str]) -> str:
        return "case {\n    " + ";\n    ".join(branches) + ";\n  }"

    def _arithmetic(self, name: str, item: Arithmetic) -> list[str]:
        before: list[str] = []
        divisors: list[str] = []
        text = self._operation(item, before, divisors)
        assignment = f"{field_name(name)} := {text}"
        if not divisors:
            return [*before, assignment]
        # Without the guard a division by zero would leave what LogScale makes of it; the plan wants a missing value.
        guard = " | ".join(f"{divisor}!=0" for divisor in divisors)
        return [*before, self._case([f"{guard} | {assignment}", "*"])]

    def _operation(self, item: Expression, before: list[str], divisors: list[str]) -> str:
        """An expression's text; steps that must come first go to `before`, fields that must not be 0 to `divisors`."""
        match item:
            case Arithmetic(operator=operator, left=left, right=right):
                first, second = self._operand(left, before, divisors), self._operand(right, before, divisors)
                if operator == "/":
                    if not isinstance(right, Column | Constant):
                        second, steps = self.temporary(right)
                        before += steps
                    if isinstance(right, Constant) and right.value == 0:
                        raise unsupported(RefusalCode.STEP, "a division by the constant 0")
                    if not isinstance(right, Constant) and second not in self.never_zero:
                        divisors.append(second)
                return f"{first} {operator} {second}"
            case Call(name="seconds_between", arguments=(later, earlier)):
                # Times are milliseconds here.
                return self._operation(
                    Arithmetic("/", Arithmetic("-", later, earlier), Constant(1000)), before, divisors
                )
            case Column(name=column):
                return _read(column)
            case Constant(value=bool() | int() | float() as number):
                return value(number)
            case _:
                name, steps = self.temporary(item)
                before += steps
                return name

    def _operand(self, item: Expression, before: list[str], divisors: list[str]) -> str:
        text = self._operation(item, before, divisors)
        return f"({text})" if isinstance(item, Arithmetic) else text

    def _field(self, item: Expression) -> tuple[str, list[str]]:
        """An expression as a field, for functions that take field names."""
        if isinstance(item, Column):
            return field_name(item.name), []
        name, steps = self.temporary(item)
        return name, steps

    def _call(self, name: str, item: Call) -> list[str]:
        target, first = field_name(name), item.arguments[0]
        match item.name:
            case "coalesce":
                return self._coalesce(name, item)
            case "seconds_between":
                before: list[str] = []
                text = self._operation(item, before, [])
                return [*before, f"{target} := {text}"]
            case part if part in _TIME_PARTS:
                # Without a time zone of its own a call takes that of the event or of the query.
                source, before = self._field(first)
                return [*before, f'{_TIME_PARTS[part]}({source}, timezone="UTC", as={target})']
            case "time_from_milliseconds":
                return self.assign(name, first)
            case "time_from_seconds":
                # formatTime reads a whole number, and 1.7e9 * 1000 with a fraction is none.
                return [*self._arithmetic(name, Arithmetic("*", first, Constant(1000))), f"round({target})"]
            case "address":
                copied = self.assign(name, first)
                return [*copied, f"replace({quoted(_MAPPED)}, with={quoted('$1')}, field={target})"]
            case "base_name":
                source, before = self._field(first)
                # The flag d lets the dot pass line breaks, and keeps ^ to the start of the text.
                directory = quoted("^.*[/" + chr(92) * 2 + "]")
                return [*before, f'replace({directory}, with="", flags=d, field={source}, as={target})']
            case "registry_key":
                return [*self.assign(name, first), self._registry_key(target)]
            case "registry_value":
                key, before = self._field(Call("registry_key", (first,)))
                value, more = self._field(Call("coalesce", (item.arguments[1], Constant("(Default)"))))
                joined = f"{target} := format({quoted('%s' + chr(92) + '%s')}, field=[{key}, {value}])"
                return [*before, *more, self._case([f"{key}=* | {joined}", "*"])]
            case "lower":
                source, before = self._field(first)
                return [*before, f"{target} := lower({source})"]
            case "length":
                source, before = self._field(first)
                return [*before, self._of_text(source, f"{target} := length({source})")]
            case "round":
                source, before = self._field(first)
                places = item.arguments[1]
                if not isinstance(places, Constant) or not isinstance(places.value, int):
                    raise unsupported(RefusalCode.STEP, "round with a number of places that is not constant")
                return [*before, f"{target} := format({quoted(f'%.{places.value}f')}, field=[{source}])"]
            case "digit_ratio" | "vowel_ratio" as ratio:
                source, before = self._field(first)
                self.temporaries += 1
                counted = f"_t{self.temporaries}"
                others = quoted(f"[^{SHARES[ratio]}]+")
                steps = [f"replace({others}, with={quoted('')}, field={source}, as={counted})"]
                return [*before, *steps, self._of_text(source, f"{target} := length({counted}) / length({source})")]
            case "network":
                source, before = self._field(first)
                pattern = network_pattern(item.arguments[1], f"?<{name}>")
                return [*before, f"regex({quoted(pattern)}, field={source}, strict=false)"]
            case "labels":
                source, before = self._field(first)
                count = item.arguments[1]
                if not isinstance(count, Constant) or not isinstance(count.value, int) or count.value < 1:
                    raise unsupported(RefusalCode.STEP, "labels with a number that is not constant")
                pattern = f"(?<{name}>[^.]+([.][^.]+){{0,{count.value - 1}}})[.]?$"  # a dot at the end is the root's
                return [*before, f"regex({quoted(pattern)}, field={source}, strict=false)"]
            case other:
                raise unsupported(RefusalCode.STEP, f"the function {other} has no counterpart in LogScale")

    def _registry_key(self, field: str) -> str:
        """Sysmon's abbreviation for a key's root. A backslash in the `with` of a replacement might be an escape."""
        branches = []
        for pattern, short in REGISTRY_ROOTS:
            cut = f'replace({quoted("^" + pattern)}, with="", flags=di, field={field})'
            branches.append(
                f"{field}=/^{pattern}(?:\\\\|$)/i | {cut} | {field} := format({quoted(short + '%s')}, field=[{field}])"
            )
        return self._case([*branches, "*"])

    def _of_text(self, source: str, step: str) -> str:
        """A step that is left out for an empty text, which counts as missing."""
        return self._case([f'{source}!="" | {step}', "*"])

    def _coalesce(self, name: str, item: Call) -> list[str]:
        """`coalesce` takes expressions, but a function over one of them is worked out before."""
        before: list[str] = []
        parts = []
        whole = True
        for argument in item.arguments:
            if isinstance(argument, Call) and argument.name == "time_from_seconds":
                whole = False
                parts.append(self._operation(Arithmetic("*", argument.arguments[0], Constant(1000)), before, []))
            elif isinstance(argument, Call) and argument.name == "time_from_milliseconds":
                parts.append(self._operation(argument.arguments[0], before, []))
            elif isinstance(argument, Constant) and isinstance(argument.value, str):
                parts.append(quoted(argument.value))
            else:
                parts.append(self._operation(argument, before, []))
        target = field_name(name)
        steps = [*before, f"{target} := coalesce([{', '.join(parts)}])"]
        return steps if whole else [*steps, f"round({target})"]


def _read(column: str) -> str:
    """A field inside an expression, where a quoted word would be a string."""
    name = field_name(column)
    return f"getField({name})" if name.startswith('"') else name
