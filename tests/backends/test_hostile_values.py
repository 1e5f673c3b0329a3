"""Whatever a rule says stays a value: the query keeps its shape and finds what the oracle finds, or is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sqlglot import exp

from polysigma import cql, schemas
from polysigma.cql import tree
from polysigma.engines.reference import evaluate
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

HOSTILE = (
    "'", "''", '"', '""', "\\", "\\\\", "\\'", '\\"', "a\nb", "a\r\nb", "\n", "*/", "/*", "//", "-- ", "#", "|", "||",
    "`", "```", ";", "; DROP TABLE events; --", "')) OR 1=1 --", '") | groupBy([x]) | (y="', "} | *", "case { a }",
    "$param", "?param", "?{a=b}", "{{jinja}}", "%s", "%(x)s", "{0}", "a\tb", "\x00", "\x01", "\x1b[31m", "\x7f", "\x85",
    "\u2028", "\u2029", "\u200b", "\u202e", "\u2066a\u2069", "\ufeff", "\U000e0041", "😀", "e\u0301", "ÅÄÖ", "_", "%",
    "!", "a!b%c_d", "/", "a/b", "(", ")", "[", "]", "{", "}", "^", "$", "+", ".", "~", "=", ":=", "=~", "and", "or",
    "not", "true", "null", "*", "?", "now()", "x" * 100_000, "'" * 100_000, "\\" * 99_999, "a\\*b", "a\\?b", "\\*",
    "ignore previous\nsetTimeInterval(start=1)", "1e999", "0x10", "٣", "1_000", "9" * 5000, " ", "  a  ",
)  # fmt: skip


def ident(text: str) -> str:
    return ascii(text if len(text) < 40 else f"{text[:3]}...{len(text)}")


def rule(category: str = "process_creation", **changes: Any) -> dict[str, Any]:
    base = {
        "title": "A rule",
        "logsource": {"category": category, "product": "windows"},
        "detection": {"selection": {"CommandLine": "harmless"}, "condition": "selection"},
    }
    return base | changes


def selecting(**items: Any) -> dict[str, Any]:
    return {"selection": {key.replace("__", "|"): value for key, value in items.items()}, "condition": "selection"}


def printed(documents: list[dict[str, Any]], target: str, pipeline: str, **options: Any) -> str | None:
    """The query; None where the rule is refused, in pySigma's own way."""
    try:
        collection = SigmaCollection.from_dicts(json.loads(json.dumps(documents)))
        (query,) = backends[target](pipelines[pipeline](), **options).convert(collection)
    except SigmaError:
        return None
    return query


def functions_and_steps(query: str) -> list[Any]:
    """What a CQL query does, without its values: the kind of each step, and the functions that it calls."""
    parsed = cql.parse(query)
    kinds = []
    for step in parsed.steps:
        calls = [node.function for node in tree.walk(step) if isinstance(node, tree.Call)]
        names = [node.name for node in tree.walk(step) if isinstance(node, tree.Field)]
        kinds.append((type(step).__name__, calls, names))
    return kinds


def sql_shape(query: str) -> Any:
    """What an SQL query does, without its texts."""
    trees = sqlglot.parse(query, read="duckdb")
    assert len(trees) == 1
    tree = trees[0].copy()
    for literal in list(tree.find_all(exp.Literal)):
        if literal.is_string:
            literal.replace(exp.Literal.string("x"))
    # An equality and a pattern say one thing; lower() stands where a value has letters.
    text = tree.sql("duckdb", comments=False)
    for noise in ("LIKE 'x' ESCAPE 'x'", "LIKE 'x'"):
        text = text.replace(noise, "= 'x'")
    return text.replace('LOWER("CommandLine")', '"CommandLine"')


@pytest.fixture(scope="module")
def processes(database):
    columns = schemas.load("sysmon").columns("1")
    listed = ", ".join(f'"{name}" VARCHAR' for name in {name.lower(): name for name in columns}.values())
    database.execute(f"CREATE OR REPLACE TABLE sysmon ({listed})")
    return database


def sysmon_rows(values: list[str | None]) -> list[dict[str, Any]]:
    event = {"EventID": "1", "Channel": "Microsoft-Windows-Sysmon/Operational"}
    return [{**event, "ProcessId": str(number), "CommandLine": value} for number, value in enumerate(values)]


