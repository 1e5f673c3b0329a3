"""SQL text, run on DuckDB, means what the naive evaluator says: for random expressions and random small plans.

The rows are few and chosen: every value that a language was seen to treat in its own way is in some row.
"""

# ruff: noqa: RUF001 - the strange letters are the point

from __future__ import annotations

import ipaddress
import itertools
import math
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polysigma.engines.reference import evaluate
from polysigma.plan.expressions import (
    NULL,
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
    Not,
    Or,
    Regex,
    TextMatch,
    Wildcard,
)
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import (
    Annotate,
    Bucket,
    Derive,
    Group,
    Measure,
    Output,
    Plan,
    Score,
    Select,
    Sort,
    Source,
    Take,
    Where,
)
from polysigma.plan.types import Type
from sigma.backends.polysigma.printer import Job
from sigma.backends.polysigma.sql import SqlPrinter

TEXTS = (
    "cmd.exe", "CMD.EXE", "C:\\Windows\\System32\\cmd.exe", "\\\\server\\share\\x", "a%b", "a_b", "axb", "a!b",
    "a*b", "a?b", "it's", 'say "hi"', "line\nbreak", "tab\there", "back\\", "%", "_", "!", "*", "ß", "SS", "ẞ",
    "İ", "i", "ı", "I", "ΑΣ", "ας", "ασ", "\u2028sep", "😀", "é", "e\u0301", " blank ", "443", "0443", "4.5", "-- x",
    "/* y */", "; drop", "true", "TRUE", "null", "NULL", "10.0.0.1", "x" * 300, "\u202ebidi", "a/b", "a`b", "$1", "\\1",
)  # fmt: skip
ADDRESSES = (
    "10.0.0.1", "10.255.255.255", "11.0.0.0", "172.16.0.1", "172.31.255.255", "172.32.0.0", "192.0.2.7",
    "192.0.2.128", "255.255.255.255", "0.0.0.0", "::ffff:10.0.0.1", "::FFFF:192.0.2.7", "0:0:0:0:0:ffff:c000:207",
    "::", "::1", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8:8000::1", "2001:db8:0:0:1::", "fe80::1%eth0",
    "fe80:0:0:0:0:0:0:1", "febf::1", "fec0::1", "fc00::1", "fdff::", "ff02::fb", "64:ff9b:1::5", "100::1",
    "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8", "010.0.0.1", "10.0.0", "10.0.0.1.1", "256.1.1.1", "not an address",
    "1::2::3", "12345::", "g::1", ":", "a:b",
)  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "-1", "22", "443", "6667", "65535", "70000", "abc", "")
REALS = ("0", "0.5", "1.5", "-2.25", "1e3", "1609459200.25", "x", "")
FLAGS = ("true", "false", "True", "FALSE", "1", "0", "maybe", "")
TIMES = ("2026-03-02 08:00:00.000", "2026-03-02 08:59:59.999", "2026-03-02 09:00:00.000", "2026-03-02T10:30:00Z",
         "2026-03-02T10:30:00+02:00", "2026-03-01 23:59:59.999", "2026-03-03 00:00:00", "yesterday", "")  # fmt: skip
NETWORKS = (
    "10.0.0.0/8", "172.16.0.0/12", "192.0.2.0/25", "192.0.2.7/32", "0.0.0.0/0", "10.0.0.0/15", "255.255.255.254/31",
    "::/0", "::/127", "::1/128", "2001:db8::/32", "2001:db8::/33", "fe80::/10", "fc00::/7", "ff00::/8",
    "64:ff9b:1::/48", "2001:db8::1/128", "2001:db8::/126",
)  # fmt: skip

WIRE = ("id", "t", "u", "n", "m", "r", "f", "raw", "time")
TYPES = {"id": Type.INTEGER, "t": Type.TEXT, "u": Type.TEXT, "n": Type.INTEGER, "m": Type.INTEGER, "r": Type.REAL,
         "f": Type.BOOLEAN, "raw": Type.TEXT, "time": Type.TEXT}  # fmt: skip
DERIVED = (("a", Call("address", (Column("raw"),))), ("EventTime", Call("time_from_text", (Column("time"),))))


