"""Random maps of steps on random events: the queries of all platforms give the rows that the steps mean.

The documents go the way of every rule: through the reader, the builder, lowering and the printers. An event is recorded
as each platform does (`tests/corpus`), the text of the query is run by the platform's engine, and its rows are held
against those of the steps on canonical names, evaluated naively on as much of the events as the platform records, which
no claim and no lowering has touched. What a language is known not to say exactly must be in the query's head.

`POLYSIGMA_SEED` takes other cases than those of every run; a failure names its own.
"""

from __future__ import annotations

import json
import math
import os
import random
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.reference import values
from polysigma.engines.reference.evaluate import run
from polysigma.engines.runners import Data, runner
from polysigma.plan.build import build
from polysigma.plan.metadata import read_metadata
from polysigma.plan.steps import Annotate, Group, Ordered, Sort, Take
from polysigma.plan.types import Type
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines, platform
from tests.corpus import naive
from tests.corpus.microsoft import RECORDERS
from tests.corpus.splunk import Sysmon
from tests.helpers.random_plans import Fields, steps
from tests.prove.test_random_rules import Falcon, Place, SysmonJson, at_its_time

SEED = os.environ.get("POLYSIGMA_SEED", "polysigma")
SETTLED = frozenset({"sum-of-none"})
"""Assumptions of the CQL engine of which the alternative is what the steps mean: LogScale's pages say neither."""
MANY = 6
"""Maps of a case: they share its events."""
WINDOW = 86400
CATEGORIES = {
    "process_creation": Fields({"CommandLine": "text", "ProcessId": "integer", "EventTime": "time"},
                               ("CommandLine", "ProcessId")),
    "network_connection": Fields({"DestinationIp": "address", "SourceIp": "address", "DestinationPort": "integer",
                                  "SourcePort": "integer", "EventTime": "time"},
                                 ("DestinationIp", "DestinationPort", "SourcePort"), weighted=True),
}  # fmt: skip
PLACES = {
    "process_creation": {
        "falcon": Place("logscale", Falcon()),
        "defender": Place("kql", RECORDERS["defender"]),
        "splunk_sysmon": Place("spl", Sysmon()),
        "sysmon_json": Place("sql", SysmonJson()),
    },
    "network_connection": {
        "falcon": Place("logscale", Falcon()),
        "asim": Place("kql", RECORDERS["asim"]),
        "splunk_sysmon": Place("spl", Sysmon()),
        "sysmon_json": Place("sql", SysmonJson()),
    },
}
BASES = {
    "process_creation": [
        {"s": {"ProcessId|gte": 0}},
        {"s": {"CommandLine|contains": ["a", "é"]}},
        {"s": {"ProcessId|lt": 500}},
    ],
    "network_connection": [
        {"s": {"DestinationPort|gte": 0}},
        {"s": {"DestinationIp|cidr": ["10.0.0.0/8", "2001:db8::/32"]}},
        {"s": {"SourcePort|lt": 500}},
    ],
}
"""Three base rules: an event can match several."""
TEXTS = [
    "ab",
    "AB",
    "foo",
    "Foo x y",
    "é",
    "É",
    "12",
    "it's",
    "a\\b",
    "\\",
    "a*b",
    "100%_",
    "😀",
    " a ",
    "a.b.Example",
    "",
]
ADDRESSES = ["10.1.2.3", "10.1.2.4", "192.0.2.7", "2001:db8::1", "fe80::1", "::1"]
NUMBERS = [0, 1, 2, 3, 12, 443, 499, 500, 65535]
TIMELESS = {"sysmon_json"}
"""Platforms whose events can lack their time: the others stamp an event themselves. There every seventh one does."""
START = datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp()


