"""Random Sigma rules on random events: the queries of all platforms find the events on which the rule holds.

An event is recorded as each platform does (`tests/corpus`, written from the tables' schemas), the text of each query is
run by its engine, and what it finds is compared with what `naive.py`, which reads the specification alone, says of as
much of the event as the row can tell. A platform may refuse a rule; what else is raised fails the test.
"""

from __future__ import annotations

import json
import os
import re
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.cql import run_cql
from polysigma.engines.embedded import quoted
from polysigma.engines.kql.execute import Database
from polysigma.engines.spl import run_spl
from polysigma.schemas import load
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines, platform
from tests.corpus import falcon, naive
from tests.corpus.microsoft import RECORDERS
from tests.corpus.splunk import CODES, Sysmon
from tests.corpus.test_sigma_differential import ADDRESS_VALUES, AMOUNTS, ENCODED, GIVEN, PLAIN, WORDS, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigma.rule import SigmaLogSource, SigmaRule

# Python warns of `[[]`, which means in RE2 what it means in Python.
pytestmark = pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")

FIELDS = {
    "process_creation": (("CommandLine", "Image", "ParentImage", "Computer"), ("ProcessId",)),
    "network_connection": (("Computer", "Image"), ("DestinationPort", "SourcePort")),
    "dns_query": (("QueryName", "Computer"), ()),
}
"""By category: the fields with text and those with numbers that most platforms record."""
TABLES = {
    "process_creation": "DeviceProcessEvents",
    "network_connection": "DeviceNetworkEvents",
    "dns_query": "DeviceNetworkEvents",
}
BESIDES = {"timestamp", "event_simpleName", "event_platform", "aid"}
"""What a row of Falcon's says that is not of the event."""
MANY = 8
"""Rules of a case: they share its events, and so the cost of loading them."""


class Falcon:
    """`tests/corpus/falcon.py` as a recorder."""

    def seen(self, source: SigmaLogSource, event: naive.Event) -> naive.Event:
        kept = falcon.seen(source.category or "", source.product, event)
        if source.category == "dns_query" and "Image" in event:
            kept["Image"] = event["Image"]
        return kept

    def row(self, source: SigmaLogSource, event: naive.Event) -> dict[str, Any]:
        found = falcon.row(source.category or "", source.product, event)
        # Only what the event says, lest a keyword be found in what there is besides.
        said = {name: text for name, text in found.items() if name.strip("@#") not in BESIDES}
        return {**found, "@rawstring": json.dumps(said, ensure_ascii=True)}


class SysmonJson(Sysmon):
    """Sysmon's events as JSON: the same names as in Splunk, but for its own envelope."""

    def row(self, source: SigmaLogSource, event: naive.Event) -> dict[str, Any]:
        found = super().row(source, event)
        return {name: text for name, text in found.items() if name not in {"_time", "source", "EventCode"}} | {
            "EventID": CODES[source.category or ""]
        }


@dataclass(frozen=True)
class Place:
    """A platform: its language, and what records events on it."""

    target: str
    recorder: Any


PLACES = {
    "falcon": Place("logscale", Falcon()),
    "defender": Place("kql", RECORDERS["defender"]),
    "sentinel": Place("kql", RECORDERS["sentinel"]),
    "splunk_sysmon": Place("spl", Sysmon()),
    "sysmon_json": Place("sql", SysmonJson()),
}
NUMBER = {"defender": "ReportId", "sentinel": "TenantId"}
"""A column that tells the rows apart."""
COLUMNS = {
    "ActionType", "AdditionalFields", "DeviceId", "DeviceName", "FolderPath", "InitiatingProcessFolderPath",
    "LocalIP", "LocalPort", "ProcessCommandLine", "ProcessId", "RemoteIP", "RemotePort", "TimeGenerated", "Timestamp",
}  # fmt: skip
"""Of Defender's tables those that the rows here have: the fewer there are, the sooner DuckDB has planned a query."""


@cache
def kusto(name: str) -> Database:
    """Made once: to make its tables takes longer than a query."""
    schema = platform(name).schema_name
    database = Database(schema, {}, named={*TABLES.values(), *COLUMNS, NUMBER[name]})
    database.connection.execute("PRAGMA disable_optimizer")
    return database


@cache
def sysmon() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'; PRAGMA disable_optimizer")
    listed = ", ".join(f"{quoted(name)} VARCHAR" for name in sysmon_columns())
    connection.execute(f"CREATE TABLE sysmon ({listed})")
    return connection


