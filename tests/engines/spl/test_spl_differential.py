"""Random conditions and plans, printed as SPL, parsed and run by the engine, against the oracle on the same rows.

Texts hold what SPL trips over: quotes, backslashes, stars, pipes, backticks, percent signs, letters beyond ASCII.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError

from polysigma.engines.reference import evaluate
from polysigma.engines.spl import parse, run_spl
from polysigma.engines.spl.tree import Search
from polysigma.engines.spl.values import number, several, text
from polysigma.plan.expressions import (
    TRUE,
    And,
    Arithmetic,
    Call,
    Column,
    Comparison,
    Constant,
    Exists,
    In,
    InNetwork,
    ListLiteral,
    Not,
    Or,
    Regex,
    TextMatch,
    Wildcard,
)
from polysigma.plan.steps import (
    TIME_COLUMN,
    Annotate,
    Bucket,
    Derive,
    Group,
    Measure,
    Output,
    Plan,
    Score,
    Sort,
    Source,
    Where,
)
from polysigma.plan.types import Type
from sigma.backends.polysigma.printer import Job
from sigma.backends.polysigma.spl import SplPrinter

TYPES = {
    "Id": Type.TEXT,
    "Image": Type.TEXT,
    "CommandLine": Type.TEXT,
    "Port": Type.INTEGER,
    "Flag": Type.BOOLEAN,
    "Ip": Type.ADDRESS,
}
WORDS = st.one_of(
    st.text(alphabet="abAB01 *?\"\\/|.^$()[]{}-_:;,=<>!~#@&%'`+é中", min_size=1, max_size=4),
    st.sampled_from(["and", "NOT", "OR x=1", "null", "*", "\\*", "C:\\Windows\\", "\n", "a\nb", "```", "`m`", "[x]"]),
    st.sampled_from(
        ["10.0.0.0/8", "%41", "a|b", '" OR "a"="a', "$x$", "12", "12.0", " 12", "0x1F", "\\", "\\\\", "a\\", "/* */"]
    ),
)
PARTS = (
    st.lists(st.one_of(WORDS, st.sampled_from(Wildcard)), min_size=1, max_size=4)
    .map(
        lambda parts: tuple(
            part
            for index, part in enumerate(parts)
            if not (index and part is Wildcard.ANY and parts[index - 1] is Wildcard.ANY)
        )
    )
    .filter(lambda parts: parts != (Wildcard.ANY,))
)
"""As conditions have them: a wildcard alone is `Exists`."""
ADDRESSES = (
    "10.0.0.7",
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "0:0:0:0:0:ffff:c000:201",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
)
NETWORKS = st.sampled_from(["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "::/0", "0.0.0.0/0"])
REGEXES = st.sampled_from(
    ["a", "^a", "b$", "a|b", r"\\", r"\d+", "", "a?", "(?<=a)b", r"(a)\1", '"', "`", "[`]", "a++b", "é"]
)
TEXT = st.sampled_from(["Image", "CommandLine"]).map(Column)
ATOMS = st.one_of(
    st.builds(TextMatch, TEXT, PARTS, st.booleans()),
    st.builds(
        In, TEXT, st.lists(WORDS, min_size=1, max_size=3).map(lambda items: ListLiteral(tuple(items))), st.booleans()
    ),
    st.builds(Regex, TEXT, REGEXES, st.frozensets(st.sampled_from(["i", "m", "s"]))),
    st.builds(Exists, st.sampled_from(["Image", "Port", "Ip", "Address"]).map(Column)),
    st.builds(
        Comparison,
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.just(Column("Port")),
        st.integers(-1, 500).map(Constant),
    ),
    st.builds(Comparison, st.just("="), st.just(Column("Flag")), st.booleans().map(Constant)),
    st.builds(
        Comparison,
        st.sampled_from(["=", "!="]),
        st.just(Column("Image")),
        st.just(Column("CommandLine")),
        st.booleans(),
    ),
    st.builds(In, st.just(Column("Port")), st.just(ListLiteral((0, 12, 443)))),
    st.builds(InNetwork, st.just(Column("Address")), st.lists(NETWORKS, min_size=1, max_size=2).map(tuple)),
    st.builds(
        TextMatch, st.just(Column("Address")), st.sampled_from(["192.0.2.1", "2001:db8::1"]).map(lambda one: (one,))
    ),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: And(tuple(items))),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: Or(tuple(items))),
    ),
    max_leaves=6,
)
VALUES = st.one_of(WORDS, st.lists(WORDS, max_size=3).map("".join))
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "Image": st.one_of(VALUES, st.just("")),
        "CommandLine": st.one_of(VALUES, st.just("")),
        "Port": st.sampled_from(["0", "12", "443", "444"]),
        "Flag": st.sampled_from(["true", "false"]),
        "Ip": st.sampled_from(ADDRESSES),
    },
)
SLOW = bool(os.environ.get("POLYSIGMA_SLOW"))


def printed(condition):
    plan = Plan(
        name="random",
        title="``` random `x` ```",
        sources=(
            Source(
                rule="random",
                condition=condition,
                event=(In(Column("Id"), ListLiteral(("1",)), cased=True),),
                derived=(("Address", Call("address", (Column("Ip"),))),),
                types=TYPES,
            ),
        ),
        steps=(),
        window=None,
    )
    return plan, SplPrinter().print(Job(plan, (plan.title,), "hunt", "_time"))


@given(CONDITIONS, st.lists(ROWS, min_size=1, max_size=6))
@example(Comparison("=", Column("Image"), Column("CommandLine")), [{"Image": "0", "CommandLine": "00"}])
@example(Or((Exists(Column("Image")), Not(TextMatch(Column("Image"), ("0",))))), [{}])
@settings(max_examples=2000 if SLOW else 250, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_condition_finds_what_the_oracle_finds(condition, drawn):
    rows = [{"Id": "1", "Number": str(number), **row} for number, row in enumerate(drawn)]
    try:
        plan, query = printed(condition)
    except SigmaFeatureNotSupportedByBackendError:
        reject()
    assert isinstance(parse(query).commands[0], Search)
    expected = [row["Number"] for row in evaluate(plan, rows)]
    assert [text(row["Number"]) for row in run_spl(query, rows)] == expected, query


STEPS = (
    Bucket("Hour", 3600),
    Where(And((Exists(Column("Image")), Exists(Column("Port"))))),
    Group(
        ("Image", "Hour"),
        (
            Measure("Events", "count"),
            Measure("High", "count_if", condition=Comparison(">=", Column("Port"), Constant(443))),
            Measure("Ports", "distinct", Column("Port")),
            Measure("Total", "sum", Column("Port")),
            Measure("Least", "min", Column("Port")),
            Measure("Most", "max", Column("Port")),
            Measure("Mean", "avg", Column("Port")),
            Measure("Spread", "stdev", Column("Port")),
            Measure("Lines", "collect", Column("CommandLine"), constant=2),
            Measure("First", "first", Column("CommandLine")),
            Measure("Last", "last", Column("CommandLine")),
            Measure("Flagged", "distinct_if", Column("Port"), Comparison("=", Column("Flag"), TRUE)),
        ),
    ),
    Annotate(("Image",), (Measure("Hours", "count"), Measure("AllEvents", "sum", Column("Events")))),
    Derive(
        (
            ("Rate", Arithmetic("/", Column("Total"), Arithmetic("-", Column("High"), Constant(1)))),
            ("Busy", Comparison(">", Column("Events"), Constant(1))),
            ("Text", Call("coalesce", (Column("First"), Column("Image")))),
            ("Length", Call("length", (Column("Text"),))),
        )
    ),
    Score("Points", ((3, Comparison("=", Column("Busy"), TRUE)), (1, Comparison(">", Column("Rate"), Constant(100))))),
    Sort((("Points", True), ("Image", False), ("Hour", False))),
)
EXACT = ("Events", "High", "Ports", "Least", "Most", "Points", "Hours", "AllEvents", "Flagged", "Length", "Total")
PROGRAMS = st.sampled_from(["a.exe", "A.exe", "b", ""])
EVENTS = st.fixed_dictionaries(
    {"_time": st.integers(0, 200).map(lambda minutes: minutes * 61.5)},
    optional={
        "Image": PROGRAMS,
        "CommandLine": st.sampled_from(["x", "y", "z", ""]),
        "Port": st.sampled_from(["0", "12", "443", "444"]),
        "Flag": st.sampled_from(["true", "false"]),
    },
)


def measured(rows):
    """The numbers of a result by their keys; a missing one is None."""
    return {
        (row["Image"], float(row["Hour"])): {
            **{name: number(row.get(name)) for name in EXACT},
            **{name: pytest.approx(found) if (found := number(row.get(name))) is not None else None for name in NEAR},
            "Busy": str(row["Busy"]).lower(),
            "Lines": set(several(row.get("Lines"))),
        }
        for row in rows
    }


NEAR = ("Mean", "Spread", "Rate")


@given(st.lists(EVENTS, max_size=14))
@settings(max_examples=400 if SLOW else 60, deadline=None, suppress_health_check=list(HealthCheck))
def test_steps_give_what_the_oracle_gives(drawn):
    rows = [{"Id": "1", **row} for row in drawn]
    source = Source(
        rule="random",
        condition=TRUE,
        event=(In(Column("Id"), ListLiteral(("1",)), cased=True),),
        derived=((TIME_COLUMN, Call("time_from_seconds", (Column("_time"),))),),
        types={**TYPES, "_time": Type.REAL},
    )
    shown = ("Image", "Hour", *EXACT, *NEAR, "Busy", "Lines", "First", "Last")
    outputs = tuple(Output(name, (name,), "value", Type.TEXT) for name in shown)
    plan = Plan("random", "random", (source,), STEPS, 86400, outputs=outputs)
    query = SplPrinter().print(Job(plan, ("random",), "rule", "_time"))
    expected, found = evaluate(plan, rows), run_spl(query, rows)
    assert measured(found) == measured(expected), query
    # What was first and last is certain where no two events share a moment.
    if len({row["_time"] for row in rows}) == len(rows):
        ends = [
            {(row["Image"], float(row["Hour"])): (row.get("First"), row.get("Last")) for row in each}
            for each in (expected, found)
        ]
        assert ends[0] == ends[1]
    assert [row["Points"] for row in found] == [row["Points"] for row in expected]
