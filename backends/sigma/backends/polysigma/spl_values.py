"""Values in the language of `eval`.

SPL facts this rests on (Splunk Search Reference, "eval", "Evaluation functions"): an expression over a missing field is
null, and so is a division by 0; `/` is real division; no field can hold a boolean; a quoted word in double quotes is a
text, in single quotes a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

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
    InNetwork,
    ListLiteral,
    Lookup,
    Not,
    Or,
    Parameter,
    Regex,
    TextMatch,
    columns,
)
from polysigma.plan.functions import SHARES, TIME_PARTS
from polysigma.plan.typing import Scope, infer
from polysigma.refusals import RefusalCode

from .emptiness import may_be_empty
from .errors import unsupported
from .printer import called, network_pattern
from .spl_tests import Tests
from .spl_text import eval_name, eval_string, eval_value, regex_string

if TYPE_CHECKING:
    from polysigma.plan.steps import Plan
    from polysigma.plan.types import Type

_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}
_MAPPED = r"^[0:]+:ffff:\d+\.\d+\.\d+\.\d+$"
_MAPPED_HEX = "^0:0:0:0:0:ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$"
_SPELLING = "``` one spelling: IPv4-mapped addresses as IPv4, IPv6 in eight groups ```"
_ZEROS = ":0:0:0:0:0:0:"


class Values:
    """Prints values over the rows of one place in a query, and knows the columns that these rows have."""

    def __init__(self) -> None:
        self.types: dict[str, Type] = {}
        self.recorded: set[str] = set()
        """Columns that came with the events: text on the wire, perhaps empty."""
        self.doubtful: set[str] = set()
        """Columns made of these that can be empty text as well."""
        self.filled: set[str] = set()
        """Columns that the search leaves no empty text in."""
        self.present: set[str] = set()
        """Columns that no row lacks here."""
        self.lowered: set[str] = set()
        """Columns that hold lower case only."""
        self.aliases: dict[str, str] = {}
        """Derived columns that are a recorded column by another name (the time of an event)."""
        self.tests = Tests(self)

    def type_of(self, item: Expression) -> Type | None:
        """The type of an expression, as far as its columns are known."""
        if isinstance(item, Column):
            return self.types.get(item.name)
        if any(column not in self.types for column in columns(item)):
            return None
        return infer(item, Scope(self.types, {})).type

    def name(self, column: str) -> str:
        """What a column is called in the query."""
        return self.aliases.get(column, column)

    def text(self, item: Expression) -> str:
        """The value of an expression; null where it is missing."""
        match item:
            case Column(name=name):
                return eval_name(self.name(name))
            case Constant(value=None):
                return "null()"
            case Constant(value=value):
                assert value is not None
                return eval_value(value)
            case Comparison() | And() | Or() | Not() | In() | TextMatch() | Regex() | InNetwork() | Exists():
                return f'if({self.tests.text(item)}, "true", "false")'
            case Arithmetic(operator=operator, left=left, right=right):
                if operator == "/" and isinstance(right, Constant) and right.value == 0:
                    raise unsupported(RefusalCode.STEP, "a division by the constant 0")
                return f"{self.operand(left, operator)}{operator}{self.operand(right, operator, right=True)}"
            case Case(branches=branches, otherwise=otherwise):
                return self.case(branches, otherwise)
            case Call(name=name, arguments=arguments):
                return self._call(name, arguments)
            case ListLiteral() | Lookup() | Parameter():
                raise TypeError(f"not a value: {item!r}")
            case _:
                assert_never(item)

    def operand(self, item: Expression, beside: str = "", *, right: bool = False) -> str:
        """A value beside an operator."""
        text = self.text(item)
        if not isinstance(item, Arithmetic):
            return text
        weak = _STRENGTH[item.operator] < _STRENGTH.get(beside, 0)
        return f"({text})" if weak or (right and _STRENGTH[item.operator] == _STRENGTH.get(beside, 0)) else text

    def case(self, branches: tuple[tuple[Expression, Expression], ...], otherwise: Expression) -> str:
        """The value of the first branch whose condition holds."""
        if len(branches) == 1:
            ((condition, value),) = branches
            return f"if({self.tests.text(condition)}, {self.text(value)}, {self.text(otherwise)})"
        pairs = [f"{self.tests.text(condition)}, {self.text(value)}" for condition, value in branches]
        if otherwise != Constant(None):
            pairs.append(f"true(), {self.text(otherwise)}")
        return f"case({', '.join(pairs)})"

    def without_empty(self, item: Expression) -> str:
        """A value with empty text made null, as functions that look for a value need it."""
        text = self.text(item)
        return f'nullif({text}, "")' if self.may_be_empty(item) else text

    def may_be_empty(self, item: Expression) -> bool:
        """Whether a value can be empty text, which counts as missing but is a value to Splunk."""
        return may_be_empty(item, (self.recorded | self.doubtful) - self.present - self.filled)

    def assign(self, name: str, item: Expression) -> list[str]:
        """The commands that store a value in a field."""
        target = eval_name(name)
        if isinstance(item, Call) and item.name == "address":
            return self._address(name, item.arguments[0])
        return [f"eval {target}={self.text(item)}"]

    def _address(self, name: str, source: Expression) -> list[str]:
        """One spelling: IPv4 as it is, IPv4-mapped unwrapped, IPv6 in eight groups without leading zeros."""
        target = eval_name(name)
        groups = f'17-2*(len({target})-len(replace({target}, ":", "")))'
        full = f'replace({target}, "::", substr("{_ZEROS}", 1, {groups}))'
        ends = f'replace(replace({full}, "^:", "0:"), ":$", ":0")'
        plain = f"replace({ends}, {regex_string('(^|:)0+([0-9a-f])')}, {eval_string(chr(92) + '1' + chr(92) + '2')})"
        high, low = eval_name(f"{name}_high"), eval_name(f"{name}_low")
        groups_of = f'split({target}, ":")'
        octets = f'floor({high}/256).".".({high}%256).".".floor({low}/256).".".({low}%256)'
        unwrapped = f'match({target}, {regex_string(_MAPPED)}), replace({target}, "^.*:", "")'
        converted = f"match({target}, {regex_string(_MAPPED_HEX)}), {octets}"
        return [
            f'eval {target}=replace(lower({self.text(source)}), "%.*", "") {_SPELLING}',
            f'eval {target}=if(like({target}, "%:%"), {plain}, {target})',
            f"eval {high}=tonumber(mvindex({groups_of}, 6), 16), {low}=tonumber(mvindex({groups_of}, 7), 16)",
            f"eval {target}=case({unwrapped},\n    {converted},\n    true(), {target})",
        ]

    def _call(self, name: str, arguments: tuple[Expression, ...]) -> str:
        first = arguments[0]
        match name:
            case "coalesce":
                *values, last = arguments
                return f"coalesce({', '.join([*(self.without_empty(value) for value in values), self.text(last)])})"
            case "round":
                return f"round({self.text(first)}, {self.text(arguments[1])})"
            case "lower":
                return f"lower({self.text(first)})"
            case "length":
                return f"len({self.without_empty(first)})"
            case "digit_ratio" | "vowel_ratio":
                counted = f'len(replace({self.text(first)}, "[^{SHARES[name]}]", ""))'
                return f"{counted}/len({self.without_empty(first)})"
            case "labels":
                return self._labels(first, arguments[1])
            case "network":
                pattern = regex_string(network_pattern(arguments[1]))
                value = self.text(first)
                return (
                    f"if(match({value}, {pattern}), replace({value}, {pattern}, {eval_string(chr(92) + '1')}), null())"
                )
            case "base_name":
                return f'replace({self.text(first)}, {regex_string("^.*[/" + chr(92) * 2 + "]")}, "")'
            case "seconds_between":
                later, earlier = (self.text(argument) for argument in arguments)
                return f"({later}-{earlier})"
            case part if part in TIME_PARTS:
                return _time_part(part, self.operand(first, "/"))
            case "time_from_seconds":
                return self.text(first)
            case "time_from_milliseconds":
                return f"{self.operand(first, '/')}/1000"
            case "address":
                raise unsupported(RefusalCode.STEP, "address() inside another expression has no counterpart in SPL")
            case other:
                raise unsupported(RefusalCode.STEP, f"the function {other} has no counterpart in SPL")

    def _labels(self, name: Expression, count: Expression) -> str:
        if not isinstance(count, Constant) or not isinstance(count.value, int) or count.value < 1:
            raise unsupported(RefusalCode.STEP, "labels with a number that is not constant")
        pattern = rf"^.*?((?:[^.]+\.){{0,{count.value - 1}}}[^.]+)\.?$"
        value = self.text(name)
        # replace() leaves what does not match as it is, and the root of all names has no labels.
        last = f"replace({value}, {regex_string(pattern)}, {eval_string(chr(92) + '1')})"
        return f"if(match({value}, {regex_string('[^.][.]?$')}), {last}, null())"


_DATE_CODES = {"day": "%d", "week": "%V", "month": "%m", "year": "%Y"}


def parts_of_dates(plan: Plan) -> list[str]:
    """The parts of dates that a plan asks for, which a search tells in the time zone of whoever runs it."""
    asked = {call for source in plan.sources for call in called((source.condition, source.derived))}
    asked |= set(called(plan.steps))
    return [part for part in _DATE_CODES if part in asked]


def _time_part(part: str, time: str) -> str:
    """A part of a time in UTC. Seconds say the minute and the hour; a date takes strftime, which writes in the time
    zone of whoever searches: at 10:00 UTC the date is that of UTC from UTC-10 up to UTC+14, that one excluded.

    Source: Splunk Search Reference, "Date and time format variables" (%V is the week of ISO 8601).
    """
    if part == "minute":
        return f"(floor({time}/60)%60)"
    if part == "hour":
        return f"(floor({time}/3600)%24)"
    return f'tonumber(strftime(floor({time}/86400)*86400+36000, "{_DATE_CODES[part]}"))'
