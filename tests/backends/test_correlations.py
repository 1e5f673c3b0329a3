"""Every type of correlation on every target: the printed text, run on random events, gives what the standard says.

Three answers have to agree: a recount of the events in plain Python that knows no plan, the naive evaluator's on the
plan, and the engine's on the text. Events match one rule, several or none, share moments, and lack their host.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.cql import run_cql
from polysigma.engines.kql.execute import Database
from polysigma.engines.reference import evaluate
from polysigma.engines.runners import Data, runner
from polysigma.engines.runners.kql import TABLE
from polysigma.engines.spl import run_spl
from sigma.backends.polysigma import KqlBackend, LogScaleBackend, SplBackend, SqlBackend
from sigma.pipelines.polysigma import pipelines

RULES = """
title: The program a
name: rule_a
logsource: {category: process_creation, product: windows}
detection: {selection: {Image|endswith: '\\a.exe'}, condition: selection}
---
title: The word b
name: rule_b
logsource: {category: process_creation, product: windows}
detection: {selection: {CommandLine|contains: ' b'}, condition: selection}
---
title: The word c
name: rule_c
logsource: {category: process_creation, product: windows}
detection: {selection: {CommandLine|contains: ' c'}, condition: selection}
"""
START = 1_772_445_600  # 2026-03-02 10:00:00 UTC
TARGETS = ("logscale", "kql", "spl", "sql")


@dataclass(frozen=True)
class Event:
    """A process that starts, `second` seconds after the start of the window."""

    host: str | None
    second: int
    program: str
    words: str
    parent: str = ""
    number: int | None = None

    def matches(self, rule: str) -> bool:
        """What the rules above say."""
        return self.program == "a" if rule == "rule_a" else f" {rule[-1]}" in self.command

    @property
    def command(self) -> str:
        return f"x{''.join(f' {word}' for word in self.words)}"


EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(["h1", "h1", "h1", "h2", "h2", "", None]),
        st.integers(0, 8),
        st.sampled_from(["a", "z", "z"]),
        st.sampled_from(["", "b", "c", "b", "c", "bc", "cb"]),
        st.sampled_from(["", "x", "x b", "x c"]),
        st.sampled_from([None, 0, 1, 2, 7]),
    ),
    max_size=12,
)


def falcon(event):
    moment = START + event.second
    row = {
        "#event_simpleName": "ProcessRollup2",
        "event_platform": "Win",
        "cid": "c",
        "aid": event.host,
        "ImageFileName": f"\\Device\\HarddiskVolume2\\{event.program}.exe",
        "CommandLine": event.command,
        "ParentBaseFileName": event.parent,
        "RawProcessId": event.number,
        "ContextTimeStamp": str(moment),
        "@timestamp": moment * 1000,
    }
    return {name: value for name, value in row.items() if value is not None}


def sysmon(event):
    return {
        "EventID": "1",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Computer": event.host,
        "Image": f"C:\\{event.program}.exe",
        "CommandLine": event.command,
        "ParentImage": event.parent,
        "ProcessId": None if event.number is None else str(event.number),
        "UtcTime": f"2026-03-02 10:00:{event.second:02d}.000",
    }


def splunk(event):
    row = {
        "source": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational",
        "EventCode": "1",
        **sysmon(event),
        "_time": START + event.second,
    }
    return {name: value for name, value in row.items() if value is not None}


def defender(event):
    return {
        "ActionType": "ProcessCreated",
        "ReportId": 1,
        "Timestamp": f"2026-03-02T10:00:{event.second:02d}Z",
        "DeviceId": event.host,
        "FolderPath": f"C:\\{event.program}.exe",
        "ProcessCommandLine": event.command,
        "InitiatingProcessFolderPath": event.parent,
        "ProcessId": event.number,
    }


BACKENDS = {
    "logscale": (LogScaleBackend, "falcon", falcon, "aid"),
    "kql": (KqlBackend, "defender", defender, "DeviceId"),
    "spl": (SplBackend, "splunk_sysmon", splunk, "HostKey"),
    "sql": (SqlBackend, "sysmon_json", sysmon, "HostKey"),
}


SCHEMAS = {"logscale": "falcon", "kql": "defender", "spl": "splunk_sysmon", "sql": "sysmon"}


@cache
def compiled(correlations, target, form="rule", **options):
    """The plan and the query of the last correlation."""
    backend_class, pipeline, _, _ = BACKENDS[target]
    collection = SigmaCollection.from_yaml(f"{RULES}\n---\n{correlations}")
    backend = backend_class(pipelines[pipeline](), form=form, **options)
    backend.compiled = {}
    backend.convert(collection)
    (made,) = backend.compiled[id(collection.rules[-1])]
    return made


@cache
def defender_database():
    """One for all: to make its tables takes longer than a query."""
    return Database("defender", {})


@cache
def translated(query):
    return defender_database().sql(query)


def executed(query, target, rows, database):
    match target:
        case "logscale":
            result = run_cql(query, rows)
            assert not result.incomplete
            return result.rows
        case "spl":
            return run_spl(query, rows)
        case "kql":
            stored, sql = defender_database(), translated(query)
            stored.connection.execute("DELETE FROM DeviceProcessEvents")
            stored.fill("DeviceProcessEvents", rows)
            return stored.run_sql(sql)
        case _:
            names = tuple(sysmon(Event("h", 0, "a", "")))
            listed = ", ".join(f'"{name}" VARCHAR' for name in names)
            database.execute(f"CREATE OR REPLACE TABLE sysmon ({listed})")
            if rows:
                marks = ", ".join("?" for _ in names)
                database.executemany(
                    f"INSERT INTO sysmon VALUES ({marks})", [[row[name] for name in names] for row in rows]
                )
            cursor = database.execute(query)
            columns = [item[0] for item in cursor.description]
            return [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]


def agree(correlations, events, expected, database, shown=()):
    """`expected` are the hosts that hit; or, with `shown`, the values of these columns by host."""
    for target in TARGETS:
        made = compiled(correlations, target)
        _, _, rendered, key = BACKENDS[target]
        rows = [rendered(event) for event in events]
        for found in (evaluate(made.plan, rows), executed(made.query, target, rows, database)):
            hosts = [row[key] for row in found]
            assert len(hosts) == len(set(hosts)), (target, found)
            if shown:
                values = {row[key]: tuple(round(float(row[column]), 6) for column in shown) for row in found}
                assert values == expected, (target, made.query)
            else:
                assert set(hosts) == set(expected), (target, made.query)


def by_host(events):
    hosts = {}
    for event in events:
        if event.host:
            hosts.setdefault(event.host, []).append(event)
    return hosts


def in_order(own, *rules):
    """Whether an event of each rule can be picked so that none comes before the one of the rule before it."""
    choices = [[event.second for event in own if event.matches(rule)] for rule in rules]
    return any(all(one <= other for one, other in pairwise(picked)) for picked in product(*choices))


def correlation(kind, rules, condition, timespan="15m", name="correlated", more=""):
    listed = f"    rules: [{', '.join(rules)}]" if rules else ""
    return f"""
