"""What rewrites expressions keeps their meaning, missing values included: the oracle says so on random rows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from polysigma.engines.reference.evaluate import evaluate
from polysigma.plan.expressions import (
    FALSE,
    TRUE,
    And,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    In,
    InNetwork,
    ListLiteral,
    Not,
    Or,
    TextMatch,
    Wildcard,
    conjunction,
    conjuncts,
    disjunction,
    rewrite,
)
from polysigma.plan.lower import Binding, lower
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import Annotate, Bucket, Derive, Group, Measure, Plan, Score, Source, Where
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, condition

TYPES = {
    "t": Type.TEXT,
    "u": Type.TEXT,
    "n": Type.INTEGER,
    "a": Type.ADDRESS,
    "f": Type.BOOLEAN,
    "EventTime": Type.TIME,
}
TEXTS = st.sampled_from(["x", "X", "xy", "y"])
TEXT_COLUMNS = st.sampled_from([Column("t"), Column("u")])
NETWORKS = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "2001:db8::/32"])
ATOMS = st.one_of(
    st.builds(
        TextMatch,
        TEXT_COLUMNS,
        st.lists(st.one_of(TEXTS, st.sampled_from(Wildcard)), min_size=1, max_size=2).map(tuple),
        st.booleans(),
    ),
    st.builds(TextMatch, TEXT_COLUMNS, st.tuples(TEXTS), st.booleans()),
    st.builds(
        In, TEXT_COLUMNS, st.builds(ListLiteral, st.lists(TEXTS, min_size=1, max_size=2).map(tuple)), st.booleans()
    ),
    st.builds(
        In, st.just(Column("n")), st.builds(ListLiteral, st.lists(st.integers(0, 3), min_size=1, max_size=2).map(tuple))
    ),
    st.builds(
        Comparison, st.sampled_from(["=", "!=", "<", ">="]), st.just(Column("n")), st.integers(0, 3).map(Constant)
    ),
    st.builds(Comparison, st.sampled_from(["=", "!="]), TEXT_COLUMNS, TEXT_COLUMNS, st.booleans()),
    st.builds(InNetwork, st.just(Column("a")), st.lists(NETWORKS, min_size=1, max_size=2).map(tuple)),
    st.builds(Exists, st.sampled_from([Column(name) for name in TYPES])),
    st.just(Comparison("=", Column("f"), TRUE)),
    st.sampled_from([TRUE, FALSE]),
)


def larger(inner):
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    case = st.builds(lambda test, value, other: Case(((test, value),), other), inner, inner, inner)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, inner), case)


CONDITIONS = st.recursive(ATOMS, larger, max_leaves=10)
ROWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "t": st.sampled_from([None, "", "x", "X", "xy", "yx"]),
            "u": st.sampled_from([None, "", "x", "X", "y"]),
            "n": st.sampled_from([None, "", 0, 1, "2", "x"]),
            "a": st.sampled_from([None, "", "10.1.2.3", "::ffff:192.0.2.1", "2001:DB8::1", "host"]),
            "f": st.sampled_from([None, True, "false"]),
            "EventTime": st.sampled_from([None, 0, 59, 60, 100.5]),
        },
    ),
    max_size=8,
)


def kept(expression, rows):
    numbered = [{**row, "row": index} for index, row in enumerate(rows)]
    plan = Plan("p", "p", (Source("s", expression, types=TYPES),), (), None)
    return [row["row"] for row in evaluate(plan, numbered)]


@settings(max_examples=300)
@given(CONDITIONS, ROWS)
def test_simplifying_a_condition_keeps_the_same_rows(expression, rows):
    assert kept(simplify(expression), rows) == kept(expression, rows)


@given(CONDITIONS)
def test_simplifying_twice_is_simplifying_once(expression):
    once = simplify(expression)
    assert simplify(once) == once


@given(st.lists(CONDITIONS, max_size=3), ROWS)
def test_conjunction_and_disjunction_mean_all_and_any(items, rows):
    everything = set(range(len(rows)))
    sets = [set(kept(item, rows)) for item in items]
    assert set(kept(conjunction(*items), rows)) == everything.intersection(*sets)
    assert set(kept(disjunction(*items), rows)) == set().union(*sets)
    assert kept(conjunction(*conjuncts(conjunction(*items))), rows) == kept(conjunction(*items), rows)


@given(CONDITIONS, ROWS)
def test_typing_a_condition_keeps_the_same_rows(expression, rows):
    assert kept(condition(expression, Scope(TYPES, {})), rows) == kept(expression, rows)


@given(CONDITIONS)
def test_rewriting_with_nothing_to_change_gives_an_equal_tree(expression):
    assert rewrite(expression, lambda node: node) == expression


COUNT = Measure("N", "count")
STEPS = st.lists(
    st.one_of(
        st.builds(Where, CONDITIONS),
        st.builds(lambda test: Derive((("D", test),)), CONDITIONS),
        st.builds(lambda test: Score("S", ((2, test),)), CONDITIONS),
        st.just(Annotate(("u",), (Measure("Others", "distinct", Column("t")),))),
        st.just(Bucket("Minute", 60)),
    ),
    max_size=3,
    unique_by=type,
)


@given(STEPS, st.sampled_from([("t",), ("t", "n"), ("a",)]), ROWS, st.booleans())
def test_lowering_to_columns_of_other_names_gives_the_same_hits(steps, by, rows, last_where):
    if any(isinstance(step, Bucket) for step in steps):
        by = (*by, "Minute")
    measures = (COUNT, Measure("Texts", "distinct", Column("u")), Measure("Last", "last", Column("n")))
    steps = (*steps, Group(by, measures), *([Where(Comparison(">", Column("N"), Constant(1)))] if last_where else []))
    names = {name: f"p_{name}" for name in TYPES if name != "EventTime"} | {"EventTime": "EventTime"}
    lowered = lower(steps, {name: Binding((names[name],), kind) for name, kind in TYPES.items()})
    there = [{names[name]: value for name, value in row.items()} for row in rows]
    plain = Plan("p", "p", (Source("s", TRUE, types=TYPES),), steps, 60)
    native = Plan(
        "p", "p", (Source("s", TRUE, types={names[name]: kind for name, kind in TYPES.items()}),), lowered.steps, 60
    )
    back = {name: canonical for canonical, name in names.items()}
    found = [{back.get(name, name): value for name, value in row.items()} for row in evaluate(native, there)]
    assert found == evaluate(plain, rows)
    assert {output.canonical for output in lowered.outputs if output.role == "key"} == set(by)