@cache
def sysmon_columns() -> list[str]:
    tables = load("sysmon").tables
    return list(dict.fromkeys(["number", *(name for code in ("1", "3", "22") for name in tables[code])]))


class Loaded:
    """Rows of a platform; `found` are the numbers of those that a query finds."""

    def __init__(self, name: str, category: str, rows: list[dict[str, Any]]) -> None:
        self.name = name
        self.rows = rows
        match PLACES[name].target:
            case "kql":
                table = TABLES[category]
                number = NUMBER[name]
                kusto(name).connection.execute(f"DELETE FROM {kusto(name).holders[table]}")
                given = [{**row, number: at if name == "defender" else str(at)} for at, row in enumerate(rows)]
                kusto(name).fill(table, given)
            case "sql":
                sysmon().execute("DELETE FROM sysmon")
                columns = sysmon_columns()
                given = [[{**row, "number": str(at)}.get(column) for column in columns] for at, row in enumerate(rows)]
                marks = ", ".join("?" for _ in columns)
                sysmon().executemany(f"INSERT INTO sysmon VALUES ({marks})", given)
            case _:
                self.rows = [{**row, "number": str(at)} for at, row in enumerate(rows)]

    def found(self, query: str) -> set[int] | None:
        """None where what LogScale finds hangs on whether it takes texts that spell one number for the same."""
        match PLACES[self.name].target:
            case "logscale":
                result = run_cql(query, self.rows)
                if result.assumptions & {"equals-numeric", "in-numeric"}:
                    return None
                return {int(row["number"]) for row in result.rows}
            case "spl":
                return {int(row["number"]) for row in run_spl(query, self.rows)}
            case "kql":
                number = NUMBER[self.name]
                return {int(row[number]) for row in kusto(self.name).run(f"{query.rstrip()}\n| project {number}")}
            case _:
                cursor = sysmon().execute(query)
                at = [column[0] for column in cursor.description].index("number")
                return {int(row[at]) for row in cursor.fetchall()}


HASHES = ["0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789ABCDE0"]
PATHS = st.builds(
    lambda root, middle, leaf: f"{root}{middle}\\{leaf}",
    st.sampled_from(["C:\\", "C:\\Windows\\", "D:\\a b\\"]),
    st.lists(st.sampled_from(["a", "B", "ab", "-a", "é", "x y", "%", "12"]), min_size=1, max_size=2).map("".join),
    st.sampled_from(["a.exe", "A.EXE", "ab", "foo", "ann", "b*b".replace("*", "-"), "[a]", "é", "12"]),
)


TIMES = ["2020-12-31 23:59:59", "2021-01-04 00:00:00", "2024-12-30 22:10:03", "2024-02-29 09:30:00"]


def at_its_time(row: dict[str, Any], text: str) -> dict[str, Any]:
    """The row with its time where its platform has it."""
    seconds = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    stamp = text.replace(" ", "T") + "Z"
    clocks = {"@timestamp": str(int(seconds * 1000)), "_time": seconds, "Timestamp": stamp, "TimeGenerated": stamp}
    return row | {name: time for name, time in clocks.items() if name in row}


def events(category: str) -> st.SearchStrategy[list[naive.Event]]:
    texts = st.one_of(
        PLAIN, st.sampled_from(WORDS), st.sampled_from(ENCODED), st.sampled_from(["", "BOB1", "axb", "443", "foo qux"])
    )
    names, numbers = FIELDS[category]
    fields: dict[str, st.SearchStrategy[str]] = dict.fromkeys(names, texts)
    fields |= dict.fromkeys({"Image", "ParentImage"} & fields.keys(), PATHS)
    fields |= dict.fromkeys(numbers, st.sampled_from([amount for amount in AMOUNTS if amount >= 0]).map(str))
    always: dict[str, st.SearchStrategy[str]] = {"UtcTime": st.sampled_from(TIMES)}
    if category == "network_connection":
        fields |= dict.fromkeys(("DestinationIp", "SourceIp"), st.sampled_from(ADDRESS_VALUES))
        always["Initiated"] = st.sampled_from(["true", "false"])
    return st.lists(st.fixed_dictionaries(always, optional=fields), min_size=6, max_size=16)


def cases(category: str) -> st.SearchStrategy[Any]:
    """Rules, events, and which of Microsoft's platforms is left out: their queries differ in the name of a column."""
    drawn = rules({"category": category, "product": "windows"}, FIELDS[category])
    left_out = st.sampled_from(list(NUMBER))
    return st.tuples(st.lists(drawn, min_size=MANY, max_size=MANY), events(category), left_out)