def _rows() -> list[dict[str, str | None]]:
    dice = random.Random(7)
    pools = {"t": TEXTS, "u": (*TEXTS[:8], ""), "n": NUMBERS, "m": NUMBERS[:6], "r": REALS, "f": FLAGS,
             "raw": ADDRESSES, "time": TIMES}  # fmt: skip
    rows: list[dict[str, str | None]] = []
    for number in range(110):
        row: dict[str, str | None] = {"id": str(number)}
        for name, pool in pools.items():
            # Each pool in turn, so that every value is there; then at random.
            value = pool[number] if number < len(pool) else dice.choice([*pool, None, ""])
            row[name] = value
        if dice.random() < 0.3:
            row["u"] = row["t"]
        rows.append(row)
    return rows


ROWS = _rows()


@pytest.fixture(scope="module")
def events(database):
    columns = ", ".join(f'"{name}" VARCHAR' for name in WIRE)
    database.execute(f"CREATE OR REPLACE TABLE events ({columns})")
    database.executemany(
        f"INSERT INTO events VALUES ({', '.join('?' for _ in WIRE)})", [[row[name] for name in WIRE] for row in ROWS]
    )
    return database


def printed(plan: Plan) -> str:
    return SqlPrinter("duckdb", "events").print(Job(plan, ("a plan",), "rule", "time"))


def source(condition: Expression = TRUE) -> Source:
    return Source("base", condition, table="events", types=TYPES, derived=DERIVED)


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(int(row["id"]) for row in rows)


# Expressions.

T, U, N, M, R, F, A, TIME = (Column(name) for name in ("t", "u", "n", "m", "r", "f", "a", "EventTime"))
PIECES = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from([piece for text in TEXTS for piece in (text[:2], text[-2:], text[1:3]) if piece]),
)
NUMBER = st.one_of(st.integers(-2, 4), st.sampled_from([22, 443, 65535, 2**32, 0.5, 1.5, -2.25, 1000.0]))
PATTERN_PARTS = st.lists(st.one_of(PIECES, st.sampled_from(Wildcard)), min_size=1, max_size=4).filter(
    lambda parts: any(isinstance(part, str) for part in parts)
)
REGEXES = (
    r"^cmd", r"\.exe$", r"a.b", r"[A-C]:\\", r"\d+", r"^\S+$", r"(x){2,}", r"(?:cmd|it)", r"\\\\server", r"[^a-z]",
    r"e\.?x", r"\bhi\b", r"%|_", r"^[\w.]+$", r"b.*k", r"k$", r"^b", r"[a\]]", r"\x41", r"a/b", r"\$1", r"x*", r"a{1",
    r"(?P<name>c)md", r"[\[]", r"\?|\*",
)  # fmt: skip

NUMERIC = st.recursive(
    st.one_of(st.sampled_from([N, M, R]), NUMBER.map(Constant)),
    lambda inner: st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
    max_leaves=4,
)
TEXTUAL = st.one_of(
    st.sampled_from([T, U]),
    st.builds(Call, st.just("lower"), st.tuples(st.sampled_from([T, U]))),
    st.builds(Call, st.just("base_name"), st.tuples(st.just(T))),
    st.builds(Call, st.just("coalesce"), st.tuples(st.just(U), st.one_of(st.just(T), PIECES.map(Constant)))),
)
ATOMS = st.one_of(
    st.builds(TextMatch, st.sampled_from([T, U, N, F]), PATTERN_PARTS.map(tuple), st.booleans()),
    st.builds(TextMatch, TEXTUAL, st.tuples(PIECES), st.booleans()),
    st.builds(In, TEXTUAL, st.builds(ListLiteral, st.lists(PIECES, min_size=1, max_size=4).map(tuple)), st.booleans()),
    st.builds(In, st.sampled_from([N, M]), st.builds(ListLiteral, st.lists(st.integers(0, 3), min_size=1).map(tuple))),
    st.builds(Comparison, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), NUMERIC, NUMERIC),
    st.builds(Comparison, st.sampled_from(["=", "!="]), TEXTUAL, TEXTUAL, st.booleans()),
    st.builds(Comparison, st.sampled_from(["=", "!="]), st.just(F), st.booleans().map(Constant)),
    st.builds(
        Regex, st.sampled_from([T, U]), st.sampled_from(REGEXES), st.frozensets(st.sampled_from("ims"), max_size=2)
    ),
    st.builds(InNetwork, st.just(A), st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3).map(tuple)),
    st.builds(TextMatch, st.just(A), st.tuples(st.sampled_from(["192.0.2.7", "2001:db8::1", "::1", "not an address"]))),
    st.builds(TextMatch, st.just(A), st.sampled_from([("192.0.2.", Wildcard.ANY), (Wildcard.ANY, ".1")])),
    st.builds(Exists, st.one_of(st.sampled_from([T, U, N, M, R, F, A, TIME]), TEXTUAL, NUMERIC)),
)


