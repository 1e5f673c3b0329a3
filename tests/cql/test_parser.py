"""The parser gives the documented tree."""

from __future__ import annotations

import pytest

from polysigma.cql import parse, tree
from polysigma.cql.parser import parse_tolerantly
from polysigma.diagnostics import PolysigmaError, Position


def shape(node: object) -> object:
    """A tree as nested tuples without positions, short enough to read in a test."""
    match node:
        case tree.And(operands=operands):
            return ("and", *map(shape, operands))
        case tree.Or(operands=operands):
            return ("or", *map(shape, operands))
        case tree.Not(operand=operand):
            return ("not", shape(operand))
        case tree.Compare(field=field, op=op, value=value):
            return (field.name, op, shape(value))
        case tree.FreeText(pattern=pattern):
            return ("free", shape(pattern))
        case tree.Quoted(value=value) | tree.Bare(value=value) | tree.Boolean(value=value) | tree.Number(value=value):
            return value
        case tree.Regex(pattern=pattern, flags=flags):
            return ("/", pattern, flags)
        case tree.Parameter(name=name, default=default):
            return ("?", name, default)
        case tree.Field(name=name):
            return ("field", name)
        case tree.Call(function=function, arguments=arguments):
            return (function, *map(shape, arguments))
        case tree.Saved(name=name, arguments=arguments):
            return ("$", name, *map(shape, arguments))
        case tree.Argument(name=name, value=value):
            return shape(value) if name is None else (f"{name}=", shape(value))
        case tree.Array(items=items):
            return [shape(item) for item in items]
        case tree.Binary(op=op, left=left, right=right):
            return (op, shape(left), shape(right))
        case tree.Unary(op=op, operand=operand):
            return (op, shape(operand))
        case tree.Assign(field=field, value=value):
            return (":=", field.name, shape(value))
        case tree.Bind(field=field, call=call, negated=negated):
            return ("=~!" if negated else "=~", field.name, shape(call))
        case tree.Link(left=left, right=right):
            return ("<=>", left.name, right.name)
        case tree.Pipeline(steps=steps):
            return tuple(map(shape, steps))
        case tree.Case(branches=branches):
            return ("case", *map(shape, branches))
        case tree.Match(field=field, branches=branches):
            return ("match", field.name, *((shape(one.guard), shape(one.pipeline)) for one in branches))
        case tree.Stats(items=items):
            return ("stats", *map(shape, items))
        case tree.Subquery(pipeline=pipeline):
            return ("{}", *map(shape, pipeline.steps))
        case tree.NamedQuery(name=name, pipeline=pipeline, include=include):
            return (name, shape(pipeline), include and shape(include))
    raise AssertionError(node)


def steps(text: str) -> list[object]:
    return [shape(step) for step in parse(text).steps]


def step(text: str) -> object:
    (only,) = steps(text)
    return only


@pytest.mark.parametrize(
    ("text", "tree_shape"),
    [
        ("a or b c", ("and", ("or", ("free", "a"), ("free", "b")), ("free", "c"))),
        ("a b or c", ("and", ("free", "a"), ("or", ("free", "b"), ("free", "c")))),
        (
            "foo or not bar and baz",
            ("and", ("or", ("free", "foo"), ("not", ("free", "bar"))), ("free", "baz")),
        ),
        ("NOT a AND b", ("and", ("not", ("free", "a")), ("free", "b"))),
        ("!!a", ("not", ("not", ("free", "a")))),
        ("(a or b) and (c or d)", ("and", ("or", ("free", "a"), ("free", "b")), ("or", ("free", "c"), ("free", "d")))),
        ("orange=1 notable=2", ("and", ("orange", "=", "1"), ("notable", "=", "2"))),
        ("or=1", ("or", "=", "1")),
    ],
)
def test_or_binds_tighter_than_and_and_not_tightest(text: str, tree_shape: object) -> None:
    assert step(text) == tree_shape


def test_a_bare_filter_is_cut_as_the_documentation_says() -> None:
    """The example of the grammar page: arithmetic has no meaning in a filter."""
    assert step("foo < 42 + 3") == ("and", ("foo", "<", 42), ("free", "+"), ("free", "3"))


@pytest.mark.parametrize(
    ("text", "tree_shape"),
    [
        ("a=b", ("a", "=", "b")),
        ('a = "b c"', ("a", "=", "b c")),
        (r'a="q\"\\\n\."', ("a", "=", 'q"\\\n\\.')),
        ('"odd name"!=x*', ("odd name", "!=", "x*")),
        ("a=/x\\/y/id", ("a", "=", ("/", "x\\/y", "id"))),
        ("a like b", ("a", "like", "b")),
        ("a>=1.5", ("a", ">=", 1.5)),
        ("a<-3", ("a", "<", -3)),
        ("a=?p", ("a", "=", ("?", "p", None))),
        ("a=?{p=*}", ("a", "=", ("?", "p", "*"))),
        ('a=?{"a b"="c d"}', ("a", "=", ("?", "a b", "c d"))),
        ("#repo=x-y", ("#repo", "=", "x-y")),
        ("a[0].b=1", ("a[0].b", "=", "1")),
        ("repo.name=docker/*", ("repo.name", "=", "docker/*")),
        ("foo=m/fisk/i", ("foo", "=", "m/fisk/i")),
        ("/fisk/i", ("free", ("/", "fisk", "i"))),
        ("https://www.example.com/", ("free", "https://www.example.com/")),
        ("https: //www.example.com/", ("free", "https:")),
        ("true", True),
        ("*", ("free", "*")),
        ("a=S-1-5-18", ("a", "=", "S-1-5-18")),
        ("user.id <=> A.user.id", ("<=>", "user.id", "A.user.id")),
    ],
)
def test_a_condition_keeps_its_operator_and_its_decoded_value(text: str, tree_shape: object) -> None:
    assert step(text) == tree_shape


