"""Random conditions and steps as KQL, executed, against the naive evaluator on rows that match and that just do not."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polysigma.telemetry.defender import TABLE

FAST = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

TEXTS = ["", "cmd.exe", "C:\\a\\cmd.exe", "CMD.EXE", "a*b", "a?b", 'say "hi"', "x\ny", "back\\", "50%_", "ärger", "-"]
PARTS = ["cmd", "CMD", "\\", ".exe", "a", "%", '"', "hi", "Ä", "_", "\n", "$", "]"]
ADDRESSES = [
    "10.1.2.3",
    "203.0.113.9",
    "::ffff:10.1.2.3",
    "::ffff:a01:203",
    "2001:DB8::1",
    "2001:db8:0:0:0:0:0:1",
    "fe80::1",
    "::1",
    "not an address",
    "",
    None,
]
NETWORKS = ["10.0.0.0/8", "203.0.113.0/28", "2001:db8::/32", "fe80::/10", "::/0", "0.0.0.0/0", "::1/128"]


def rows_of_processes():
    return [
        {
            TABLE: "DeviceProcessEvents",
            "ActionType": "ProcessCreated",
            "ReportId": number,
            "Timestamp": f"2026-03-02T10:{number % 60:02d}:00Z",
            "DeviceId": "d",
            "ProcessCommandLine": text,
            "FolderPath": path,
            "ProcessId": process,
            "AccountDomain": "corp" if number % 2 else "",
            "AccountName": text[:4] if text else None,
        }
        for number, (text, path, process) in enumerate(
            (text, path, process)
            for text in (*TEXTS, None)
            for path in ("C:\\a\\cmd.exe", "cmd.exe", None)
            for process in (4, 400, None)
        )
    ]


def rows_of_connections():
    return [
        {
            TABLE: "DeviceNetworkEvents",
            "ActionType": action,
            "ReportId": number,
            "Timestamp": "2026-03-02T10:00:00Z",
            "DeviceId": "d",
            "RemoteIP": remote,
            "RemotePort": port,
            "LocalIP": "10.9.9.9",
            "LocalPort": 5000,
        }
        for number, (action, remote, port) in enumerate(
            (action, remote, port)
            for action in ("ConnectionSuccess", "InboundConnectionAccepted", "ConnectionAttempt")
            for remote in ADDRESSES
            for port in (443, 5000, None)
        )
    ]


def _text_item(field):
    modifiers = st.sampled_from(["", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased"])
    values = st.lists(st.sampled_from([*PARTS, *TEXTS[1:], "c*e", "?md*", "*"]), min_size=1, max_size=3)
    return st.builds(lambda modifier, found: {f"{field}{modifier}": found}, modifiers, values)


process_items = st.one_of(
    _text_item("CommandLine"),
    _text_item("Image"),
    _text_item("User"),
    st.sampled_from(
        [
            {"CommandLine": None},
            {"CommandLine": ""},
            {"CommandLine|exists": True},
            {"Image|exists": False},
            {"CommandLine|re": "^c.*e$"},
            {"CommandLine|re|i": "CMD|^$"},
            {"CommandLine|re": "a*"},
            {"CommandLine|fieldref": "Image"},
            {"ProcessId": 4},
            {"ProcessId": [4, 5]},
            {"ProcessId|gt": 100},
            {"ProcessId|lte": 4},
            {"ProcessId": None},
            {"ProcessId|neq": 4},
        ]
    ),
)
network_items = st.one_of(
    st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3).map(lambda found: {"DestinationIp|cidr": found}),
    st.sampled_from([{"DestinationIp": address} for address in ADDRESSES if address and " " not in address]),
    st.sampled_from(
        [
            {"DestinationIp|startswith": "10."},
            {"DestinationIp": None},
            {"DestinationPort": 443},
            {"DestinationPort|gte": 5000},
            {"DestinationPort|fieldref": "SourcePort"},
            {"Initiated": "true"},
            {"Initiated": "false"},
            {"SourceIp|cidr": "10.0.0.0/8"},
        ]
    ),
)
CONDITIONS = [
    "a",
    "not a",
    "a and b",
    "a or not b",
    "not (a and b)",
    "not (a or b) and not c",
    "a and not (b and not c)",
]


def rule(category, condition, items):
    names = "abc"
    detection = {names[index]: items[index] for index in range(3) if names[index] in condition.replace("and", "")}
    return [
        {
            "title": "Random",
            "name": "random_rule",
            "logsource": {"category": category},
            "detection": {**detection, "condition": condition},
        }
    ]


def found(rows):
    return sorted(row["ReportId"] for row in rows)


PROCESSES, CONNECTIONS = rows_of_processes(), rows_of_connections()


@pytest.fixture(scope="module")
def database(fill):
    with fill("defender", [*PROCESSES, *CONNECTIONS]) as filled:
        yield filled


@FAST
@given(condition=st.sampled_from(CONDITIONS), items=st.tuples(process_items, process_items, process_items))
def test_conditions_on_processes_find_the_same_rows(compiled, database, condition, items):
    made = compiled(rule("process_creation", condition, items), "defender")
    assert found(made.executed(database)) == found(made.expected(PROCESSES))


@FAST
@given(condition=st.sampled_from(CONDITIONS), items=st.tuples(network_items, network_items, network_items))
def test_conditions_on_connections_find_the_same_rows(compiled, database, condition, items):
    made = compiled(rule("network_connection", condition, items), "defender")
    assert found(made.executed(database)) == found(made.expected(CONNECTIONS))


@pytest.mark.slow
@settings(FAST, max_examples=300)
@given(condition=st.sampled_from(CONDITIONS), items=st.tuples(process_items, process_items, process_items))
def test_many_conditions_on_processes_find_the_same_rows(compiled, database, condition, items):
    made = compiled(rule("process_creation", condition, items), "defender")
    assert found(made.executed(database)) == found(made.expected(PROCESSES))


@pytest.mark.slow
@settings(FAST, max_examples=300)
@given(condition=st.sampled_from(CONDITIONS), items=st.tuples(network_items, network_items, network_items))
def test_many_conditions_on_connections_find_the_same_rows(compiled, database, condition, items):
    made = compiled(rule("network_connection", condition, items), "defender")
    assert found(made.executed(database)) == found(made.expected(CONNECTIONS))


REGISTRY = [
    {
        TABLE: "DeviceRegistryEvents",
        "ActionType": "RegistryValueSet",
        "ReportId": number,
        "RegistryKey": key,
        "RegistryValueName": item,
        "RegistryValueType": kind,
        "RegistryValueData": data,
    }
    for number, (key, item, (kind, data)) in enumerate(
        (key, item, pair)
        for key in ("HKEY_LOCAL_MACHINE\\SOFTWARE\\X", "HKEY_CURRENT_USER\\S-1-5-21-1\\Run", "HKEY_USERS", "", None)
        for item in ("Name", "", None)
        for pair in (
            ("Dword", "1"),
            ("Qword", "4294967297"),
            ("Binary", None),
            ("String", ""),
            ("String", "1"),
            (None, None),
            ("Binary", "x.exe"),
            ("Dword", "x.exe"),
            ("String", "x.exe"),
        )
    )
]


@pytest.mark.parametrize(
    "item",
    [
        {"TargetObject|endswith": "\\Name"},
        {"TargetObject|contains": ["\\Run\\", "SOFTWARE\\X"]},
        {"Details": "DWORD (0x00000001)"},
        {"Details|endswith": ".exe"},
        # The SQL that duckdb-kql makes of a long `case` takes DuckDB seconds to plan.
        *(
            pytest.param(item, marks=pytest.mark.slow)
            for item in (
                {"TargetObject|startswith": "HKU\\S-1-5-21-"},
                {"TargetObject": "HKLM\\SOFTWARE\\X\\Name"},
                {"TargetObject|contains": ["HINE\\", "\\Run\\"]},
                {"Details|contains": "0x00000001"},
                {"Details": ["DWORD (0x00000001)", "QWORD (0x00000001-0x00000001)", "Binary Data"]},
                {"Details": ["(Empty)", "1", None]},
            )
        ),
    ],
    ids=str,
)
def test_registry_paths_and_data_are_as_sysmon_spells_them(item, compiled, registry):
    made = compiled(rule("registry_set", "not a", (item, item, item)), "defender")
    expected = found(made.expected(REGISTRY))
    assert 0 < len(expected) < len(REGISTRY)
    assert found(made.executed(registry)) == expected


@pytest.fixture(scope="module")
def registry(fill):
    with fill("defender", REGISTRY) as filled:
        yield filled


STEPS = """
title: Base
name: base
logsource: {{category: process_creation}}
detection: {{s: {{Image: '*'}}, condition: s}}
---
title: Steps
name: steps
correlation:
    type: event_count
    rules: [base]
    group-by: [Computer]
    timespan: 1h
    condition: {{gte: 1}}