def combined(atoms: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: And(tuple(items))),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: Or(tuple(items))),
        ),
        max_leaves=5,
    )


CONDITIONS = combined(ATOMS)
# A rule can say `|gt` of a column that holds text; a step cannot.
TEXT_ABOVE = st.builds(Comparison, st.sampled_from(["<", "<=", ">", ">="]), st.just(T), NUMBER.map(Constant))
RULE_CONDITIONS = combined(st.one_of(ATOMS, TEXT_ABOVE))
VALUES = st.one_of(
    NUMERIC,
    TEXTUAL,
    CONDITIONS,
    st.builds(lambda test, yes, no: Case(((test, yes),), no), CONDITIONS, NUMERIC, st.one_of(NUMERIC, st.just(NULL))),
    st.builds(lambda test, yes: Case(((test, yes),), Constant("other")), CONDITIONS, TEXTUAL),
    st.builds(Call, st.just("length"), st.tuples(TEXTUAL)),
    st.builds(Call, st.sampled_from(["digit_ratio", "vowel_ratio"]), st.tuples(TEXTUAL)),
    st.builds(
        Call,
        st.just("labels"),
        st.tuples(st.sampled_from([T, Constant("a.b.example.com."), Constant("com")]), st.integers(1, 3).map(Constant)),
    ),
    st.builds(Call, st.just("round"), st.tuples(st.sampled_from([N, R]), st.integers(0, 2).map(Constant))),
)

FAST = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
SLOW = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))


def same_rows(events: Any, condition: Expression) -> None:
    """The plain rule's SQL finds the rows that the oracle finds."""
    plan = Plan("p", "P", (source(condition),), (), None)
    text = printed(plan)
    cursor = events.execute(text)
    names = [column[0] for column in cursor.description]
    found = {int(values[names.index("id")]) for values in cursor.fetchall()}
    wanted = {int(row["id"]) for row in evaluate(plan, ROWS)}  # type: ignore[arg-type]
    wrong = [("only SQL" if number in found else "only the oracle", ROWS[number]) for number in sorted(found ^ wanted)]
    assert not wrong, text


@given(condition=RULE_CONDITIONS)
@example(condition=Not(InNetwork(A, ("10.0.0.0/8", "2001:db8::/32"))))
@example(condition=Exists(U))
@example(condition=TextMatch(T, ("ΑΣ",)))
@example(condition=Comparison("=", N, Constant(443)))
@example(condition=Regex(U, "^$"))
@FAST
def test_a_condition_finds_the_rows_that_the_oracle_finds(events, condition):
    same_rows(events, condition)


@pytest.mark.slow
@given(condition=RULE_CONDITIONS)
@SLOW
def test_many_conditions_find_the_rows_that_the_oracle_finds(events, condition):
    same_rows(events, condition)


@given(condition=CONDITIONS)
@FAST
def test_simplifying_changes_no_row(condition):
    before = Plan("p", "P", (source(condition),), (), None)
    after = Plan("p", "P", (source(simplify(condition)),), (), None)
    assert ids(evaluate(before, ROWS)) == ids(evaluate(after, ROWS))


# Plans.


def shown(value: Any) -> Any:
    """A value as both sides can be compared: times in seconds, addresses in one spelling, numbers to nine digits."""
    if isinstance(value, datetime):
        value = value.replace(tzinfo=UTC).timestamp()
    if isinstance(value, str):
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            return value
    if isinstance(value, list):
        return sorted((shown(item) for item in value), key=str)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(f"{value:.9g}") + 0.0 if math.isfinite(value) else None
    return value


