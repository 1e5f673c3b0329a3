"""Real Sysmon events of attack simulations: published rules that match there find the same events on every engine.

The files are read twice: by the package, as `polysigma replay` reads them, for the SQL on DuckDB; and here, into events
with Sigma's fields, of which `tests/corpus` writes the rows of the other platforms, from their schemas. An event is the
same one if all that Sysmon says of it is. What the rules match is also asked of `naive.py`, which knows no query.
Skipped where the files or the rules are not beside the checkout.
"""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.cql import run_cql
from polysigma.engines.ingest import load as load_events
from polysigma.engines.kql.execute import Database
from polysigma.engines.spl import run_spl
from polysigma.replay import opened
from polysigma.schemas import load
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines, platform
from tests.corpus import falcon, naive
from tests.corpus.microsoft import RECORDERS
from tests.corpus.splunk import CODES, Sysmon
from tests.corpus.test_kql_corpus_executed import NUMBER, RULES, published

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    from sigma.rule import SigmaRule

DATA = Path(os.environ.get("SYSMON_DATA", RULES.parents[1] / "sysmon"))
CHANNEL = "Microsoft-Windows-Sysmon/Operational"
CATEGORIES = ("process_creation", "network_connection", "dns_query")
MATCHING = {
    "Uncommon Connection to Active Directory Web Services": 5,
    "Network Connection Initiated Via Notepad.EXE": 14,
    "Potential Remote PowerShell Session Initiated": 3,
    "Suspicious High IntegrityLevel Conhost Legacy Option": 3,
    "HackTool - Covenant PowerShell Launcher": 1,
    "New User Created Via Net.EXE": 2,
    "Firewall Rule Update Via Netsh.EXE": 1,
    "Potential PowerShell Command Line Obfuscation": 1,
    "Base64 Encoded PowerShell Command Detected": 1,
    "Non Interactive PowerShell Process Spawned": 1,
    "Potential Tampering With RDP Related Registry Keys Via Reg.EXE": 2,
    "Stop Windows Service Via Sc.EXE": 1,
    "Suspicious Eventlog Clearing or Configuration Change Activity": 1,
    "Local Accounts Discovery": 1,
    "Remote PowerShell Session Host Process (WinRM)": 2,
    "Suspicious Processes Spawned by WinRM": 1,
}
"""Rules that match there, and how many events each does: counted once by SQL, over all rules of the categories."""
EXCLUDED: dict[str, dict[str, str]] = {
    "falcon": {"Potential Remote PowerShell Session Initiated": "User"},
    "defender": {"Potential Remote PowerShell Session Initiated": "SourceIsIpv6"},
    "sentinel": {"Potential Remote PowerShell Session Initiated": "SourceIsIpv6"},
    "splunk_sysmon": {},
}
"""By platform: rules that are not compared there, and the field that it does not record."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout"),
    pytest.mark.skipif(not DATA.is_dir(), reason="the recorded Sysmon events are not beside the checkout"),
]


def archives() -> list[Path]:
    """The files with Sysmon's events; one more beside them holds Defender's."""
    return [path for path in sorted(DATA.iterdir()) if "Defender" not in path.name]


def lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.startswith("__MACOSX"):
                    yield from archive.open(name)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield from file


@cache
def columns() -> tuple[str, ...]:
    """All that Sysmon says of the events of the three categories, but the time at which they were shipped."""
    tables = load("sysmon").tables
    named = dict.fromkeys(name for category in CATEGORIES for name in tables[CODES[category]])
    return tuple(name for name in named if name not in {"@timestamp", "EventRecordID"})


@cache
def recorded() -> dict[str, list[naive.Event]]:
    """By category, the events with Sigma's fields. NXLog has Sysmon's data beside its own, Winlogbeat 6 apart."""
    kinds = {code: category for category, code in CODES.items() if category in CATEGORIES}
    found: dict[str, list[naive.Event]] = {category: [] for category in CATEGORIES}
    for path in archives():
        for line in lines(path):
            row: dict[str, Any] = json.loads(line) if line.strip() else {}
            data, beat = row.get("event_data"), "event_id" in row
            number = str(row.get("event_id" if beat else "EventID"))
            if row.get("log_name" if beat else "Channel") != CHANNEL or number not in kinds:
                continue
            held = data if beat and isinstance(data, dict) else row
            event = {name: str(held[name]) for name in columns() if held.get(name) not in (None, "")}
            event |= {"Computer": row["computer_name" if beat else "Hostname"], "EventID": number, "Channel": CHANNEL}
            event["Provider_Name"] = row["source_name" if beat else "SourceName"]
            found[kinds[number]].append(event)
    return found


def identity(event: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(event.get(name) or "") for name in columns())


@cache
def rules() -> dict[str, tuple[dict[str, Any], SigmaRule]]:
    documents = [each for each in published() if each.get("title") in MATCHING]
    documents = [each for each in documents if each["logsource"].get("category") in CATEGORIES]
    made = SigmaCollection.from_dicts(deepcopy(documents)).rules
    return {rule.title: (document, rule) for document, rule in zip(documents, made, strict=True)}


def query_of(title: str, target: str, name: str) -> str:
    (query,) = backends[target](pipelines[name]()).convert(SigmaCollection.from_dicts([deepcopy(rules()[title][0])]))
    return str(query)


def matched(title: str) -> list[naive.Event]:
    """The events that a rule matches by the specification."""
    _, rule = rules()[title]
    (condition,) = rule.detection.parsed_condition
    return [event for event in recorded()[str(rule.logsource.category)] if naive.holds(condition.parsed, event)]


class Falcon:
    """`tests/corpus/falcon.py` as a recorder."""

    def seen(self, source: Any, event: naive.Event) -> naive.Event:
        return falcon.seen(source.category, source.product, event)

    def row(self, source: Any, event: naive.Event) -> dict[str, Any]:
        return falcon.row(source.category, source.product, event)


class Microsoft:
    """Defender or Sentinel; of a level of integrity that is not among those of their documentation nothing is known."""

    def __init__(self, name: str) -> None:
        self.recorder = RECORDERS[name]

    def seen(self, source: Any, event: naive.Event) -> naive.Event:
        told = self.recorder.seen(source, event)
        unknown = told.get("IntegrityLevel") == "AppContainer"
        return {name: text for name, text in told.items() if not (unknown and name == "IntegrityLevel")}

    def row(self, source: Any, event: naive.Event) -> dict[str, Any]:
        return self.recorder.row(source, event)


PLACES: dict[str, tuple[str, Any]] = {
    "falcon": ("logscale", Falcon()),
    "defender": ("kql", Microsoft("defender")),
    "sentinel": ("kql", Microsoft("sentinel")),
    "splunk_sysmon": ("spl", Sysmon()),
}


def found(title: str, name: str) -> list[naive.Event]:
    """The events that a platform's query finds among their rows there."""
    target, recorder = PLACES[name]
    _, rule = rules()[title]
    events = recorded()[str(rule.logsource.category)]
    rows = [recorder.row(rule.logsource, recorder.seen(rule.logsource, event)) for event in events]
    query = query_of(title, target, name)
    match target:
        case "logscale":
            result = run_cql(query, [{**row, "number": str(at)} for at, row in enumerate(rows)])
            assert not result.incomplete
            return [events[int(row["number"])] for row in result.rows]
        case "spl":
            return [
                events[int(row["number"])]
                for row in run_spl(query, [{**row, "number": str(at)} for at, row in enumerate(rows)])
            ]
        case _:
            number = NUMBER[name]
            (table,) = {row["$table"] for row in rows}
            numbered = [{**row, number: at if name == "defender" else str(at)} for at, row in enumerate(rows)]
            words = {table, number, *(column for row in rows for column in row)}
            with Database(platform(name).schema_name, {table: numbered}, named=words) as database:
                return [events[int(row[number])] for row in database.run(f"{query.rstrip()}\n| project {number}")]