polysigma:
    version: 1
    schedule: {{every: 1h}}
    steps:
{steps}
"""
MEASURES = """
        - group:
            by: [Computer, User]
            measures:
                Events: count()
                Long: count_if(length(CommandLine) > 5)
                Lines: distinct(CommandLine)
                LongLines: distinct_if(CommandLine, ProcessId > 100)
                Total: sum(ProcessId)
                Least: min(ProcessId)
                Most: max(ProcessId)
                Mean: avg(ProcessId)
                Spread: stdev(ProcessId)
                First: first(CommandLine)
                Last: last(ProcessId)
                Names: collect(Image, 5)
        - derive:
            Share: Long / Events
            Rate: round(Total / (Events - 9), 2)
            Kind: if(Events > 9 and Spread is not null, 'many', coalesce(First, 'none'))
            Digits: digit_ratio(First)
            Vowels: vowel_ratio(First)
            Short: lower(First)
        - where: not (Total > 100000) and Kind != 'nothing'
        - sort: [Events desc, User]
"""
ANNOTATED = """
        - bucket:
            Part: 10m
        - annotate:
            by: [Image]
            measures:
                Everywhere: count()
                Kinds: distinct(CommandLine)
        - group:
            by: [Computer, Image, Part]
            measures:
                Events: count()
                Everywhere: max(Everywhere)
                Kinds: max(Kinds)
        - where: Events * 2 < Everywhere
        - score:
            Points:
                - 3 when Kinds > 5 and Events > 2
                - 1 when Everywhere > 10
        - sort: [Points desc, Part, Image]