def events(dice: random.Random, category: str, *, ordered: bool) -> list[naive.Event]:
    """Events of four hours, many of them on the edge of a bucket; some are repeated, and some fields are missing."""
    found = []
    moments = [dice.randrange(4 * 3600) * 1000 + dice.choice((0, 1, 500, 999)) for _ in range(30)]
    moments += [dice.randrange(16) * 900_000 + dice.choice((-1, 0, 1)) for _ in range(10)]
    if ordered:
        moments = list(dict.fromkeys(moments))
    dice.shuffle(moments)
    texts, numbers = dice.sample(TEXTS, 5), [*dice.sample(NUMBERS, 4), 4294967295]
    for moment in moments[: dice.randint(5, 40)]:
        stamp = datetime.fromtimestamp(START + moment / 1000 + 0.0001, UTC)
        event = {"UtcTime": f"{stamp:%Y-%m-%d %H:%M:%S.%f}"[:-3]}
        if category == "process_creation":
            event |= {"CommandLine": dice.choice(texts)} if dice.randrange(6) else {}
            event |= {"ProcessId": str(dice.choice(numbers))} if dice.randrange(6) else {}
        else:
            event |= {"Initiated": dice.choice(("true", "true", "false"))}
            event |= {
                name: str(dice.choice(numbers[:4])) for name in ("DestinationPort", "SourcePort") if dice.randrange(6)
            }
            event |= {name: dice.choice(ADDRESSES) for name in ("DestinationIp", "SourceIp") if dice.randrange(6)}
        found += [event] * (1 if ordered or dice.randrange(8) else 2)
    return found


def documents(dice: random.Random, category: str, number: int, *, ordered: bool) -> list[dict[str, Any]]:
    """Base rules and the correlation over them, whose map is random."""
    count = dice.choice((1, 1, 2, 3))
    names = [f"base_{number}_{at}" for at in range(count)]
    source = {"category": category, "product": "windows"}
    bases = [
        {"title": f"Base {name}", "name": name, "logsource": source,
         "detection": {**detection, "condition": "s" if at < 2 else dice.choice(("s", "not s"))}}
        for at, (name, detection) in enumerate(zip(names, dice.sample(BASES[category], count), strict=True))
    ]  # fmt: skip
    fields = CATEGORIES[category]
    key = dice.choice(fields.keys)
    made = steps(dice, fields, key, tuple(names), ordered=ordered)
    correlation = {
        "title": f"Steps {number}",
        "name": f"steps_{number}",
        "correlation": {
            "type": "event_count", "rules": names, "group-by": [key], "timespan": "24h", "condition": {"gte": 1},
        },
        "polysigma": {"version": 1, "schedule": {"every": "24h"}, "steps": made},
    }  # fmt: skip
    return [*bases, correlation]


def expected(documents: list[dict[str, Any]], told: list[naive.Event]) -> tuple[Any, list[dict[str, Any]]]:
    """What is built of the map, and the rows that the steps give on canonical names."""
    *bases, correlation = documents
    kinds = {name: Type(kind) for name, kind in CATEGORIES[bases[0]["logsource"]["category"]].types.items()}
    names = tuple(base["name"] for base in bases)
    more = {"Rule": Type.TEXT} if len(names) > 1 else {}
    built = build(read_metadata(correlation["polysigma"]), {**kinds, **more}, WINDOW, rules=names)
    readers = {name: values.convert(kind) for name, kind in kinds.items()}
    conditions = {}
    for rule in SigmaCollection.from_dicts(deepcopy(bases)).rules:
        (parsed,) = rule.detection.parsed_condition
        conditions[rule.name] = parsed.parsed
    rows = []
    for event in told:
        row = {name: read({**event, "EventTime": event.get("UtcTime")}.get(name)) for name, read in readers.items()}
        rows += [{**row, **({"Rule": name} if more else {})} for name in names if naive.holds(conditions[name], event)]
    whole = built.steps[:-1] if by_address(built) is not None and isinstance(built.steps[-1], Take) else built.steps
    return built, run(without_limits(whole), rows)


def without_limits(taken: Any) -> Any:
    """The steps with everything in their display lists."""
    from polysigma.plan.steps import Plan
    from polysigma.prove.trial import without_limits as widened

    return widened(Plan("p", "p", (), tuple(taken), WINDOW)).steps


def shown(value: Any, kind: Type) -> Any:
    found = values.convert(kind)(value)
    if kind is Type.LIST:
        return frozenset(str(values.canonical_address(one)) if ":" in one else one for one in found or ())
    if kind is Type.TIME and isinstance(found, float):
        return round(found, 3)
    return found


def same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    return one == other