@pytest.fixture(scope="module")
def sysmon() -> Iterator[duckdb.DuckDBPyConnection]:
    """The files as the package reads them."""
    with opened(archives()) as inputs, load_events(inputs, columns()) as events:
        assert not events.malformed
        events.connection.execute("CREATE VIEW sysmon AS SELECT * FROM events")
        yield events.connection


def test_the_package_reads_the_same_events_as_are_read_here(sysmon):
    codes = ", ".join(f"'{CODES[category]}'" for category in CATEGORIES)
    text = f"SELECT * FROM sysmon WHERE EventID IN ({codes}) AND Channel = '{CHANNEL}'"
    cursor = sysmon.execute(text)
    names = [column[0] for column in cursor.description]
    stored = Counter(identity(dict(zip(names, row, strict=True))) for row in cursor.fetchall())
    here = Counter(identity(event) for events in recorded().values() for event in events)
    assert here.total() > 1000
    assert stored == here


@pytest.mark.parametrize("title", MATCHING)
def test_sql_on_the_files_finds_what_the_specification_says(sysmon, title):
    cursor = sysmon.execute(query_of(title, "sql", "sysmon_json"))
    names = [column[0] for column in cursor.description]
    hits = Counter(identity(dict(zip(names, row, strict=True))) for row in cursor.fetchall())
    assert hits == Counter(map(identity, matched(title)))
    assert hits.total() == MATCHING[title]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("title", MATCHING)
def test_every_other_engine_finds_the_same_events(title, name):
    if title in EXCLUDED[name]:
        pytest.skip(f"not recorded: {EXCLUDED[name][title]}")
    assert Counter(map(identity, found(title, name))) == Counter(map(identity, matched(title)))


@pytest.mark.parametrize(("name", "title"), [(name, title) for name, titles in EXCLUDED.items() for title in titles])
def test_a_rule_that_is_not_compared_is_refused_or_says_what_it_lacks(name, title):
    target, _ = PLACES[name]
    try:
        said = query_of(title, target, name)
    except SigmaError as error:
        said = f"approximate: {error}"
    assert any("approximate" in line and EXCLUDED[name][title] in line for line in said.splitlines()), said


@pytest.mark.parametrize("name", PLACES)
def test_at_least_ten_rules_are_compared_on_every_platform(name):
    assert len(MATCHING.keys() - EXCLUDED[name].keys()) >= 10