"""


def comparable(rows, names):
    return sorted(
        (tuple(_shown(row.get(name)) for name in names) for row in rows),
        key=lambda values: [str(one) for one in values],
    )


def _shown(value):
    """Times as seconds, lists as sets, an empty text as missing: as the evaluator has them."""
    if hasattr(value, "timestamp"):
        from datetime import UTC

        return value.replace(tzinfo=UTC).timestamp()
    if isinstance(value, str) and value.startswith("["):
        return tuple(sorted(json.loads(value)))
    if isinstance(value, list):
        return tuple(sorted(value))
    return round(value, 6) if isinstance(value, float) else (value if value != "" else None)


@pytest.mark.parametrize("steps", [MEASURES, ANNOTATED], ids=["measures", "annotate"])
def test_steps_give_the_same_rows(steps, compiled):
    made = compiled(STEPS.format(steps=steps), "defender")
    rows = rows_of_processes()
    names = [column for output in made.plan.outputs for column in output.columns if output.role != "label"]
    expected = comparable(made.expected(rows), names)
    assert len(expected) > 3
    assert comparable(made.executed(rows), names) == expected


def test_a_weight_is_summed_on_asim_too(compiled):
    made = compiled(
        "title: B\nname: b\nlogsource: {category: dns_query}\ndetection: {s: {QueryName: '*'}, condition: s}\n---\n"
        "title: C\nname: c\ncorrelation:\n    type: event_count\n    rules: [b]\n    group-by: [Computer]\n"
        "    timespan: 1h\n    condition: {gte: 5}\n",
        "asim",
    )
    rows = [
        {
            TABLE: "_Im_Dns",
            "TimeGenerated": "2026-03-02T10:00:00Z",
            "EventType": "Query",
            "Dvc": host,
            "DnsQuery": "example.net",
            "EventCount": count,
        }
        for host, count in (("a", 4), ("A", None), ("b", 4), (None, 9))
    ]
    assert [(row["HostKey"], row["EventCount"]) for row in made.executed(rows)] == [("a", 5)]
    assert [(row["HostKey"], row["EventCount"]) for row in made.expected(rows)] == [("a", 5)]