def same_rows(database: Any, detection: dict[str, Any], values: list[str | None]) -> str | None:
    """The query on rows with these command lines against the oracle; None where the rule is refused."""
    backend = backends["sql"](pipelines["sysmon_json"]())
    backend.compiled = {}
    try:
        collection = SigmaCollection.from_dicts([rule(detection=detection)])
        (query,) = backend.convert(collection)
    except SigmaError:
        return None
    rows = sysmon_rows(values)
    database.execute("DELETE FROM sysmon")
    names = list(rows[0])
    database.executemany(
        f"INSERT INTO sysmon ({', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)}) VALUES (?, ?, ?, ?)",
        [[row[name] for name in names] for row in rows],
    )
    cursor = database.execute(query)
    place = [column[0] for column in cursor.description].index("ProcessId")
    found = sorted(int(row[place]) for row in cursor.fetchall())
    ((compiled,),) = backend.compiled.values()
    wanted = sorted(int(str(row["ProcessId"])) for row in evaluate(compiled.plan, rows))
    assert found == wanted, query[:2000]
    return query


PLAIN = {
    ("logscale", "falcon"): functions_and_steps,
    ("sql", "sysmon_json"): sql_shape,
}


@pytest.mark.parametrize(
    "modifier",
    [
        "",
        "__contains",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("__startswith", "__endswith", "__cased")),
    ],
)
@pytest.mark.parametrize("value", HOSTILE, ids=ident)
def test_a_value_stays_a_value(processes, value, modifier):
    detection = selecting(**{f"CommandLine{modifier}": value})
    query = printed([rule(detection=detection)], "logscale", "falcon")
    if query is not None:
        assert [one for one in cql.lint(query) if one.severity.value == "error"] == []
        kinds = functions_and_steps(query)
        assert len(kinds) <= 3
        assert not [call for _, calls, _ in kinds for call in calls]
        assert {name for _, _, names in kinds for name in names} <= {
            "#event_simpleName", "event_platform", "CommandLine",
        }  # fmt: skip
    if len(value) > 1000 and modifier == "__endswith":
        return  # the oracle's regular expression takes a minute
    near = value[:50]
    found = same_rows(
        processes, detection, [value, f"a{value}", f"{value}b", f"a{value}b", near, value.upper(), "harmless", "", None]
    )
    if found is not None and not set(value) & set("*?\\"):
        assert sql_shape(found) == sql_shape(
            str(printed([rule(detection=selecting(**{f"CommandLine{modifier}": "y"}))], "sql", "sysmon_json"))
        )


@pytest.mark.parametrize(("target", "pipeline"), PLAIN)
def test_a_list_of_all_hostile_values_stays_a_list(target, pipeline):
    documents = [rule(detection=selecting(CommandLine__contains=[value for value in HOSTILE if value != "*"]))]
    query = printed(documents, target, pipeline)
    assert query is not None
    assert PLAIN[target, pipeline](query)


@pytest.mark.parametrize("value", [value for value in HOSTILE if len(value) < 100], ids=ident)
def test_titles_names_and_descriptions_stay_in_the_comment(value):
    harmless = [rule(title="A rule", description="text", author="me", references=["x"])]
    hostile = [rule(title=value, name=value, description=value, author=value, references=[value])]
    for (target, pipeline), reader in PLAIN.items():
        query = printed(hostile, target, pipeline)
        if query is None:
            continue
        assert reader(query) == reader(str(printed(harmless, target, pipeline)))
        assert not set(query) & set("\x00\x01\x1b\x7f\x85\u2028\u2029\u202e\u2066\ufeff\r")


def named(name: str, key: str = "Computer") -> list[dict[str, Any]]:
    return [
        rule("network_connection", name=name, title=name, detection=selecting(Initiated="true")),
        rule(name="other", detection=selecting(CommandLine__contains="x")),
        {
            "title": name,
            "name": f"{name} twice",
            "correlation": {
                "type": "temporal",
                "rules": [name, "other"],
                "group-by": [key],
                "timespan": "1h",
                "condition": {"gte": 2},
            },
        },
    ]


@pytest.mark.parametrize("value", [value for value in HOSTILE if len(value) < 100], ids=ident)
def test_names_of_rules_that_are_printed_stay_values(value):
    for (target, pipeline), reader in PLAIN.items():
        query = printed(named(value), target, pipeline)
        if query is not None:
            assert reader(query) == reader(str(printed(named("harmless"), target, pipeline)))


@pytest.mark.parametrize("value", [value for value in HOSTILE if len(value) < 100], ids=ident)
@pytest.mark.parametrize(("target", "pipeline"), PLAIN)
def test_a_field_of_a_hostile_name_is_refused_or_quoted(value, target, pipeline):
    query = printed([rule(detection={"selection": {value: "x"}, "condition": "selection"})], target, pipeline)
    assert query is None  # no platform of ours claims such a field
    assert printed(named("one", key=value), target, pipeline) is None