title: Correlated
name: {name}
correlation:
    type: {kind}
{listed}
    group-by:
        - Computer
    timespan: {timespan}
    {f"condition: {condition}" if condition else ""}
{more}
"""


PROPERTY = settings(
    max_examples=int(os.environ.get("POLYSIGMA_EXAMPLES", "7")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@PROPERTY
@given(EVENTS)
def test_an_event_counts_for_each_rule_that_it_matches(database, events):
    rules = ("rule_a", "rule_b", "rule_c")
    counts = {
        host: (sum(event.matches(rule) for event in own for rule in rules),) for host, own in by_host(events).items()
    }
    expected = {host: count for host, count in counts.items() if count >= (2,)}
    agree(correlation("event_count", rules, "{gte: 2}"), events, expected, database, ("EventCount",))


@PROPERTY
@given(EVENTS)
def test_temporal_counts_the_rules_that_any_event_matched(database, events):
    rules = ("rule_a", "rule_b", "rule_c")
    counts = {
        host: (sum(any(event.matches(rule) for event in own) for rule in rules),)
        for host, own in by_host(events).items()
    }
    expected = {host: count for host, count in counts.items() if count >= (2,)}
    agree(correlation("temporal", rules, "{gte: 2}"), events, expected, database, ("RuleCount",))


@PROPERTY
@given(EVENTS)
def test_value_count_counts_different_values_over_all_rules(database, events):
    rules = ("rule_b", "rule_c")
    values = {
        host: (len({event.command for event in own if any(event.matches(rule) for rule in rules)}),)
        for host, own in by_host(events).items()
    }
    expected = {host: count for host, count in values.items() if count >= (2,)}
    text = correlation("value_count", rules, "{field: CommandLine, gte: 2}")
    agree(text, events, expected, database, ("ValueCount",))


def numbers_of(own, rules):
    """The numbers of a host's events, each as often as the event matches a rule."""
    return [event.number for rule in rules for event in own if event.matches(rule) and event.number is not None]