def test_literals_of_different_kinds_are_different_classes() -> None:
    kinds = [type(node.value) for node in parse('a="1" b=1 c=/1/ d=?x e>1').pipeline.steps[0].operands]
    assert kinds == [tree.Quoted, tree.Bare, tree.Regex, tree.Parameter, tree.Number]


def test_a_regular_expressions_source_has_bare_slashes_and_all_other_escapes() -> None:
    (one,) = parse(r"a=/x\/\\\/\./").steps
    assert isinstance(one, tree.Compare)
    assert isinstance(one.value, tree.Regex)
    assert one.value.source == r"x/\\/\."


@pytest.mark.parametrize(
    ("text", "tree_shape"),
    [
        ("x := a+b*2", (":=", "x", ("+", ("field", "a"), ("*", ("field", "b"), 2)))),
        ("x := a - b - c", (":=", "x", ("-", ("-", ("field", "a"), ("field", "b")), ("field", "c")))),
        ("x := (a+b)*-2", (":=", "x", ("*", ("+", ("field", "a"), ("field", "b")), -2))),
        ("x := -y", (":=", "x", ("-", ("field", "y")))),
        ("a:=m/fisk/i", (":=", "a", ("/", ("/", ("field", "m"), ("field", "fisk")), ("field", "i")))),
        ('x := "text"', (":=", "x", "text")),
        ("x := true", (":=", "x", True)),
        ("x := lower(y)", (":=", "x", ("lower", "y"))),
        ("test(a-b == c)", ("test", ("==", ("-", ("field", "a"), ("field", "b")), ("field", "c")))),
        (
            "x := if(a > 1, then=b, else=if(c, then=1, else=2))",
            (
                ":=",
                "x",
                (
                    "if",
                    (">", ("field", "a"), 1),
                    ("then=", ("field", "b")),
                    ("else=", ("if", ("field", "c"), ("then=", 1), ("else=", 2))),
                ),
            ),
        ),
        ("eval(a=b+1, c=d)", ("eval", ("a=", ("+", ("field", "b"), 1)), ("c=", ("field", "d")))),
        ("x := m:f(y)", (":=", "x", ("m:f", "y"))),
    ],
)
def test_in_an_expression_words_are_fields_and_operators_have_levels(text: str, tree_shape: object) -> None:
    assert step(text) == tree_shape


@pytest.mark.parametrize(
    ("text", "tree_shape"),
    [
        ("count()", ("count",)),
        ("bucket(span=1h, limit=-5)", ("bucket", ("span=", "1h"), ("limit=", -5))),
        ("in(a, values=[S-1-5-18, b*, 3])", ("in", "a", ("values=", ["S-1-5-18", "b*", 3]))),
        ("groupBy([a, b], function=([count(), max(c)]))",
         ("groupBy", ["a", "b"], ("function=", [("count",), ("max", "c")]))),
        ("groupBy(a, function={x=1 | count()})", ("groupBy", "a", ("function=", ("{}", ("x", "=", "1"), ("count",))))),
        ("groupBy(a, function=[n := count()])", ("groupBy", "a", ("function=", [(":=", "n", ("count",))]))),
        ('!cidr(a, subnet="10.0.0.0/8")', ("not", ("cidr", "a", ("subnet=", "10.0.0.0/8")))),
        ("a =~ in(values=[1])", ("=~", "a", ("in", ("values=", [1])))),
        ("a =~ !in(values=[1])", ("=~!", "a", ("in", ("values=", [1])))),
        ("[count(), sum(a)]", ("stats", ("count",), ("sum", "a"))),
        ("$saved(a=1)", ("$", "saved", ("a=", 1))),
        ('$"pack/x:a b"()', ("$", "pack/x:a b")),
        ("$query://name()", ("$", "query://name")),
        ("join({a=1 | b=2}, field=c, include=[d])",
         ("join", ("{}", ("a", "=", "1"), ("b", "=", "2")), ("field=", "c"), ("include=", ["d"]))),
        ("correlate(A: {a=1} include: [b], B: {c <=> A.c}, within=1h)",
         ("correlate", ("A", (("a", "=", "1"),), ["b"]), ("B", (("<=>", "c", "A.c"),), None), ("within=", "1h"))),
        ("f(a,)", ("f", "a")),
    ],
)  # fmt: skip
def test_calls_take_names_words_lists_functions_and_queries(text: str, tree_shape: object) -> None:
    assert step(text) == tree_shape