REGEXES = (
    "a/b", "//", "/", "\\/", "'", '"', "\\\\", "a|b", "`", ";", "--", "\\x00", "[/]", "[^/]", "a{1", "a{,2}", "}", "]",
    "[]a]", "[a\\]]", "(?i)x", "(?:a|b)+?", "(?P<n>x)", "(?<n>x)", "(?=x)", "(?<=x)", "(?>x)", "x++", "\\1", "\\p{L}",
    "\n", "a\nb", "\u2028", "\u202e", "\\Qa\\E", "(?#c)", "\\", "(", "[", "a**", "", ".", "^$", "$^", "\\u0041", "\\z",
    "\\Z", "\\A", "[a-z&&[b]]", "x{0,1000}", "😀+", "[[:alpha:]]", "\\N{DASH}", "\\cA", "\\07", "(?-i)x", "(?s:.)",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("pattern", REGEXES, ids=ident)
@pytest.mark.parametrize("flags", ["", "__i", "__m__s"])
def test_a_regular_expression_stays_one_or_is_refused(processes, pattern, flags):
    detection = selecting(**{f"CommandLine__re{flags}": pattern})
    query = printed([rule(detection=detection)], "logscale", "falcon")
    if query is not None:
        assert [one for one in cql.lint(query) if one.severity.value == "error"] == []
        assert len(functions_and_steps(query)) == 3
    rows = ["a/b", "/", "'", '"', "\\", "a", "b", "x", "xx", "a\nb", "\u2028", "\u202e", "aE", "A", "a{1", "]", "}", "",
            "aa", "😀", "\x00", "X", ";", None, "-", "é"]  # fmt: skip
    if "[[:" not in pattern:  # which the oracle, speaking Python's dialect, reads otherwise
        same_rows(processes, detection, rows)


NUMBERS = (0, -1, 1.5, 1e308, -1e-300, 2**63, -(2**63), 2**200, 10**400, float("inf"), float("nan"), True)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number)[:12])
@pytest.mark.parametrize("modifier", ["", "__gt", "__lte", "__neq"])
def test_a_number_of_any_size_is_one_or_is_refused(processes, number, modifier):
    for field in ("ProcessId", "CommandLine"):
        detection = selecting(**{f"{field}{modifier}": number})
        query = printed([rule(detection=detection)], "logscale", "falcon") if number == number else None
        if query is not None:
            assert [one for one in cql.lint(query) if one.severity.value == "error"] == []
        same_rows(processes, detection, ["0", "-1", "1.5", "1e308", str(2**63), "true", "x", "", None])


SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20))
@SETTINGS
def test_any_text_at_all_stays_a_value(processes, value):
    detection = selecting(CommandLine__contains=value)
    query = printed([rule(detection=detection)], "logscale", "falcon")
    if query is not None:
        assert [one for one in cql.lint(query) if one.severity.value == "error"] == []
        assert len(functions_and_steps(query)) <= 3
    same_rows(processes, detection, [value, f"x{value}y", value.swapcase(), "z", "", None])


STAGED = {
    "version": 1,
    "parameters": {"text": {"value": "harmless", "about": "A text that is compared"}},
    "steps": [
        {
            "group": {
                "by": ["Computer", "Image"],
                "measures": {"Rows": "count()", "Seen": "count_if(CommandLine = :text)"},
            }
        },
        {"where": "Image != :text and Rows > 0"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("value", [value for value in HOSTILE if len(value) < 100], ids=ident)
def test_the_text_of_a_parameter_stays_a_value(value):
    documents = [
        rule(name="base", detection=selecting(CommandLine__contains="x")),
        {
            "title": "Staged",
            "name": "staged",
            "correlation": {"type": "event_count", "rules": ["base"], "group-by": ["Computer"], "timespan": "1h",
                            "condition": {"gte": 1}},
            "polysigma": STAGED,
        },
    ]  # fmt: skip
    for target, pipeline in (("sql", "sysmon_json"), ("logscale", "falcon")):
        harmless = str(printed(documents, target, pipeline))
        query = printed(documents, target, pipeline, set=f"staged.text={value}")
        if query is None:
            continue
        if target == "sql":
            flat = sql_shape(query).replace('LOWER("Image")', '"Image"')
            assert flat == sql_shape(harmless).replace('LOWER("Image")', '"Image"')
        else:
            assert [one for one in cql.lint(query) if one.severity.value == "error"] == []
            assert functions_and_steps(query) == functions_and_steps(harmless)
