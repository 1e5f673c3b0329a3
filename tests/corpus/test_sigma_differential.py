"""Random Sigma rules, of every modifier and every kind of condition, on random events: the query's text, run by the
engine, finds the events on which the rule holds by Sigma's specification (`naive.py`), and no others.

What CQL cannot say must be a SigmaError that names the rule; anything else that is raised fails the test.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.modifiers import modifier_mapping
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import ValueListPlaceholderTransformation

from polysigma.cql import lint
from polysigma.diagnostics import Severity
from polysigma.engines.cql import run_cql
from sigma.backends.polysigma import LogScaleBackend
from sigma.pipelines.polysigma import pipelines

from . import naive

# Python warns of `[[]`, which means in RE2 what it means in Python.
pytestmark = pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")

PROCESS = {"category": "process_creation", "product": "linux"}
NETWORK = {"category": "network_connection", "product": "linux"}
COLUMNS = {
    "CommandLine": "CommandLine",
    "Computer": "ComputerName",
    "Image": "ImageFileName",
    "User": "UserName",
    "md5": "MD5HashData",
    "ProcessId": "RawProcessId",
    "DestinationPort": "RemotePort",
    "SourcePort": "LocalPort",
}
TEXTS = {"process_creation": ("CommandLine", "Image", "User", "md5"), "network_connection": ("Computer",)}
NUMBERS = {"process_creation": ("ProcessId",), "network_connection": ("DestinationPort", "SourcePort")}
ADDRESSES = ("DestinationIp", "SourceIp")
ADMINS = ["ann", "Bob*", "a?b", 443, "C:\\x"]

ATOMS = ["a", "B", "ab", "é", "Ж", "-a", "/a", "\u2013a", "—a", " ", '"', "'", "/", "//", "|", "$", "${x}", "{", "}",
         "(", ")", "[", "]", ".", "+", "^", "%", "&", "#", "@", "~", "`", ",", ";", ":", "=", "<", "!", "C:", "12",
         "and", "not", "null", "true", "😀"]  # fmt: skip
RAW = st.lists(
    st.one_of(
        st.sampled_from(ATOMS), st.sampled_from(["*", "?", "\\*", "\\?", "\\\\", "\\", "\\\\*", "\\\\\\*", "\n", "\t"])
    ),
    min_size=0,
    max_size=4,
).map("".join)
"""Values as they stand in a rule, with their wildcards and backslashes."""
PLAIN = st.lists(st.sampled_from([*ATOMS, "*", "?", "\\", "\\\\", "\n"]), min_size=1, max_size=4).map("".join)
"""Texts as they stand in events."""
WORDS = ["ab", "Ab é", "-a /a", "foo", "12", "a/b", "ann", "C:\\x"]
AMOUNTS = [0, 1, 12, 443, -3, 65535]
REGEXES = [
    "a", "^a", "b$", "^a.*b$", "a|b", r"\\", "/", r"\d+", r"^\w+$", r"\W", r"[^\s]$", "[/]", "[a/b]+", "[]a]", "[^]]",
    r"[\]\\-]", "a{2}", "(a|b){1,2}", "a?b*", "a*?b", "(?:ab)+", "(ab)+", "(?i)AB", "(?=a)a", "^(?!a)", r"\bab\b", "é",
    "[é-ž]", '"', "'", r"\x41", "a.b", "^$", "", ".", "[[]", "a-b", r"\/", "^a$", r"https?://a", r"\$\{x", "(?P<n>a)b",
]  # fmt: skip
ADDRESS_VALUES = ["10.1.2.3", "192.0.2.7", "192.0.2.8", "2001:db8::1", "fe80::1", "::1", "127.0.0.1"]
NETWORKS = ["10.0.0.0/8", "192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "fe80::/10"]


def encoded(word: str) -> list[str]:
    """What events hold of a word that is encoded in one of the ways that Sigma knows."""
    found = []
    for codec in ("utf-8", "utf-16le", "utf-16be", "utf-16"):
        raw = word.encode(codec)
        found += [
            base64.b64encode(raw).decode(),
            *(base64.b64encode(b"x" * n + raw + b"yz").decode() for n in range(3)),
        ]
    return found


ENCODED = [text for word in WORDS[:4] for text in encoded(word)]


def one_or_more(values: st.SearchStrategy[Any], least: int = 2) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=least, max_size=4))


def listed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=1, max_size=3)


Pairs = list[tuple[str, st.SearchStrategy[Any]]]
"""Modifiers, and the values that go with them."""


def items(names: tuple[str, ...], pairs: Pairs) -> st.SearchStrategy[tuple[str, Any]]:
    field = st.sampled_from(names)
    return st.sampled_from(pairs).flatmap(lambda pair: st.tuples(field.map(lambda name: name + pair[0]), pair[1]))


def text_pairs(names: tuple[str, ...]) -> Pairs:
    places, plain = ("", "|contains", "|startswith", "|endswith"), st.sampled_from(WORDS)
    ascii_only = plain.filter(str.isascii)
    mixed = st.one_of(RAW, st.none(), st.sampled_from(AMOUNTS), st.booleans())
    pairs: Pairs = [
        ("", one_or_more(mixed)),
        ("", one_or_more(RAW)),
        ("|neq", one_or_more(mixed)),
        ("|exists", st.booleans()),
    ]
    for place in places:
        pairs += [(place, one_or_more(RAW)), (f"{place}|cased", one_or_more(RAW)), (f"{place}|neq", one_or_more(RAW))]
        pairs += [(f"{place}|all", listed(RAW)), (f"|windash{place}", one_or_more(plain)), (f"{place}|windash", plain)]
        pairs += [(f"|fieldref{place}", st.sampled_from(names)), (f"|expand{place}", st.just("%admins%"))]
        pairs += [
            (f"|base64{place}", one_or_more(plain)),
            (f"|wide|base64{place}", ascii_only),
            (f"|utf16{place}", ascii_only),
        ]
        pairs += [(f"|utf16be|base64{place}", ascii_only), (f"|utf16|base64{place}", ascii_only)]
    pairs += [
        ("|cased|contains|all", listed(RAW)),
        ("|windash|contains|all", listed(plain)),
        ("|contains|all|neq", listed(RAW)),
    ]
    pairs += [("|base64offset|contains", one_or_more(plain)), ("|wide|base64offset|contains", one_or_more(ascii_only))]
    pairs += [
        (f"|re{flags}", one_or_more(st.sampled_from(REGEXES))) for flags in ("", "|i", "|m", "|s", "|i|m", "|i|s|m")
    ]
    pairs += [("|re|all", listed(st.sampled_from(REGEXES))), ("|fieldref|neq", st.sampled_from(names))]
    pairs += [(f"|{order}", st.sampled_from(AMOUNTS)) for order in ("gt", "gte", "lt", "lte")]
    return pairs


def number_pairs(names: tuple[str, ...]) -> Pairs:
    amounts = st.sampled_from([*AMOUNTS, 0.5])
    pairs: Pairs = [
        ("", one_or_more(amounts)),
        ("", one_or_more(st.one_of(amounts, amounts.map(str), st.none()))),
    ]
    pairs += [("|neq", one_or_more(amounts)), ("|startswith", st.sampled_from(["4", "65"])), ("|exists", st.booleans())]
    pairs += [(f"|{order}", one_or_more(amounts)) for order in ("gt", "gte", "lt", "lte")]
    pairs += [(f"|{order}|all", listed(amounts)) for order in ("gt", "lte")] + [("|gt|neq", amounts)]
    pairs += [("|re", st.sampled_from(["^4", "3$", r"^\d{2}$"])), ("|fieldref", st.sampled_from(names))]
    return pairs


def address_pairs() -> Pairs:
    return [
        ("", one_or_more(st.sampled_from([*ADDRESS_VALUES, "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::ffff:10.1.2.3"]))),
        ("|cidr", one_or_more(st.sampled_from(NETWORKS))),
        ("|cidr|neq", one_or_more(st.sampled_from(NETWORKS))),
        ("|cidr|all", listed(st.sampled_from(NETWORKS))),
        ("|startswith", one_or_more(st.sampled_from(["10.", "192.0."]))),
        ("|exists", st.booleans()),
        ("", st.none()),
        ("|fieldref", st.sampled_from(ADDRESSES)),
    ]


TIMES = ["2020-12-31 23:59:59", "2021-01-04 00:00:00", "2024-12-30 22:10:03", "2024-02-29 09:30:00"]
PARTS = {
    "minute": [0, 10, 59],
    "hour": [0, 9, 22],
    "day": [4, 29, 31],
    "week": [1, 53],
    "month": [1, 12],
    "year": [2024],
}


def time_pairs() -> Pairs:
    pairs: Pairs = []
    for part, values in PARTS.items():
        numbers = st.sampled_from(values)
        pairs += [(f"|{part}", one_or_more(numbers)), (f"|{part}|neq", one_or_more(numbers))]
        pairs += [(f"|{part}|{order}", numbers) for order in ("gt", "gte", "lt", "lte")]
    return pairs


KEYWORDS = st.sampled_from(["foo", "QUX", "q*x", "ab", 12, "zz?z"])
KEYWORD_LISTS = st.one_of(
    st.lists(KEYWORDS, min_size=1, max_size=3),
    st.tuples(st.sampled_from(["|all", "|contains", "|contains|all"]), st.lists(KEYWORDS, min_size=1, max_size=2)).map(
        lambda pair: dict([pair])
    ),
    st.just({"|re": "q.x"}),
)


@st.composite
def rules(
    draw: st.DrawFn, logsource: dict[str, str], fields: tuple[tuple[str, ...], tuple[str, ...]] | None = None
) -> dict[str, Any]:
    """A rule; `fields` are those with text and those with numbers, by default as Falcon records them on Linux."""
    category = logsource["category"]
    texts, numbers = fields or (TEXTS[category], NUMBERS[category])
    choices = [items(texts, text_pairs(texts))]
    choices += [items(numbers, number_pairs(numbers))] if numbers else []
    choices.append(items(("UtcTime",), time_pairs()))
    if category == "network_connection":
        choices += [
            items(ADDRESSES, address_pairs()),
            items(ADDRESSES, address_pairs()),
            st.tuples(st.just("Initiated"), st.sampled_from(["true", "false", True, False])),
        ]
    maps = st.lists(st.one_of(*choices), min_size=1, max_size=3).map(dict)
    selection = st.one_of(maps, maps, st.lists(maps, min_size=1, max_size=3))
    names = draw(
        st.lists(st.sampled_from(["sel_a", "sel_b", "flt_a", "flt_b", "other"]), min_size=1, max_size=4, unique=True)
    )
    detections = {name: draw(selection) for name in names}
    if draw(st.integers(0, 5)) == 0:
        detections["kw"] = draw(KEYWORD_LISTS)
    patterns = [f"{one} of {of}" for one in ("1", "all") for of in ("them", *{name[:4] + "*" for name in names})]
    leaves = st.sampled_from([*detections, *detections, *patterns])
    tree = st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(lambda text: f"not {text}"),
            inner.map(lambda text: f"({text})"),
            st.tuples(inner, st.sampled_from(["and", "or", "and not", "or not"]), inner).map(" ".join),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"not ({' '.join(parts)})"),
        ),
        max_leaves=4,
    )
    return {
        "title": "A rule",
        "name": "a",
        "logsource": logsource,
        "detection": {**detections, "condition": draw(tree)},
    }


@st.composite
def filters(draw: st.DrawFn, logsource: dict[str, str]) -> list[dict[str, Any]]:
    if draw(st.integers(0, 6)):
        return []
    texts = TEXTS[logsource["category"]]
    maps = st.lists(items(texts, text_pairs(texts)), min_size=1, max_size=2).map(dict)
    condition = draw(st.sampled_from(["selection", "not selection"]))
    return [
        {
            "title": "A filter",
            "logsource": logsource,
            "filter": {"rules": ["a"], "selection": draw(maps), "condition": condition},
        }
    ]


def events(category: str) -> st.SearchStrategy[list[naive.Event]]:
    texts = st.one_of(
        PLAIN, st.sampled_from(WORDS), st.sampled_from(ENCODED), st.sampled_from(["", "BOB1", "axb", "443", "foo qux"])
    )
    fields: dict[str, st.SearchStrategy[str]] = dict.fromkeys((*TEXTS[category], "Computer"), texts)
    fields |= dict.fromkeys(NUMBERS[category], st.sampled_from(AMOUNTS).map(str))
    if category == "network_connection":
        fields |= dict.fromkeys(ADDRESSES, st.sampled_from(ADDRESS_VALUES))
    event = st.fixed_dictionaries({"UtcTime": st.sampled_from(TIMES)}, optional=fields)
    if category == "network_connection":
        event = st.tuples(event, st.sampled_from(["true", "false"])).map(lambda pair: {**pair[0], "Initiated": pair[1]})
    return st.lists(event, min_size=2, max_size=6)


def recorded(event: naive.Event) -> dict[str, str]:
    """The event as Falcon records it."""
    row = {COLUMNS[field]: text for field, text in event.items() if field in COLUMNS}
    name = "ProcessRollup2"
    if "Initiated" in event:
        inbound = event["Initiated"] == "false"
        name = "NetworkReceiveAcceptIP4" if inbound else "NetworkConnectIP4"
        if inbound:
            row |= {"LocalPort": event.get("DestinationPort", ""), "RemotePort": event.get("SourcePort", "")}
        ends = ("Local", "Remote") if inbound else ("Remote", "Local")
        for side, end in zip(ADDRESSES, ends, strict=True):
            if side in event:
                row[f"{end}AddressIP{6 if ':' in event[side] else 4}"] = event[side]
    row = {"#event_simpleName": name, "event_platform": "Lin", **row}
    seconds = datetime.fromisoformat(event["UtcTime"]).replace(tzinfo=UTC).timestamp()
    return {**row, "@rawstring": json.dumps(row, ensure_ascii=True), "ContextTimeStamp": f"{seconds:.3f}"}


CASES = st.sampled_from([PROCESS, NETWORK]).flatmap(
    lambda logsource: st.tuples(rules(logsource), filters(logsource), events(logsource["category"]))
)
GIVEN = ProcessingPipeline(
    items=[ProcessingItem(ValueListPlaceholderTransformation(include=["admins"]))], vars={"admins": ADMINS}
)


def check(rule: dict[str, Any], more: list[dict[str, Any]], found: list[naive.Event]) -> None:
    """Compares the query with the specification, on the events."""
    documents = [rule, *more]
    try:
        original, changed = (SigmaCollection.from_dicts(json.loads(json.dumps(documents))) for _ in range(2))
        for one in original.rules:
            GIVEN.apply(one)
        conditions = [condition.parsed for condition in original.rules[0].detection.parsed_condition]
    except SigmaError:
        return  # no rule by pySigma's own reading
    try:
        queries = LogScaleBackend(GIVEN + pipelines["falcon"]()).convert(changed)
    except SigmaError as error:
        if not str(error).startswith('rule "A rule": '):
            raise
        return
    rows = [{**recorded(event), "Id": str(number)} for number, event in enumerate(found)]
    (query,), (condition,) = queries, conditions
    note(query)
    wrong = [one for one in lint(query) if one.severity is Severity.ERROR]
    assert not wrong, wrong
    wanted = [str(number) for number, event in enumerate(found) if naive.holds(condition, event)]
    result = run_cql(query, rows)
    if result.assumptions & {"equals-numeric", "in-numeric"}:
        return  # texts that spell the same number are one to LogScale's `=`, perhaps
    assert [row["Id"] for row in result.rows] == wanted, query


def test_every_modifier_is_tried():
    pairs = [*text_pairs(("a",)), *number_pairs(("a",)), *address_pairs(), *time_pairs()]
    tried = {modifier for modifiers, _ in pairs for modifier in modifiers.split("|")}
    other_names = {"ignorecase", "multiline", "dotall"}
    assert modifier_mapping.keys() - tried == other_names


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(CASES)
def test_the_query_of_a_rule_finds_what_the_specification_says(case):
    check(*case)


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("POLYSIGMA_EXAMPLES", "5000")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(CASES)
def test_the_queries_of_thousands_of_rules_find_what_the_specification_says(case):
    check(*case)