def test_case_and_match_hold_pipelines() -> None:
    assert step("case { a=1 | b := 2 ; cidr(c, subnet=?s) ; * ; }") == (
        "case",
        (("a", "=", "1"), (":=", "b", 2)),
        (("cidr", "c", ("subnet=", ("?", "s", None))),),
        (("free", "*"),),
    )
    assert step('f match { "x" => a := 1 ; /y/i => b := 2 | c=3 ; in(values=[z]) => * ; * => d := 4 }') == (
        "match",
        "f",
        ("x", ((":=", "a", 1),)),
        (("/", "y", "i"), ((":=", "b", 2), ("c", "=", "3"))),
        (("in", ("values=", ["z"])), (("free", "*"),)),
        ("*", ((":=", "d", 4),)),
    )


def test_a_pipe_may_lead_and_comments_stand_anywhere() -> None:
    query = parse("// head\n| a=1 /* in\nside */ | b=2 // tail")
    assert [shape(one) for one in query.steps] == [("a", "=", "1"), ("b", "=", "2")]
    assert [(one.text, one.block, one.at) for one in query.comments] == [
        ("head", False, Position(1, 1)),
        ("in\nside", True, Position(2, 7)),
        ("tail", False, Position(3, 15)),
    ]


def test_an_empty_query_has_no_steps() -> None:
    assert parse("").steps == ()
    assert parse(" // nothing\n").steps == ()


def test_positions_are_lines_and_columns_from_one() -> None:
    query = parse("a=1\n| bb := cc +\n  dd")
    (first, second) = query.steps
    assert first.at == Position(1, 1)
    assert isinstance(second, tree.Assign)
    assert second.at == Position(2, 3)
    assert isinstance(second.value, tree.Binary)
    assert second.value.left.at == Position(2, 9)
    assert second.value.right.at == Position(3, 3)


def test_walk_visits_every_node_once_in_the_order_of_the_text() -> None:
    query = parse("a=1 (b=2 or c=3) | count(d)")
    names = [node.name for node in tree.walk(query) if isinstance(node, tree.Field)]
    assert names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("a=1 | (b=2", "syntax", (1, 7)),
        ("a=1 |\n| b=2", "empty-step", (2, 1)),
        ('a="b', "syntax", (1, 3)),
        ("a=(b or c)", "syntax", (1, 3)),
        ("a=/b", "syntax", (1, 3)),
        ("f(a b)", "syntax", (1, 5)),
        ("case { a=1", "syntax", (1, 1)),
        ("f match { a }", "syntax", (1, 13)),
        ("a := ", "syntax", (1, 1)),
        ("a=1 or", "syntax", (1, 6)),
        ("a and and b", "syntax", (1, 7)),
        ("https://", "syntax", (1, 1)),
        ("a:=/fisk/i", "regex-in-expression", (1, 4)),
        ("a:=foo==/fisk/i", "regex-in-expression", (1, 9)),
        ("/* open", "syntax", (1, 1)),
        ("a=1)", "syntax", (1, 4)),
        ("a=1 } b", "syntax", (1, 5)),
        ("join({a=1", "syntax", (1, 6)),
        ("a=`b`", "syntax", (1, 3)),
        ("a=~/b/", "syntax", (1, 4)),
        ("$", "syntax", (1, 1)),
        ("$name | a=1", "syntax", (1, 1)),
        ("?", "syntax", (1, 1)),
        ("a=?{b}", "syntax", (1, 6)),
    ],
)
def test_what_the_grammar_does_not_allow_is_an_error_with_place_and_hint(
    text: str, code: str, at: tuple[int, int]
) -> None:
    with pytest.raises(PolysigmaError) as error:
        parse(text, "query.cql")
    first = error.value.findings[0]
    assert (first.code, first.at, first.file) == (code, Position(*at), "query.cql")
    assert first.hint


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "(" * 5000 + "a" + ")" * 5000,
        "f(" * 5000,
        "x := " + "(" * 5000,
        "x := " + "-" * 5000 + "1",
        "x := " + "!" * 5000 + "a",
        "not " * 5000 + "a",
        "!" * 5000 + "a",
        "case {" * 5000,
        "f match { * => " * 5000,
        "x := " + "+".join(["a"] * 5000),
        "x := " + "[" * 5000,
        "join({" * 3000,
        "a=" + "1" * 10000 + " b>" + "9" * 10000,
        "test(a==" * 3000,
        "round(a/" * 3000,
        "correlate(A: {" * 3000,
        '"' * 5001,
        "/" + "[" * 5000,
        "a=/" + "[^]" * 3000 + "/",
        "a=/" + "(a" * 3000 + "/",
        "a=/" + "\\" * 9999 + "/",
        "/*" * 5000,
        "?{" * 5000,
        "a " * 5000,
        "a or " * 5000 + "a",
        "$" * 5000,
        "\u00a0" * 5000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_text_ends_in_a_finding_or_a_tree_and_never_in_a_traceback(text: str) -> None:
    from polysigma.cql import lint

    parse_tolerantly(text)
    lint(text, context="filter-alert")