def same_table(events: Any, plan: Plan, *, ordered: bool = False) -> None:
    text = printed(plan)
    cursor = events.execute(text)
    names = [column[0] for column in cursor.description]
    found = [[shown(value) for value in values] for values in cursor.fetchall()]
    wanted = [[shown(row.get(name)) for name in names] for row in evaluate(plan, ROWS)]
    if not ordered:
        found, wanted = sorted(found, key=repr), sorted(wanted, key=repr)
    wrong = [pair for pair in itertools.zip_longest(found, wanted) if pair[0] != pair[1]]
    assert not wrong, text


def outputs(*names: str) -> tuple[Output, ...]:
    return tuple(Output(name, (name,), "value", Type.TEXT) for name in names)


def valued(value: Expression) -> Plan:
    """A plan that shows an expression's value for every row."""
    group = Group(
        ("id",), tuple(Measure(name, "first", Column(name)) for name in ("t", "u", "n", "m", "r", "f", "a", "raw"))
    )
    steps = (Where(Exists(TIME)), group, Derive((("value", value),)))
    return Plan("p", "P", (source(),), steps, 3600, outputs=outputs("id", "value"))


def without_time(node: Expression) -> bool:
    from polysigma.plan.expressions import columns

    return "EventTime" not in columns(node)


@given(value=VALUES.filter(without_time))
@FAST
def test_a_computed_column_holds_what_the_oracle_says(events, value):
    same_table(events, valued(value))


@pytest.mark.parametrize(
    ("divisor", "guarded"), [(Constant(0), True), (Constant(60), False), (Constant(0.5), False), (N, True)]
)
def test_only_what_can_be_nought_is_kept_from_dividing(events, divisor, guarded):
    plan = valued(Arithmetic("/", N, divisor))
    assert (', 0) AS "value"' in printed(plan)) is guarded
    same_table(events, plan)


@pytest.mark.slow
@given(value=VALUES.filter(without_time))
@SLOW
def test_many_computed_columns_hold_what_the_oracle_says(events, value):
    same_table(events, valued(value))


KEYS = ("u", "n", "f", "a")
MEASURES = st.one_of(
    st.just(("count", None, None, None)),
    st.builds(lambda test: ("count_if", None, test, None), CONDITIONS),
    st.builds(lambda value: ("distinct", value, None, None), st.sampled_from([T, N, A, F])),
    st.builds(lambda value, test: ("distinct_if", value, test, None), st.sampled_from([T, N]), CONDITIONS),
    st.builds(lambda name, value: (name, value, None, None), st.sampled_from(["sum", "min", "max", "avg", "stdev"]),
              st.one_of(st.sampled_from([M, R]), NUMERIC)),
    st.builds(lambda name: (name, TIME, None, None), st.sampled_from(["min", "max"])),
    st.just(("median", M, None, None)),
    st.builds(lambda p: ("percentile", M, None, p), st.sampled_from([0, 25, 90, 99.5, 100])),
    st.builds(lambda value: ("collect", value, None, 1000), st.sampled_from([T, N, F])),
    # Three texts in order of code points; the platform's own order decides nothing.
    st.just(("collect", T, None, 3)),
)  # fmt: skip


@st.composite
def plans(draw: Any) -> Plan:
    """Source, perhaps a bucket and annotations, one or two groups, and conditions, columns and scores after them."""
    steps: list[Any] = []
    keys = tuple(draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True)))
    if draw(st.booleans()):
        steps += [Where(Exists(TIME)), Bucket("slot", draw(st.sampled_from([60, 900, 3600, 86400, 10800])))]
        keys = (*keys, "slot")
    if draw(st.booleans()):
        measure = draw(MEASURES)
        steps += [Where(Exists(Column(keys[0]))), Annotate(keys[:1], (Measure("around", *measure),))]
    if draw(st.booleans()):
        steps.append(Where(draw(CONDITIONS)))
    steps.append(Where(And(tuple(Exists(Column(key)) for key in keys)) if len(keys) > 1 else Exists(Column(keys[0]))))
    measures = draw(st.lists(MEASURES, min_size=1, max_size=3))
    named = tuple(Measure(f"m{number}", *measure) for number, measure in enumerate(measures))
    steps.append(Group(keys, (Measure("rows", "count"), *named)))
    shown_columns = [*keys, "rows", *(measure.name for measure in named)]
    if draw(st.booleans()):
        steps.append(
            Group(
                keys[:1],
                (
                    Measure("groups", "count"),
                    Measure("total", "sum", Column("rows")),
                    Measure("mean", "avg", Column("rows")),
                ),
            )
        )
        shown_columns = [keys[0], "groups", "total", "mean"]
        share = Arithmetic("/", Column("total"), Arithmetic("-", Column("groups"), Constant(1)))
        steps.append(Derive((("share", share), ("more", Arithmetic("*", Column("share"), Constant(2))))))
        steps.append(
            Score("points", ((3, Comparison(">", Column("share"), Constant(3))), (1, Not(Exists(Column("share")))))),
        )
        shown_columns += ["share", "more", "points"]
        steps.append(Where(Comparison("<=", Column("points"), Constant(draw(st.sampled_from([0, 1, 3]))))))
        if draw(st.booleans()):
            shown_columns = [keys[0], "points"]
            steps.append(Select(tuple(shown_columns)))
    return Plan("p", "P", (source(),), tuple(steps), 3600, outputs=outputs(*shown_columns))


