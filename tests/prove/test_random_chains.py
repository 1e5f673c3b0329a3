"""Random correlations over correlations and over rules of several categories: all platforms find what Sigma means.

Hosts are told by the columns that a platform has for them (two on Falcon, an identifier on Defender, names in any case
in Sysmon), any field may be missing, and events lie on the edges of windows and buckets: a millisecond before and at
them. What `tests/helpers/chains.py` counts by the specification alone is what the text of each query has to find, in
two windows that touch.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection

from polysigma.engines.reference import values
from polysigma.engines.runners import Data, runner
from sigma.pipelines.polysigma import platform
from tests.corpus import naive
from tests.corpus.microsoft import RECORDERS
from tests.corpus.splunk import Sysmon
from tests.helpers.chains import SPANS, Document, Row, chain, hits
from tests.prove.test_random_plans import ADDRESSES, BASES, START, TEXTS, converted, said
from tests.prove.test_random_rules import OFTEN, Falcon, Place, SysmonJson, at_its_time, seeded

if TYPE_CHECKING:
    import random

FIELDS = {
    "process_creation": ["Computer", "CommandLine", "ProcessId"],
    "network_connection": ["Computer", "DestinationIp", "DestinationPort"],
    "both": ["Computer"],
}
"""By which fields hits are told; rules of two categories have the host alone in common."""
SYSMON = {"splunk_sysmon": Place("spl", Sysmon()), "sysmon_json": Place("sql", SysmonJson())}
DEFENDER, ASIM = Place("kql", RECORDERS["defender"]), Place("kql", RECORDERS["asim"])
PLACES = {
    "process_creation": {"falcon": Place("logscale", Falcon()), "defender": DEFENDER, **SYSMON},
    "network_connection": {"falcon": Place("logscale", Falcon()), "asim": ASIM, **SYSMON},
    "both": {"falcon": Place("logscale", Falcon()), "asim": ASIM, **SYSMON},
}
HOSTS = ["PC-1", "pc-1", "PC-2", "srv", "SRV.Example"]
MANY = 4
"""Chains of a case: they share its events."""


def host(name: str, event: naive.Event) -> tuple[dict[str, str], str | None]:
    """The columns in which a platform tells the host of an event, and by what they do."""
    spelled = event.get("Computer")
    number = HOSTS.index(event["Device"])
    match name:
        case "falcon":
            # Two tenants may have given one identifier to a sensor each; many rows lack the name.
            return {"cid": f"c{number % 2}", "aid": f"a{number // 2}"}, f"c{number % 2} a{number // 2}"
        case "defender":
            return {"DeviceId": f"d{number}"}, f"d{number}"
        case "asim":
            # A source may report several connections as one.
            return {"EventCount": int(event["Weight"])}, spelled.lower() if spelled else None
        case _:
            return {}, spelled.lower() if spelled else None


def events(dice: random.Random, category: str) -> list[naive.Event]:
    """Events of four hours, half of them on edges, and several of one moment."""
    edges = [at * 900_000 + off for at in range(17) for off in (-1, 0, 1)]
    texts, found = dice.sample(TEXTS, 4), []
    for _ in range(dice.randint(8, 36)):
        moment = dice.choice(edges) if dice.randrange(2) else dice.randrange(4 * 3600) * 1000 + dice.choice((0, 999))
        stamp = datetime.fromtimestamp(START + moment / 1000 + 0.0001, UTC)
        device = dice.choice(HOSTS)
        event = {"UtcTime": f"{stamp:%Y-%m-%d %H:%M:%S.%f}"[:-3], "Device": device}
        event |= {"Computer": device} if dice.randrange(8) else {}
        kind = dice.choice(("process_creation", "network_connection")) if category == "both" else category
        event |= {"Kind": kind, "Weight": dice.choice("1113")}
        if kind == "process_creation":
            given = {"CommandLine": dice.choice(texts), "ProcessId": dice.choice(("0", "1", "443", "500"))}
        else:
            event["Initiated"] = "true"
            given = {"DestinationIp": dice.choice(ADDRESSES), "DestinationPort": dice.choice(("0", "22", "443"))}
            given |= {"SourcePort": dice.choice(("1", "500"))}
        found.append(event | {key: text for key, text in given.items() if dice.randrange(6)})
    return found


def documents(dice: random.Random, category: str) -> tuple[list[Document], list[Document]]:
    """Base rules and a chain over them."""
    kinds = ["process_creation", "network_connection"] if category == "both" else [category]
    bases = []
    for number in range(dice.choice((2, 3))):
        kind = kinds[number % len(kinds)]
        bases.append({
            "title": f"Base {number}", "name": f"base_{number}", "logsource": {"category": kind, "product": "windows"},
            "detection": {**BASES[kind][number], "condition": "s"},
        })  # fmt: skip
    return bases, chain(dice, bases, FIELDS[category])


def moment(event: naive.Event) -> float:
    return datetime.fromisoformat(event["UtcTime"]).replace(tzinfo=UTC).timestamp()


def read(field: str, text: str | None) -> Any:
    if text is None or not text:
        return None
    return int(text) if field.endswith(("Port", "Id")) else text


def outcome(
    name: str, place: Place, bases: list[Document], made: list[Document], found: list[naive.Event]
) -> tuple[str | None, str]:
    """What is wrong with a platform's query in any of two windows, or None; and the query, or why there is none."""
    compiled, errors = converted(name, place.target, [*bases, *made])
    if compiled is None:
        return None, f"refused: {errors[-1]}"
    sources = {one["logsource"]["category"]: SigmaCollection.from_dicts([one]).rules[0].logsource for one in bases}
    found = [event for event in found if event["Kind"] in sources]
    told = [place.recorder.seen(sources[event["Kind"]], event) for event in found]
    recorded = [place.recorder.row(sources[event["Kind"]], seen) for event, seen in zip(found, told, strict=True)]
    rows = [
        {**at_its_time(row, event["UtcTime"]), **host(name, event)[0]}
        for event, row in zip(found, recorded, strict=True)
    ]
    rows = [{**row, "UtcTime": event["UtcTime"]} if "sysmon" in name else row
            for event, row in zip(found, rows, strict=True)]  # fmt: skip
    span = SPANS[made[-1]["correlation"]["timespan"]]
    middle = int(START) + 2 * 3600
    windows = [(middle - span, middle), (middle, middle + span)]
    engine = runner(place.target)
    data = Data(platform(name).schema_name, rows, [moment(event) for event in found])
    columns: dict[str, list[str]] = {}
    for output in compiled.plan.outputs:
        if output.role != "label":
            columns[output.canonical] = list(output.columns)
    types = {column: output.type for output in compiled.plan.outputs for column in output.columns}
    with engine.store(data, compiled.query) as store:
        for window, result in zip(windows, store.run(compiled.query, windows), strict=True):
            assert not result.incomplete
            wanted = expected(name, bases, made, found, told, window)
            given = []
            for row in result.rows:
                texts = {key: engine.value(value, types[key]) for key, value in row.items() if key in types}
                given.append({one: shown(one, [texts.get(part) for part in parts]) for one, parts in columns.items()})
            left = [{one: row.get(one) for one in columns} for row in wanted]
            odd = [row for row in given if row not in left] + [row for row in left if row not in given]
            if odd or len(given) != len(left):
                return f"{window}: {odd[:1]}; gives {given}, not {left}", compiled.query
    return None, compiled.query