@pytest.mark.parametrize(
    ("kind", "column", "summary"),
    [("value_sum", "ValueSum", sum), ("value_avg", "ValueAverage", lambda found: round(sum(found) / len(found), 6))],
)
@PROPERTY
@given(events=EVENTS)
def test_numbers_are_summed_and_averaged_over_all_rules(database, kind, column, summary, events):
    rules = ("rule_b", "rule_c")
    values = {host: (summary(found),) for host, own in by_host(events).items() if (found := numbers_of(own, rules))}
    expected = {host: value for host, value in values.items() if value >= (2,)}
    agree(correlation(kind, rules, "{field: ProcessId, gte: 2}"), events, expected, database, (column,))


@pytest.mark.parametrize("kind", ["value_median", "value_percentile"])
def test_the_middle_of_an_odd_number_of_values_is_the_same_by_estimate(database, kind):
    events = [Event("h1", second, "z", "b", "", number) for second, number in enumerate((7, 1, 2, 9, 3))]
    events += [Event("h2", 1, "z", "b", "", 1), Event("h3", 1, "z", "b", "", None)]
    column = "ValueMedian" if kind == "value_median" else "ValuePercentile"
    condition = "{field: ProcessId, gte: 2, percentile: 50}"
    agree(correlation(kind, ("rule_b",), condition), events, {"h1": (3,)}, database, (column,))


ABC = ("rule_a", "rule_b", "rule_c")


@PROPERTY
@given(EVENTS)
def test_two_rules_in_order(database, events):
    expected = [host for host, own in by_host(events).items() if in_order(own, "rule_a", "rule_b")]
    agree(correlation("temporal_ordered", ABC[:2], None), events, expected, database)


@PROPERTY
@given(EVENTS)
def test_three_rules_in_order(database, events):
    expected = [host for host, own in by_host(events).items() if in_order(own, *ABC)]
    agree(correlation("temporal_ordered", ABC, None), events, expected, database)


@PROPERTY
@given(EVENTS)
def test_a_rule_may_come_twice_in_an_order_and_orders_may_be_long(database, events):
    rules = ("rule_b", "rule_c", "rule_b", "rule_a", "rule_c", "rule_b")
    expected = [host for host, own in by_host(events).items() if in_order(own, *rules)]
    agree(correlation("temporal_ordered", rules, "{gte: 6}"), events, expected, database)


@PROPERTY
@given(EVENTS)
def test_some_of_the_rules_in_their_order(database, events):
    expected = [
        host for host, own in by_host(events).items() if any(in_order(own, *chosen) for chosen in combinations(ABC, 2))
    ]
    agree(correlation("temporal_ordered", ABC, "{gte: 2}"), events, expected, database)


CONDITIONS = {
    "rule_a and not rule_b": lambda a, b, c: a and not b,
    "rule_a or rule_b and rule_c": lambda a, b, c: a or (b and c),
    "not (rule_a or rule_b)": lambda a, b, c: not (a or b),
    "(rule_a and not rule_b) or (rule_b and not (rule_a and rule_c))": lambda a, b, c: (
        (a and not b) or (b and not (a and c))
    ),
}