def differences(
    built: Any, made: Any, wanted: list[dict[str, Any]], found: list[dict[str, Any]], lists: Any
) -> str | None:
    """What is wrong with the rows of a query, or None."""
    columns = {output.canonical: output.columns[-1] for output in made.plan.outputs if output.role != "label"}
    estimated = estimates(built, made)
    kinds = {name: kind for name, kind in built.columns.items() if name in columns and name not in estimated}
    if set(columns) != set(built.columns):
        return f"shows {sorted(columns)}, not {sorted(built.columns)}"
    exact = [name for name, kind in kinds.items() if kind is not Type.LIST]
    left = [{name: shown(row.get(columns[name]), kind) for name, kind in kinds.items()} for row in found]
    right = [{name: shown(row.get(name), kind) for name, kind in kinds.items()} for row in wanted]
    rest = list(right)
    if by_address(built) is not None and isinstance(built.steps[-1], Take):
        assert "how the platform spells addresses" in made.query
        if len(left) != min(len(right), built.steps[-1].count):
            return f"takes {len(left)} of {len(right)} rows"
        rest += [{}] if len(left) < len(right) else []
    for row in left:
        partner = next((one for one in rest if one and all(same(row[name], one[name]) for name in exact)), None)
        if partner is None:
            return f"gives {row}, which is not wanted; wanted are {rest}"
        rest.remove(partner)
        for name, kind in kinds.items():
            if kind is Type.LIST and (row[name] - partner[name] or len(row[name]) < min(len(partner[name]), lists)):
                return f"lists {row[name]}, not {partner[name]}"
    if rest and {} not in rest:
        return f"does not give {rest[0]}; gives {left}"
    order = [step for step in built.steps if not isinstance(step, Take)][-1]
    if isinstance(order, Sort) and {} not in rest:
        names = [name for name, _ in order.columns]
        names = [name for name in names[: by_address(built)] if name in exact]
        if not all(same(one[name], other[name]) for one, other in zip(left, right, strict=True) for name in names):
            return f"gives another order: {[[row[name] for name in names] for row in left]}, not {right}"
    return None


def by_address(built: Any) -> int | None:
    """Up to which column rows are ordered before addresses order them: by how each platform spells those."""
    for step in built.steps:
        if isinstance(step, Sort):
            at = [built.columns.get(name) is Type.ADDRESS for name, _ in step.columns]
            return at.index(True) if True in at else None
    return None


def estimates(built: Any, made: Any) -> set[str]:
    """The columns that the query's head calls estimates of percentiles, with what is calculated from them."""
    reasons = [loss.reason for loss in made.losses if "percentile" in loss.reason]
    told = {reason.split(" is ", 1)[0] for reason in reasons}
    for reason in reasons:
        assert reason in made.query, "a loss that the query's head does not name"
    measured = {one.name for one in measures(built) if one.function in {"median", "percentile"}}
    assert told <= measured, told
    return told


def converted(name: str, target: str, given: list[dict[str, Any]]) -> tuple[Any, list[str]]:
    """What the correlation becomes, None where the platform refuses it; and what was said of that."""
    collection = SigmaCollection.from_dicts(deepcopy(given))
    table = {"table": "events"} if target == "sql" else {}
    backend = backends[target](pipelines[name](), collect_errors=True, accept="blind", form="rule", **table)
    backend.compiled = {}
    backend.convert(collection)
    for _, error in backend.errors:
        assert isinstance(error, SigmaError), repr(error)
    made = backend.compiled.get(id(collection.rules[-1]), ())
    return made[0] if made else None, [str(error) for _, error in backend.errors]


def outcome(category: str, name: str, given: list[dict[str, Any]], found: list[naive.Event]) -> tuple[str | None, str]:
    """What is wrong with a platform's query on the events, or None; and the query, or why there is none."""
    place = PLACES[category][name]
    made, errors = converted(name, place.target, given)
    if made is None:
        return None, f"refused: {errors[-1]}"
    source = SigmaCollection.from_dicts(deepcopy(given[:1])).rules[0].logsource
    clock = [
        {} if name in TIMELESS and at % 7 == 3 else {"UtcTime": event["UtcTime"]} for at, event in enumerate(found)
    ]
    told = [{**place.recorder.seen(source, event), **time} for event, time in zip(found, clock, strict=True)]
    rows = [
        at_its_time(place.recorder.row(source, seen), event["UtcTime"]) for seen, event in zip(told, found, strict=True)
    ]
    built, wanted = expected(given, told)
    engine = runner(place.target)
    with engine.store(Data(platform(name).schema_name, rows, [0.0] * len(rows)), made.query) as store:
        (result,) = store.run(made.query, [None])
        if SETTLED & result.assumptions:
            (result,) = store.run(made.query, [None], SETTLED & result.assumptions)
    assert not result.incomplete
    kinds = {output.columns[-1]: output.type for output in made.plan.outputs}
    read = [{key: engine.value(value, kinds.get(key, Type.TEXT)) for key, value in row.items()} for row in result.rows]
    return differences(built, made, wanted, read, smallest(built)), made.query


