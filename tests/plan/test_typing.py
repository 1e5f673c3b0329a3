"""Typing settles what a text leaves open, so that printers meet one form of each thing."""

from __future__ import annotations

import pytest

from polysigma.plan.expressions import (
    TRUE,
    And,
    Call,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    In,
    ListLiteral,
    Not,
    Or,
    TextMatch,
    Wildcard,
    walk,
)
from polysigma.plan.faults import PlanError
from polysigma.plan.functions import FUNCTIONS, MEASURES
from polysigma.plan.parser import parse_expression
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, condition, infer, near

TYPES = {
    "t": Type.TEXT,
    "u": Type.TEXT,
    "n": Type.INTEGER,
    "r": Type.REAL,
    "a": Type.ADDRESS,
    "f": Type.BOOLEAN,
    "w": Type.TIME,
}
SCOPE = Scope(TYPES, {"port": 443, "ports": (1, 2), "name": "x", "on": True})
t, u, n, a, f = (Column(name) for name in "tunaf")


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("t = 'X'", TextMatch(t, ("X",))),
        ("'X' = t", TextMatch(t, ("X",))),
        ("t = 'a*b?'", TextMatch(t, ("a*b?",))),
        ("t != 'x'", And((Exists(t), Not(TextMatch(t, ("x",)))))),
        ("t = :name", TextMatch(t, ("x",))),
        ("t = u", Comparison("=", t, u)),
        ("t != u", Comparison("!=", t, u)),
        ("a = '::ffff:192.0.2.1'", TextMatch(a, ("192.0.2.1",))),
        ("a = '2001:DB8:0::1'", TextMatch(a, ("2001:db8::1",))),
        ("a in ('2001:DB8::1', '2001:db8::1')", In(a, ListLiteral(("2001:db8::1",)))),
        ("a = t", Comparison("=", a, t)),
        ("f", Comparison("=", f, TRUE)),
        ("not f", Not(Comparison("=", f, TRUE))),
        ("starts_with(t, 'x')", TextMatch(t, ("x", Wildcard.ANY))),
        ("not ends_with(t, 'x')", Not(TextMatch(t, (Wildcard.ANY, "x")))),
        ("f or contains(t, 'x')", Or((Comparison("=", f, TRUE), TextMatch(t, (Wildcard.ANY, "x", Wildcard.ANY))))),
        ("contains(t, u)", Comparison("=", Call("contains", (t, u)), TRUE)),
        ("f = false", Comparison("=", f, Constant(False))),  # noqa: FBT003
        ("f = :on", Comparison("=", f, TRUE)),
        ("n > :port", Comparison(">", n, Constant(443))),
        ("n in :ports", In(n, ListLiteral((1, 2)))),
        ("n in (1, 1, 2.5)", In(n, ListLiteral((1, 2.5)))),
        ("n = 1.0", Comparison("=", n, Constant(1.0))),
        ("t is null", Not(Exists(t))),
    ],
)
def test_a_condition_has_one_settled_form(text, settled):
    assert condition(parse_expression(text), SCOPE) == settled


@pytest.mark.parametrize("text", ["t = 'x'", "t != 'x' and f", "n in :ports or not f", "if(f, n, 2) > :port"])
def test_a_settled_form_stays_as_it_is(text):
    settled = condition(parse_expression(text), SCOPE)
    assert condition(settled, Scope(TYPES, {})) == settled


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("n + 1", Type.INTEGER),
        ("n - 1.5", Type.REAL),
        ("n * r", Type.REAL),
        ("n / 2", Type.REAL),
        ("-n", Type.INTEGER),
        ("round(n, 1)", Type.REAL),
        ("length(t)", Type.INTEGER),
        ("digit_ratio(t)", Type.REAL),
        ("vowel_ratio(t)", Type.REAL),
        ("coalesce(n, r, 0)", Type.REAL),
        ("coalesce(a, t)", Type.TEXT),
        ("coalesce(a, a)", Type.ADDRESS),
        ("address(t)", Type.ADDRESS),
        ("time_from_text(t)", Type.TIME),
        ("time_from_milliseconds(n)", Type.TIME),
        ("if(f, 1, 2)", Type.INTEGER),
        ("if(f, 1, 2.5)", Type.REAL),
        ("if(f, t, a)", Type.TEXT),
        ("n > 1", Type.BOOLEAN),
        ("t is null", Type.BOOLEAN),
        ("'x'", Type.TEXT),
        ("true", Type.BOOLEAN),
        (":port", Type.INTEGER),
        ("w", Type.TIME),
    ],
)
def test_an_expression_has_this_type(text, kind):
    assert infer(parse_expression(text), SCOPE).type is kind


def test_a_missing_value_takes_the_type_of_its_company():
    nothing = Case(((condition(parse_expression("f"), SCOPE), n),), Constant(None))
    assert infer(nothing, SCOPE).type is Type.INTEGER
    assert infer(Constant(None), SCOPE).type is None


def test_settling_keeps_places():
    settled = condition(parse_expression("t != 'x' and f", ("where",)), SCOPE)
    assert {(item.at.path, item.at.column) for item in settled.items} == {(("where",), 3), (("where",), 14)}


def test_a_hint_names_what_is_most_alike_or_what_there_is():
    assert near("computername", {"ComputerName": 1, "Port": 2}) == "did you mean ComputerName?"
    assert near("zzz", {"b": 1, "a": 2}) == "known here: a, b"
    assert near("zzz", {}) == "known here: none"


def test_every_function_and_measure_says_what_it_means():
    assert all(function.meaning for function in (*FUNCTIONS.values(), *MEASURES.values()))
    assert all(name == entry.name for table in (FUNCTIONS, MEASURES) for name, entry in table.items())


def test_a_time_less_a_time_is_seconds_between_them():
    scope = Scope({"First": Type.TIME, "Last": Type.TIME}, {})
    typed = infer(parse_expression("(Last - First) / 60"), scope)
    assert typed.type is Type.REAL
    assert any(isinstance(node, Call) and node.name == "seconds_between" for node in walk(typed.expression))


def test_a_time_and_a_number_do_not_add_up():
    with pytest.raises(PlanError, match="needs numbers, not a time"):
        infer(parse_expression("Last - 60"), Scope({"Last": Type.TIME}, {}))