@pytest.mark.parametrize("condition", CONDITIONS)
@settings(PROPERTY, max_examples=8)
@given(events=EVENTS)
def test_an_extended_condition_says_of_which_rules_there_is_an_event(database, condition, events):
    """Of a host without an event of any rule nothing is known, so nothing holds of it."""
    named = [rule for rule in ABC if rule in condition]
    expected = []
    for host, own in by_host(events).items():
        seen = [any(event.matches(rule) for event in own) for rule in ABC]
        if any(event.matches(rule) for event in own for rule in named) and CONDITIONS[condition](*seen):
            expected.append(host)
    agree(correlation("temporal", (), condition), events, expected, database)


@PROPERTY
@given(EVENTS)
def test_an_extended_condition_on_ordered_rules_asks_for_the_order_of_those_that_must_be_there(database, events):
    expected = [
        host
        for host, own in by_host(events).items()
        if in_order(own, "rule_a", "rule_c") and not any(event.matches("rule_b") for event in own)
    ]
    condition = "rule_a and not rule_b and rule_c"
    agree(correlation("temporal_ordered", ABC, condition), events, expected, database)


@PROPERTY
@given(EVENTS)
def test_alternatives_of_ordered_rules(database, events):
    """Two orders of different lengths; which comes first the list of rules says, not the condition."""
    expected = [
        host
        for host, own in by_host(events).items()
        if in_order(own, *ABC) or (in_order(own, "rule_b") and not any(event.matches("rule_a") for event in own))
    ]
    condition = "(rule_c and rule_b and rule_a) or (rule_b and not rule_a)"
    agree(correlation("temporal_ordered", ABC, condition), events, expected, database)


def chained(*texts):
    return "\n---\n".join(texts)