def read(documents: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Any]]:
    """The documents that are rules by pySigma's own reading, and the conditions of each."""
    for number, document in enumerate(documents):
        named = {**document, "name": f"rule_{number}", "title": f"Rule {number}"}
        try:
            collection = SigmaCollection.from_dicts([deepcopy(named)])
            (rule,) = collection.rules
            GIVEN.apply(rule)
            (condition,) = [one.parsed for one in rule.detection.parsed_condition]
        except SigmaError:
            continue
        yield named, condition


def converted(name: str, documents: list[dict[str, Any]]) -> list[str | None]:
    """The query of each rule; None where the platform refuses it, by its name."""
    collection = SigmaCollection.from_dicts(deepcopy(documents))
    backend = backends[PLACES[name].target](GIVEN + pipelines[name](), collect_errors=True, accept="blind")
    backend.compiled = {}
    backend.convert(collection)
    for rule, error in backend.errors:
        assert str(error).startswith(f'rule "{rule.title}": '), repr(error)
    return [query_of(backend, rule) for rule in collection.rules]


DECLARED = "taken as held by no event"


WITHOUT_FOLDERS = re.compile(r"a keyword is not met in a folder of ([\w ]+): the event holds the file's name alone")


class Cut(dict[str, str]):
    """An event of which keywords see no folder of some fields, as the head of a query declares; tests of these do."""

    def __init__(self, event: naive.Event, fields: list[str]) -> None:
        super().__init__(event)
        self.fields = fields

    def items(self) -> Any:
        return [(name, falcon.base_name(text) if name in self.fields else text) for name, text in super().items()]


def as_declared(event: naive.Event, query: str) -> naive.Event:
    found = WITHOUT_FOLDERS.search(query)
    return Cut(event, found[1].split(" or ")) if found else event


def query_of(backend: Any, rule: SigmaRule) -> str | None:
    compiled = backend.compiled.get(id(rule), ())
    return compiled[0].query if compiled else None


def check(documents: list[dict[str, Any]], found: list[naive.Event], left_out: str) -> int:
    """Compares the platforms' queries with the specification, on the events; how many queries were run."""
    pairs = list(read(documents))
    if not pairs:
        return 0
    conditions = [condition for _, condition in pairs]
    source = SigmaCollection.from_dicts([deepcopy(pairs[0][0])]).rules[0].logsource
    run = 0
    for name, place in PLACES.items():
        if name == left_out:
            continue
        queries = converted(name, [document for document, _ in pairs])
        told = [{**place.recorder.seen(source, event), "UtcTime": event["UtcTime"]} for event in found]
        rows = [at_its_time(place.recorder.row(source, event), event["UtcTime"]) for event in told]
        loaded = Loaded(name, source.category or "", rows)
        for (document, _), condition, query in zip(pairs, conditions, queries, strict=True):
            if query is None:
                continue
            if DECLARED in query:  # what the head of a query says that it finds otherwise is no difference
                continue
            wanted = {at for at, event in enumerate(told) if naive.holds(condition, as_declared(event, query))}
            hits = loaded.found(query)
            if hits is None:
                continue
            run += 1
            differing = [(told[at], at in wanted) for at in sorted(hits ^ wanted)]
            assert not differing, f"{name}: {differing[0]}\n{document['detection']}\n{query}"
    return run


SEED = os.environ.get("POLYSIGMA_SEED")
"""Takes other cases than those of every run."""
# Nothing is shrunk: a failure shows the rule, the event and the query, and trying smaller ones takes hours.
OFTEN = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    derandomize=SEED is None,
)


def seeded(test: Any) -> Any:
    return test if SEED is None else seed(SEED)(test)


@pytest.mark.parametrize("category", FIELDS)
@seeded
@settings(OFTEN, max_examples=2)
@given(data=st.data())
def test_all_platforms_find_what_the_specification_says(category, data):
    check(*data.draw(cases(category)))


@pytest.mark.slow
@pytest.mark.parametrize("category", FIELDS)
@seeded
@settings(OFTEN, max_examples=int(os.environ.get("POLYSIGMA_EXAMPLES", "44")))
@given(data=st.data())
def test_all_platforms_find_what_the_specification_says_of_a_thousand_rules(category, data):
    check(*data.draw(cases(category)))