def measures(built: Any) -> list[Any]:
    return [one for step in built.steps if isinstance(step, Group | Annotate | Ordered) for one in step.measures]


def smallest(built: Any) -> int:
    """How many values every list of the steps has room for."""
    return min((one.constant for one in measures(built) if one.function == "collect"), default=0)


def check(seed: str) -> int:
    """One case: events and maps, on all platforms; how many queries were run."""
    dice = random.Random(seed)
    category, ordered = dice.choice(list(CATEGORIES)), bool(dice.randrange(2))
    found = events(dice, category, ordered=ordered)
    count = 0
    for number in range(MANY):
        given = documents(dice, category, number, ordered=ordered)
        for name in PLACES[category]:
            try:
                wrong, query = outcome(category, name, given, found)
            except Exception as error:
                error.add_note(said(seed, name, given, found, ""))
                raise
            assert not wrong, f"{wrong}\n{said(seed, name, given, fewest(category, name, given, found), query)}"
            count += not query.startswith("refused")
    return count


def fewest(category: str, name: str, given: list[dict[str, Any]], found: list[naive.Event]) -> list[naive.Event]:
    """Events without which nothing would be wrong."""
    at = 0
    while at < len(found):
        fewer = found[:at] + found[at + 1 :]
        if outcome(category, name, given, fewer)[0]:
            found = fewer
        else:
            at += 1
    return found


def said(seed: str, name: str, given: list[dict[str, Any]], found: list[naive.Event], query: str) -> str:
    shown = "\n".join(json.dumps(one, ensure_ascii=False) for one in (*given, *found))
    return f"{name}, seed {seed!r}\n{shown}\n{query}"


@pytest.mark.parametrize("number", range(3))
def test_all_platforms_give_what_the_steps_mean(number):
    assert check(f"{SEED}-{number}")


FOUND = {
    "a list over some of a group's keys does not take the place of the others": [
        {"group": {"by": ["CommandLine", "ProcessId"], "measures": {"N": "count()"}}},
        {"annotate": {"by": ["CommandLine"], "measures": {"All": "collect(ProcessId, 100)"}}},
        {"where": "ProcessId > 0"},
    ],
    "a group measures the bucket that it is by": [
        {"bucket": {"Hour": "1h"}},
        {
            "group": {
                "by": ["CommandLine", "Hour"],
                "measures": {"Last": "max(Hour)", "N": "count()"},
            }
        },
    ],
    "a text that is a number is ordered as text": [
        {"group": {"by": ["CommandLine"], "measures": {"N": "count()"}}},
        {"sort": ["CommandLine"]},
    ],
    "the first of a key is that of all its rows": [
        {"annotate": {"by": ["CommandLine"], "measures": {"First": "first(EventTime)"}}},
        {"group": {"by": ["CommandLine"], "measures": {"Latest": "max(First)"}}},
    ],
}
"""What random maps have found, each by the least steps that show it."""


@pytest.mark.parametrize("why", FOUND)
def test_what_was_found_once_stays_mended(why):
    (base, correlation) = documents(random.Random(0), "process_creation", 0, ordered=True)[-2:]
    base = {**base, "detection": {"s": {"ProcessId|gte": 0}, "condition": "s"}}
    correlation["correlation"] |= {"rules": [base["name"]], "group-by": ["CommandLine"]}
    correlation["polysigma"]["steps"] = FOUND[why]
    found = [
        {"UtcTime": f"2026-03-02 {8 + at // 2:02}:{at:02}:00.000", "CommandLine": text, "ProcessId": str(at % 3)}
        for at, text in enumerate(["ab", "12", " a ", "ab", "é", "12", "AB", "ab"])
    ]
    answered = 0
    for name in PLACES["process_creation"]:
        wrong, query = outcome("process_creation", name, [base, correlation], found)
        assert not wrong, f"{name}: {wrong}\n{query}"
        answered += not query.startswith("refused")
    assert answered >= 3


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(3, 14))
def test_all_platforms_give_what_hundreds_of_maps_of_steps_mean(tens):
    """Ten cases at a time: some 2,500 queries in all; those of `test_random_chains.py` come to it."""
    assert sum(check(f"{SEED}-{10 * tens + number}") for number in range(10)) > 10 * MANY