def shown(name: str, parts: list[Any]) -> Any:
    if len(parts) > 1:
        return " ".join(map(str, parts))
    if name.endswith(("Port", "Id", "Count")) and parts[0] is not None:
        return int(parts[0])
    if name.endswith("Ip") and parts[0] is not None:
        return values.canonical_address(parts[0])
    return parts[0]


COUNTED = {"event_count": "EventCount", "value_count": "ValueCount", "temporal": "RuleCount"}


def expected(
    name: str,
    bases: list[Document],
    made: list[Document],
    found: list[naive.Event],
    told: list[naive.Event],
    window: tuple[int, int],
) -> list[dict[str, Any]]:
    """The hits that the specification gives on what the platform records in a window."""
    taken: dict[str, list[Row]] = {}
    for rule in SigmaCollection.from_dicts([dict(one) for one in bases]).rules:
        (parsed,) = rule.detection.parsed_condition
        condition = parsed.parsed
        rows = []
        for event, seen in zip(found, told, strict=True):
            at = moment(event)
            if event["Kind"] != rule.logsource.category or not window[0] <= at < window[1]:
                continue
            if naive.holds(condition, seen):
                values = {one: shown(one, [read(one, text)]) for one, text in seen.items()}
                weight = int(event["Weight"]) if name == "asim" else 1
                rows.append(Row(rule.name, {**values, "Computer": host(name, event)[1]}, at, at, weight=weight))
        taken[rule.name] = rows
    outer = made[-1]
    column = COUNTED.get(outer["correlation"]["type"], "")
    known = {one["name"]: one for one in (*bases, *made)}
    return [{**hit.values, column: hit.number} for hit in hits(outer, known, taken)]