def hits_of(events, span, counts):
    """The spans of time, from first to last event, of what an inner correlation finds of a host in fixed windows."""
    windows = {}
    for event in events:
        windows.setdefault(event.second // span, []).append(event)
    kept = [own for own in windows.values() if counts(own)]
    return [(min(event.second for event in own), max(event.second for event in own)) for own in kept]


def matching(events, rule):
    return [event for event in events if event.matches(rule)]


INNER_B = correlation("event_count", ("rule_b",), "{gte: 2}", "3s", "inner_b").replace(
    "        - Computer", "        - Computer\n        - CommandLine"
)
MIDDLE_B = correlation("value_count", ("inner_b",), "{field: CommandLine, gte: 1}", "6s", "middle_b")


@PROPERTY
@given(EVENTS)
def test_a_chain_of_three_counts_each_in_windows_of_its_own(database, events):
    expected = {}
    for host, own in by_host(events).items():
        by_command = {}
        for event in matching(own, "rule_b"):
            by_command.setdefault(event.command, []).append(event)
        found = [first for some in by_command.values() for first, _ in hits_of(some, 3, lambda few: len(few) > 1)]
        windows = {first // 6 for first in found}
        if windows:
            expected[host] = (len(windows),)
    text = chained(INNER_B, MIDDLE_B, correlation("event_count", ("middle_b",), "{gte: 1}"))
    agree(text, events, expected, database, ("EventCount",))


MANY = correlation("event_count", ("rule_a",), "{gte: 2}", "15m", "many")
BOTH = correlation("temporal", ("rule_b", "rule_c"), None, "15m", "both")


def seen(own):
    """Which parts of the chains below a host's events meet."""
    return {
        "many": len(matching(own, "rule_a")) > 1,
        "both": bool(matching(own, "rule_b") and matching(own, "rule_c")),
        "rule_c": bool(matching(own, "rule_c")),
    }


@PROPERTY
@given(EVENTS)
def test_a_chain_over_several_correlations_and_a_rule(database, events):
    counts = {host: (sum(seen(own).values()),) for host, own in by_host(events).items()}
    expected = {host: count for host, count in counts.items() if count >= (2,)}
    text = chained(MANY, BOTH, correlation("temporal", ("many", "both", "rule_c"), "{gte: 2}"))
    agree(text, events, expected, database, ("RuleCount",))


@PROPERTY
@given(EVENTS)
def test_an_extended_condition_over_correlations(database, events):
    expected = [host for host, own in by_host(events).items() if seen(own)["many"] and not seen(own)["both"]]
    agree(chained(MANY, BOTH, correlation("temporal", (), "many and not both")), events, expected, database)


@PROPERTY
@given(EVENTS)
def test_a_chain_over_chains(database, events):
    expected = []
    for host, own in by_host(events).items():
        found = seen(own)
        if (found["many"] or found["both"]) and found["rule_c"]:
            expected.append(host)
    either = correlation("temporal", ("many", "both"), "{gte: 1}", name="either")
    text = chained(MANY, BOTH, either, correlation("temporal", ("either", "rule_c"), None))
    agree(text, events, expected, database)


@PROPERTY
@given(EVENTS)
def test_correlations_and_rules_in_order(database, events):
    """A hit of a correlation is there from its first event to its last."""
    expected = []
    for host, own in by_host(events).items():
        many = hits_of(matching(own, "rule_a"), 3, lambda few: len(few) > 1)
        both = hits_of(
            [event for event in own if event.matches("rule_b") or event.matches("rule_c")],
            900,
            lambda few: matching(few, "rule_b") and matching(few, "rule_c"),
        )
        later = [(event.second, event.second) for event in matching(own, "rule_c")]
        seconds = range(9)
        if any(
            all(
                any(first <= moment <= last for first, last in spans)
                for moment, spans in zip(moments, (many, both, later), strict=True)
            )
            for moments in product(seconds, repeat=3)
            if list(moments) == sorted(moments)
        ):
            expected.append(host)
    inner = correlation("event_count", ("rule_a",), "{gte: 2}", "3s", "many")
    text = chained(inner, BOTH, correlation("temporal_ordered", ("many", "both", "rule_c"), None))
    agree(text, events, expected, database)


@PROPERTY
@given(EVENTS)
def test_a_chain_over_correlations_that_call_a_field_by_other_names(database, events):
    """Two correlations over the same rule, and an alias of a field of each."""
    by_command = correlation("event_count", ("rule_b",), "{gte: 1}", name="by_command").replace(
        "        - Computer", "        - Computer\n        - CommandLine"
    )
    by_program = correlation("event_count", ("rule_a",), "{gte: 1}", name="by_program").replace(
        "        - Computer", "        - Computer\n        - CommandLine"
    )
    aliases = "    aliases: {Line: {by_command: CommandLine, by_program: CommandLine}}"
    outer = correlation("value_count", ("by_command", "by_program"), "{field: Line, gte: 2}", more=aliases)
    counts = {
        host: (len({event.command for event in own if event.matches("rule_a") or event.matches("rule_b")}),)
        for host, own in by_host(events).items()
    }
    expected = {host: count for host, count in counts.items() if count >= (2,)}
    agree(chained(by_command, by_program, outer), events, expected, database, ("ValueCount",))


@PROPERTY
@given(EVENTS)
def test_a_map_goes_on_over_the_hits_of_correlations(database, events):
    expected = {}
    for host, own in by_host(events).items():
        found = seen(own)
        points = 2 * found["many"] + found["both"]
        if points:
            expected[host] = (points,)
    steps = (
        "[{group: {by: [Computer], measures: {Many: count_if(Rule = 'many'), Both: count_if(Rule = 'both')}}},"
        " {derive: {Points: Many * 2 + Both}}]"
    )
    outer = correlation("temporal", ("many", "both"), "{gte: 1}", more=f"polysigma: {{version: 1, steps: {steps}}}")
    agree(chained(MANY, BOTH, outer), events, expected, database, ("Points",))


WINDOWS = {
    "chain": chained(MANY, BOTH, correlation("temporal", ("many", "both", "rule_c"), "{gte: 2}")),
    "sequence": correlation("temporal_ordered", ABC, None),
    "deep": chained(INNER_B, MIDDLE_B, correlation("event_count", ("middle_b",), "{gte: 1}")),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("text", WINDOWS.values(), ids=WINDOWS)
def test_window_by_window_an_engine_finds_what_the_oracle_finds(target, text):
    """As `prove` runs them: what is done once for all windows must not be what a window decides."""
    _, _, rendered, key = BACKENDS[target]
    made = compiled(text, target, table="events") if target == "sql" else compiled(text, target)
    dice = random.Random(3)
    events = [
        Event(dice.choice(["h1", "h2", "h3"]), dice.randrange(60), dice.choice("az"), dice.choice(["", "b", "c", "bc"]))
        for _ in range(60)
    ]
    rows = [
        {**rendered(event), TABLE: "DeviceProcessEvents"} if target == "kql" else rendered(event) for event in events
    ]
    data = Data(SCHEMAS[target], rows, [START + event.second for event in events])
    starts = range(0, 60, 6)
    with runner(target).store(data, made.query) as store:
        windows = [(START + start, START + start + 6) for start in starts]
        found = [sorted(row[key] for row in result.rows) for result in store.run(made.query, windows)]
    expected = [
        [row for row, event in zip(rows, events, strict=True) if start <= event.second < start + 6] for start in starts
    ]
    assert found == [sorted(str(row[key]) for row in evaluate(made.plan, some)) for some in expected]
    assert any(found)


@pytest.mark.parametrize("target", ["kql", "spl"])
def test_all_searches_of_a_chain_look_at_the_same_window(target):
    inner = correlation("event_count", ("rule_a",), "{gte: 2}", "10m", "many")
    text = chained(inner, correlation("temporal", ("many", "rule_c"), None, "1h"))
    query = compiled(text, target, form="hunt").query
    bounds = re.findall(r"earliest=\S+ latest=\S+|\| where Timestamp >= .*", query)
    assert len(bounds) == 2
    assert len(set(bounds)) == 1


ALIASES = "    aliases: {Line: {rule_a: CommandLine, rule_b: ParentImage}}"


def line(event, rule):
    """What the alias stands for in each rule."""
    return event.command if rule == "rule_a" else event.parent


@PROPERTY
@given(EVENTS)
def test_an_alias_stands_for_another_field_in_each_rule(database, events):
    """Also of one event that matches both."""
    lines = {}
    for host, own in by_host(events).items():
        for rule in ("rule_a", "rule_b"):
            lines.setdefault(host, set()).update(
                line(event, rule) for event in matching(own, rule) if line(event, rule)
            )
    expected = {host: (len(found),) for host, found in lines.items() if len(found) > 1}
    text = correlation("value_count", ("rule_a", "rule_b"), "{field: Line, gte: 2}", more=ALIASES)
    agree(text, events, expected, database, ("ValueCount",))


@PROPERTY
@given(EVENTS)
def test_an_alias_can_be_what_rules_are_grouped_by(database, events):
    """A program that is another's parent later, on one host."""
    pairs = {
        (host, event.command)
        for host, own in by_host(events).items()
        for event in matching(own, "rule_a")
        for later in matching(own, "rule_b")
        if event.command == later.parent and event.second <= later.second
    }
    text = correlation("temporal_ordered", ("rule_a", "rule_b"), None, more=ALIASES)
    text = text.replace("        - Computer", "        - Computer\n        - Line")
    for target in TARGETS:
        made = compiled(text, target)
        _, _, rendered, key = BACKENDS[target]
        rows = [rendered(event) for event in events]
        for found in (evaluate(made.plan, rows), executed(made.query, target, rows, database)):
            assert {(row[key], row["Line"]) for row in found} == pairs, (target, made.query)


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("{Line: {rule_a: CommandLine, rule_b: NoSuchField}}", "NoSuchField is no field of the rule rule_b"),
        ("{Line: {rule_a: CommandLine, rule_b: ProcessId}}", "stands for integer and for text"),
        ("{Line: {rule_a: CommandLine}}", "Line is no field of the rule rule_b"),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_an_alias_that_cannot_be_one_column_is_refused(target, aliases, message):
    text = correlation("value_count", ("rule_a", "rule_b"), "{field: Line, gte: 2}", more=f"    aliases: {aliases}")
    with pytest.raises(SigmaError, match=message):
        compiled(text, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("generate", [True, False])
def test_generate_prints_the_rules_below_as_rules_of_their_own(target, generate):
    backend_class, pipeline, _, _ = BACKENDS[target]
    flag = f"    generate: {str(generate).lower()}"
    outer = correlation("temporal", ("many", "rule_c"), None, more=flag)
    text = f"{RULES}\n---\n{chained(MANY, outer)}"
    queries = [
        query
        for query in backend_class(pipelines[pipeline](), form="rule").convert(SigmaCollection.from_yaml(text))
        if query
    ]
    alone = [
        query
        for query in backend_class(pipelines[pipeline](), form="rule").convert(
            SigmaCollection.from_yaml(f"{RULES}\n---\n{MANY}")
        )
        if query
    ]
    by_title = {
        title: next((query for query in queries if f" {title}\n" in query or f" {title} ```" in query), None)
        for title in ("The word b", "The word c")
    }
    assert by_title["The word b"] is not None
    assert (by_title["The word c"] is not None) is generate
    assert len(queries) == (4 if generate else 2)
    assert set(queries[:-1]) <= set(alone)


def test_a_chain_whose_inner_timespan_is_longer_is_refused():
    inner = correlation("event_count", ("rule_a",), "{gte: 2}", "1h", "many")
    with pytest.raises(SigmaError, match="its timespan 15m is shorter than that of many"):
        compiled(chained(inner, correlation("temporal", ("many", "rule_c"), None)), "sql")


def staged(steps, rules=ABC):
    """A correlation that says more than the standard, in a map of its own."""
    return correlation("temporal_ordered", rules, None, more=f"polysigma: {{version: 1, steps: {steps}}}")


@PROPERTY
@given(EVENTS)
def test_a_sequence_in_the_map_measures_all_events_of_its_keys(database, events):
    kept = {
        host: [event for event in own if any(event.matches(rule) for rule in ABC)]
        for host, own in by_host(events).items()
        if in_order(own, *ABC)
    }
    expected = {
        host: (
            sum(event.matches(rule) for event in own for rule in ABC),
            max(event.second for event in own) - min(event.second for event in own),
        )
        for host, own in kept.items()
    }
    measures = "{Events: count(), Began: min(EventTime), Ended: max(EventTime)}"
    sequence = f"{{by: [Computer], rules: [{', '.join(ABC)}], measures: {measures}}}"
    steps = f"[{{sequence: {sequence}}}, {{derive: {{Took: Ended - Began}}}}]"
    agree(staged(steps), events, expected, database, ("Events", "Took"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("[{sequence: {by: [Computer], rules: [rule_a, rule_d]}}]", "'rule_d' is not a rule of this correlation"),
        ("[{sequence: {by: [Computer], rules: [rule_a]}}]", "at least 2 items"),
        (
            "[{group: {by: [Rule], measures: {N: count()}}}, {sequence: {by: [Rule], rules: [rule_a, rule_b]}}]",
            "events are grouped here",
        ),
    ],
)
def test_a_sequence_that_cannot_be_is_refused_with_its_place(steps, message):
    with pytest.raises(SigmaError, match=message):
        compiled(staged(steps), "sql")


def test_a_sequence_over_one_rule_is_refused():
    steps = "[{sequence: {by: [Computer], rules: [rule_a, rule_b]}}]"
    with pytest.raises(SigmaError, match="needs the events of several rules"):
        compiled(staged(steps, ("rule_a",)), "sql")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (correlation("temporal_ordered", ABC, "{lt: 2}"), "asks for some or all of its 3 rules"),
        (correlation("temporal_ordered", ABC, "{gte: 0}"), "asks for some or all of its 3 rules"),
        (correlation("temporal_ordered", ABC, "{gte: 4}"), "asks for some or all of its 3 rules"),
        (correlation("temporal_ordered", (), "not rule_a and not rule_b"), "without any rule that must have matched"),
        (correlation("temporal", ("rule_a",), None), "is about several rules"),
    ],
)
def test_what_a_condition_cannot_mean_is_refused(text, message):
    with pytest.raises(SigmaError, match=message):
        compiled(text, "sql")


@pytest.mark.slow
def test_many_more_events_agree_as_well():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", __file__]
    done = subprocess.run(
        command, env=os.environ | {"POLYSIGMA_EXAMPLES": "30"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
