"""The text of an expression to its tree: precedence, places, hints."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysigma.plan.expressions import (
    FALSE,
    TRUE,
    And,
    Arithmetic,
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
    Parameter,
    walk,
)
from polysigma.plan.faults import Place, PlanError
from polysigma.plan.parser import KEYWORDS, parse_expression, split_arguments

a, b, c = Column("a"), Column("b"), Column("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a or b and c", Or((a, And((b, c))))),
        ("(a or b) and c", And((Or((a, b)), c))),
        ("not a and b", And((Not(a), b))),
        ("not (a and b)", Not(And((a, b)))),
        ("not not a", Not(Not(a))),
        ("not a = b", Not(Comparison("=", a, b))),
        ("a or b or c", Or((a, b, c))),
        ("a and b and c", And((a, b, c))),
        ("a + b * c", Arithmetic("+", a, Arithmetic("*", b, c))),
        ("(a + b) * c", Arithmetic("*", Arithmetic("+", a, b), c)),
        ("a - b - c", Arithmetic("-", Arithmetic("-", a, b), c)),
        ("a / b * c", Arithmetic("*", Arithmetic("/", a, b), c)),
        ("-a * b", Arithmetic("*", Arithmetic("-", Constant(0), a), b)),
        ("a - -1", Arithmetic("-", a, Constant(-1))),
        ("a-1", Arithmetic("-", a, Constant(1))),
        ("a + 1 >= b / 2", Comparison(">=", Arithmetic("+", a, Constant(1)), Arithmetic("/", b, Constant(2)))),
        ("a!=b", Comparison("!=", a, b)),
        ("a is null", Not(Exists(a))),
        ("a is not null", Exists(a)),
        ("a + b is null or c", Or((Not(Exists(Arithmetic("+", a, b))), c))),
        ("a in (1, -2, 'x')", In(a, ListLiteral((1, -2, "x")))),
        ("a not in :list", Not(In(a, Parameter("list")))),
        ("not a in (1)", Not(In(a, ListLiteral((1,))))),
        ("if(a > 1, b, c)", Case(((Comparison(">", a, Constant(1)), b),), c)),
        ("f()", Call("f", ())),
        ("f(a, g(b or c))", Call("f", (a, Call("g", (Or((b, c)),))))),
        ("true = false", Comparison("=", TRUE, FALSE)),
        ("'it''s'", Constant("it's")),
        ("''", Constant("")),
        ("'a, (b) # \"\\ \n'", Constant('a, (b) # "\\ \n')),
        ("1.50", Constant(1.5)),
        ("2e3", Constant(2000.0)),
        ("9007199254740992", Constant(2**53)),
        ("@timestamp > #x.y_1", Comparison(">", Column("@timestamp"), Column("#x.y_1"))),
        ("android + order", Arithmetic("+", Column("android"), Column("order"))),
        ("  a\n\t= b\r\n", Comparison("=", a, b)),
    ],
)
def test_a_text_is_read_as_this_tree(text, tree):
    assert parse_expression(text) == tree


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("", 1, "an expression is missing", "write one"),
        ("  ", 3, "an expression is missing", "write one"),
        ("a = 1 b", 7, "'b' is not expected", "`and`, `or` or an operator"),
        ("1 < a < 5", 7, "'<' is not expected", "parentheses round one comparison"),
        ("a = 1 AND b", 7, "'AND' is not expected", "keywords are lower case: and"),
        ("a like 'x'", 3, "'like' is not expected", "the base rule's detection"),
        ("a == 1", 3, "cannot be read", "equality is one `=`"),
        ("a <> 1", 3, "cannot be read", "write `!=`"),
        ("a && b", 3, "cannot be read", "write `and`"),
        ("a || b", 3, "cannot be read", "write `or`"),
        ("!a", 1, "cannot be read", "write `not`"),
        ('a = "x"', 5, "cannot be read", "single quotes"),
        ("`a`", 1, "cannot be read", "no quotes"),
        ("a % 2", 3, "cannot be read", "no remainder"),
        ("a = 'x", 5, "cannot be read", "no closing quote"),
        ("a = $b", 5, "cannot be read", "a value is"),
        ("a = 'é' §", 9, "cannot be read", "a value is"),
        ("a and", 6, "the end stands where a value", "a value is"),
        ("a and or b", 7, "`or` stands where a value", "a value is"),
        ("a = null", 5, "`null` is not a value", "is null"),
        ("a is 5", 6, "`null` is expected", "is not null"),
        ("a in 5", 6, "`(` is expected", "takes a list"),
        ("a in ()", 7, "')' stands where", "a value is"),
        ("a in (1 2)", 9, "`,` is expected", "separated by commas"),
        ("a in (b)", 7, "numbers and strings only", "in (1, 2)"),
        ("a in (1, -'x')", 11, "numbers and strings only", "in (1, 2)"),
        ("(a", 3, "`)` is expected, not the end", "not closed"),
        ("f(a", 4, "`,` is expected, not the end", "not closed"),
        ("if a", 4, "`(` is expected", "if(condition, value, other value)"),
        ("if(a, b)", 1, "if takes 3 arguments, not 2", "if(condition, value, other value)"),
        ("9007199254740993", 1, "larger than every language", "9007199254740992"),
        ("1e999", 1, "larger than every language", "9007199254740992"),
        ("(" * 61 + "a", 61, "nests deeper than 60", "derive"),
        ("not " * 61 + "a", 241, "nests deeper than 60", "derive"),
        ("-" * 61 + "a", 61, "nests deeper than 60", "derive"),
        ("f(" * 61, 121, "nests deeper than 60", "derive"),
        ("a" + "+1" * 101, 202, "more than 100 arithmetic operators", "derive"),
    ],
)
def test_what_is_no_expression_is_refused_with_place_and_hint(text, column, message, hint):
    with pytest.raises(PlanError) as caught:
        parse_expression(text, ("steps", 0))
    [fault] = caught.value.faults
    assert fault.code == "expression-syntax"
    assert fault.place == Place(("steps", 0), 1, column)
    assert message in fault.message
    assert hint in fault.hint


def test_every_node_remembers_line_and_column():
    tree = parse_expression("a > 1\n  and f(b) in\n(2)", ("where",))
    places = {type(node).__name__ + str(getattr(node, "name", "")): node.at for node in walk(tree)}
    assert {name: (place.line, place.column) for name, place in places.items()} == {
        "And": (1, 1),
        "Comparison": (1, 3),
        "Columna": (1, 1),
        "Constant": (1, 5),
        "In": (2, 12),
        "Callf": (2, 7),
        "Columnb": (2, 9),
        "ListLiteral": (3, 1),
    }
    assert all(place.path == ("where",) for place in places.values())


def test_the_place_of_a_fault_counts_lines():
    with pytest.raises(PlanError) as caught:
        parse_expression("a >\n\n  )")
    assert caught.value.faults[0].place == Place((), 3, 3)


def test_arguments_are_split_at_their_own_commas():
    assert split_arguments("a, f(b, 'x,('), 'it''s, '") == ["a", " f(b, 'x,(')", " 'it''s, '"]
    assert split_arguments("") == [""]


PIECES = [
    *sorted(KEYWORDS),
    *"+-*/=<>(),:'.!#@ \n",
    *[
        "!=",
        "<=",
        ">=",
        "==",
        "a",
        "B_1",
        ":p",
        "1",
        "2.5",
        "1e9",
        "'x'",
        "''",
        "f(",
        "if(",
        '"',
        "é",
        "\0",
        "0x",
        "__",
    ],
]


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.sampled_from(["", " "]))
def test_no_text_gives_anything_but_a_tree_or_a_plan_error(pieces, glue):
    text = glue.join(pieces)
    try:
        tree = parse_expression(text)
    except PlanError as error:
        [fault] = error.faults
        assert fault.hint
        assert 1 <= fault.place.line <= text.count("\n") + 1
        assert 1 <= fault.place.column <= len(text.split("\n")[fault.place.line - 1]) + 1
    else:
        assert all(node.at is not None or node == Constant(0) for node in walk(tree))


@given(st.text(max_size=200))
def test_no_text_at_all_gives_anything_but_a_tree_or_a_plan_error(text):
    with contextlib.suppress(PlanError):
        parse_expression(text)


NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z").filter(lambda name: name not in KEYWORDS)
SCALARS = st.one_of(
    st.integers(0, 2**53).map(lambda number: (str(number), number)),
    st.text(max_size=5).map(lambda text: ("'" + text.replace("'", "''") + "'", text)),
)
VALUES = st.one_of(
    NAMES.map(lambda name: (name, Column(name))),
    NAMES.map(lambda name: (f":{name}", Parameter(name))),
    SCALARS.map(lambda pair: (pair[0], Constant(pair[1]))),
)


def joined(pairs, word, node):
    return " ".join(f"{word} ({text})" for text, _ in pairs)[len(word) :], node(tuple(tree for _, tree in pairs))


def larger(inner):
    pair = st.tuples(inner, inner)
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), pair).map(
            lambda done: (
                f"({done[1][0][0]}) {done[0]} ({done[1][1][0]})",
                Arithmetic(done[0], done[1][0][1], done[1][1][1]),
            )
        ),
        st.tuples(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), pair).map(
            lambda done: (
                f"({done[1][0][0]}){done[0]}({done[1][1][0]})",
                Comparison(done[0], done[1][0][1], done[1][1][1]),
            )
        ),
        several.map(lambda pairs: joined(pairs, "and", And)),
        several.map(lambda pairs: joined(pairs, "or", Or)),
        inner.map(lambda done: (f"not ({done[0]})", Not(done[1]))),
        inner.map(lambda done: (f"({done[0]}) is not null", Exists(done[1]))),
        st.tuples(inner, st.lists(SCALARS, min_size=1, max_size=3)).map(
            lambda done: (
                f"({done[0][0]}) in ({', '.join(text for text, _ in done[1])})",
                In(done[0][1], ListLiteral(tuple(item for _, item in done[1]))),
            )
        ),
        st.tuples(NAMES, st.lists(inner, max_size=3)).map(
            lambda done: (
                f"{done[0]}({', '.join(text for text, _ in done[1])})",
                Call(done[0], tuple(tree for _, tree in done[1])),
            )
        ),
        st.tuples(inner, inner, inner).map(
            lambda done: (
                f"if({done[0][0]}, {done[1][0]}, {done[2][0]})",
                Case(((done[0][1], done[1][1]),), done[2][1]),
            )
        ),
    )


@given(st.recursive(VALUES, larger, max_leaves=12))
def test_a_tree_written_with_parentheses_is_read_back(pair):
    text, tree = pair
    assert parse_expression(text) == tree


def test_a_column_may_be_an_element_of_a_list():
    assert parse_expression("coalesce(event.type[0], event.type[10].name)") == Call(
        "coalesce", (Column("event.type[0]"), Column("event.type[10].name"))
    )