def check(dice: random.Random, category: str) -> int:
    """One case: events and chains, on all platforms; how many queries were run."""
    found, count = events(dice, category), 0
    for _ in range(MANY):
        bases, made = documents(dice, category)
        for name, place in PLACES[category].items():
            try:
                wrong, query = outcome(name, place, bases, made, found)
            except Exception as error:
                error.add_note(said("", name, [*bases, *made], found, ""))
                raise
            if wrong:
                fewer = fewest(name, place, bases, made, found)
                wrong, query = outcome(name, place, bases, made, fewer)
                raise AssertionError(f"{wrong}\n{said('', name, [*bases, *made], fewer, query)}")
            count += not query.startswith("refused")
    return count


def fewest(
    name: str, place: Place, bases: list[Document], made: list[Document], found: list[naive.Event]
) -> list[naive.Event]:
    """Events without which nothing would be wrong."""
    at = 0
    while at < len(found):
        fewer = found[:at] + found[at + 1 :]
        if outcome(name, place, bases, made, fewer)[0]:
            found = fewer
        else:
            at += 1
    return found


@pytest.mark.parametrize("category", FIELDS)
@seeded
@settings(OFTEN, max_examples=2)
@given(dice=st.randoms(use_true_random=False))
def test_all_platforms_find_what_a_chain_of_correlations_means(category, dice):
    check(dice, category)


def counted(name: str, rules: list[str], by: list[str], count: int) -> Document:
    body = {"type": "event_count", "rules": rules, "group-by": by, "timespan": "2h", "condition": {"gte": count}}
    return {"title": name, "name": name, "correlation": body}


FOUND = {
    "the host of an event that no step looks at before it is joined is calculated": counted(
        "outer", ["base", "inner"], ["Computer"], 2
    ),
    "so is a key of events that hangs on their direction": counted(
        "outer", ["base", "inner"], ["Computer", "DestinationPort"], 2
    ),
    "several events that a row stands for count as so many beside hits": counted(
        "outer", ["base", "inner"], ["Computer"], 4
    ),
}
"""What random chains have found, each by the least rules that show it."""


@pytest.mark.parametrize("why", FOUND)
@pytest.mark.parametrize("name", PLACES["network_connection"])
def test_what_was_found_once_in_a_chain_stays_mended(why, name):
    source = {"category": "network_connection", "product": "windows"}
    base = {"title": "Base", "name": "base", "logsource": source,
            "detection": {"s": {"Initiated": "true"}, "condition": "s"}}  # fmt: skip
    inner = counted("inner", ["base"], ["Computer", "DestinationPort"], 1)
    common = {"Kind": "network_connection", "Initiated": "true", "Computer": "srv", "Device": "srv", "SourcePort": "1"}
    found = [
        {**common, "UtcTime": f"2026-03-02 09:0{at}:00.000", "DestinationPort": "443", "Weight": weight}
        for at, weight in enumerate("13")
    ]
    place = PLACES["network_connection"][name]
    wrong, query = outcome(name, place, [base], [inner, FOUND[why]], found)
    assert not wrong, f"{wrong}\n{query}"
    assert "refused" not in query


@pytest.mark.slow
@pytest.mark.parametrize("category", FIELDS)
@seeded
@settings(OFTEN, max_examples=30)
@given(dice=st.randoms(use_true_random=False))
def test_all_platforms_find_what_hundreds_of_chains_of_correlations_mean(category, dice):
    check(dice, category)