@given(plan=plans())
@FAST
def test_a_plan_gives_the_rows_that_the_oracle_gives(events, plan):
    same_table(events, plan)


@pytest.mark.slow
@given(plan=plans())
@SLOW
def test_many_plans_give_the_rows_that_the_oracle_gives(events, plan):
    same_table(events, plan)


@pytest.mark.parametrize(("down", "count"), [*itertools.product([False, True], [1, 5, 50])])
def test_the_order_and_the_cut_are_those_of_the_oracle(events, down, count):
    group = Group(("u", "n"), (Measure("rows", "count"), Measure("most", "max", M)))
    present = Where(And((Exists(U), Exists(N))))
    order = Sort((("most", down), ("rows", not down), ("u", down), ("n", False)))
    plan = Plan("p", "P", (source(),), (present, group, order, Take(count)), 3600,
                outputs=outputs("u", "n", "rows", "most"))  # fmt: skip
    same_table(events, plan, ordered=True)


def test_first_and_last_are_by_time_and_pass_over_missing_values(events):
    # One row for each text, so that no two rows of a group have one time.
    group = Group(("t",), (Measure("early", "first", U), Measure("late", "last", N)))
    plan = Plan("p", "P", (source(Exists(TIME)),), (Where(Exists(T)), group), 3600,
                outputs=outputs("t", "early", "late"))  # fmt: skip
    seen: dict[tuple[Any, Any], int] = {}
    for row in ROWS:
        seen[row["t"], row["time"]] = seen.get((row["t"], row["time"]), 0) + 1
    single = {key[0] for key, times in seen.items() if times == 1} - {
        key[0] for key, times in seen.items() if times > 1
    }
    cursor = events.execute(printed(plan))
    found = {values[0]: [shown(value) for value in values] for values in cursor.fetchall()}
    wanted = {row["t"]: [shown(row.get(name)) for name in ("t", "early", "late")] for row in evaluate(plan, ROWS)}
    assert found.keys() == wanted.keys()
    assert {text: found[text] for text in single if text in found} == {
        text: wanted[text] for text in single if text in wanted
    }


def test_several_sources_say_which_rule_a_row_matched(events):
    plan = Plan(
        "p", "P",
        (Source("one", Exists(U), types=TYPES, derived=DERIVED, table="events"),
         Source("two", Comparison(">", N, Constant(100)), types=TYPES, derived=DERIVED, table="events")),
        (Where(Exists(T)), Group(("t", "Rule"), (Measure("rows", "count"),)),
         Group(("t",), (Measure("rules", "count"),)), Where(Comparison(">=", Column("rules"), Constant(2)))),
        3600, outputs=outputs("t", "rules"),
    )  # fmt: skip
    same_table(events, plan)


@pytest.mark.parametrize("condition", [TRUE, Comparison("=", N, Constant(-77))])
def test_without_keys_all_rows_are_one_group_and_no_rows_are_none(events, condition):
    group = Group((), (Measure("rows", "count"), Measure("sum", "sum", M)))
    plan = Plan("p", "P", (source(condition),), (group,), 3600, outputs=outputs("rows", "sum"))
    same_table(events, plan)
