"""Mutants of queries: every kind of fault is made of every language, and each is one fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from query_mutants import Mutant, mutants
from survivors import EVERYWHERE, FOLDER, GONE_THROUGH, Fault, faults

from polysigma.catalog import packaged_names
from polysigma.convert import pairs

BAR = "\\|"
"""A bar in a cell of a table."""

CQL = """\
// a comment with 10 and or
#event_simpleName=NetworkConnectIP4
| !cidr(Peer, subnet=["10.0.0.0/8", "127.0.0.0/8"])
| (Image=/\\.exe$/i or Image="sh")
| Program := coalesce([Image, Path])
| Hour := Time / 3600000
| round(Hour, how=floor)
| Hour := Hour * 3600000
| groupBy([Host, Peer], limit=max, function=[
      count(as=Count),
      sum(Weight, as=Total)
    ])
| Count >= 20 and Total > 3
| case {
    Count > 100 | Score := 2;
    * | Score := 0;
  }
| table([Host, Peer, Score], sortby=[Score, Host], order=[desc, asc], limit=20000)
"""
KQL = """\
// a comment with 10 and or
Events
| where Peer !in ("10.0.0.1", "10.0.0.2") and isnotempty(Host)
| where (Image endswith @"\\sh.exe" or Image =~ "bash") and not(Port == 53)
| extend Program = coalesce(tolower(Image), "")
| summarize
    Total = sum(Weight),
    Peers = count_distinct(Peer)
    by Host, Port, Hour = bin(Timestamp, 1h)
| lookup kind=inner (Rows | summarize Most = max(Total) by Host) on Host
| where Total >= 20
| extend Score = case(
    Total > 100, 2,
    0)
| sort by Score desc, Host asc
"""
SPL = """\
``` a comment with 10 AND OR ```
`sysmon` EventCode=3 Initiated="true"
| where Peer!="" AND NOT (cidrmatch("10.0.0.0/8", Peer) OR cidrmatch("127.0.0.0/8", Peer))
| eval Host=lower(Computer), Hour=floor(_time/3600)*3600
| stats count AS Count,
    dc(Peer) AS Peers
    by Host, Hour
| where Count>=20
| sort 0 -Count, Host
"""
SQL = """\
WITH matched AS (
  SELECT *, MAKE_TIMESTAMP((EPOCH_US("Time") // 3600000000) * 3600000000) AS "Hour"
  FROM events
  WHERE LOWER("Image") = 'sh' AND NOT ("Port" IN (53, 123) OR "Peer" LIKE '10.%')
), step_1 AS (
  SELECT "Host", "Peer", SUM("Weight") AS "Total", COUNT(DISTINCT "Port") AS "Ports"
  FROM matched GROUP BY "Host", "Peer"
  UNION ALL
  SELECT "Host", COALESCE("Peer", "Name"), LAG("Time") OVER (PARTITION BY "Host" ORDER BY "Time"), 1 AS "Ports"
  FROM matched QUALIFY ROW_NUMBER() OVER (PARTITION BY "Host" ORDER BY "Time") <= 9
)
SELECT *, CASE WHEN "Total" > 100 THEN 2 WHEN "Total" > 20 THEN 1 ELSE 0 END AS "Score"
FROM step_1 WHERE COALESCE("Total" >= 20, FALSE) ORDER BY "Total" DESC, "Host" ASC LIMIT 10
"""
COMMON = {"threshold", "bound", "negation", "junction", "part", "key", "bucket", "measure", "case", "order", "step"}


@pytest.mark.parametrize(
    ("target", "text", "more"),
    [
        ("logscale", CQL, {"network", "precedence", "guard", "item", "line", "limit"}),
        ("kql", KQL, {"precedence", "guard", "item", "line", "join", "text"}),
        ("spl", SPL, {"network", "precedence", "item", "term", "limit"}),
        ("sql", SQL, {"precedence", "guard", "item", "line", "join", "limit"}),
    ],
)
def test_every_kind_of_fault_is_made(target, text, more):
    assert {mutant.kind for mutant in mutants(target, text)} == COMMON | more


@pytest.mark.parametrize(("target", "text"), [("logscale", CQL), ("kql", KQL), ("spl", SPL), ("sql", SQL)])
def test_mutants_are_made_in_the_same_way_each_time_and_differ(target, text):
    made = mutants(target, text)
    assert made == mutants(target, text)
    assert len({mutant.text for mutant in made} | {text}) == len(made) + 1


@pytest.mark.parametrize(("target", "text"), [("logscale", CQL), ("kql", KQL), ("spl", SPL)])
def test_comments_are_left_alone(target, text):
    comment = text.splitlines()[0]
    assert all(mutant.text.startswith(comment) for mutant in mutants(target, text))


def test_one_side_of_a_junction_is_left_out_and_the_other_stays():
    texts = {mutant.text.replace(" ", "") for mutant in mutants("spl", SPL) if mutant.kind == "part"}
    assert SPL.replace(' OR cidrmatch("127.0.0.0/8", Peer)', "").replace(" ", "") in texts
    assert SPL.replace('Peer!="" AND ', "").replace(" ", "") in texts


def test_each_term_is_left_out_where_a_search_of_several_rules_begins_with_brackets():
    search = '((`sysmon` EventCode=3 Initiated="true")\n    OR (`sysmon` EventCode=1 Image="*.exe"))\n| eval A=1\n'
    left_out = [mutant for mutant in mutants("spl", search) if mutant.kind == "term"]
    assert [mutant.about for mutant in left_out] == [
        "without EventCode=3",
        'without Initiated="true"',
        "without EventCode=1",
        'without Image="*.exe"',
    ]


def test_a_bucket_is_made_twice_as_long_where_its_length_stands_twice():
    texts = {mutant.text for mutant in mutants("spl", SPL) if mutant.kind == "bucket"}
    assert SPL.replace("3600", "7200") in texts
    assert CQL.replace("3600000", "7200000") in {mutant.text for mutant in mutants("logscale", CQL)}


def test_windows_unions_and_the_order_of_alternatives_are_changed_in_sql():
    made = "\n".join(map(str, mutants("sql", SQL)))
    for described in (
        'key: without "Host" in Window: LAG',
        'key: without "Host" in Window: ROW_NUMBER',
        'measure: LAG("Time") in',
        "step: without QUALIFY ROW_NUMBER()",
        'guard: the last one first: COALESCE("Peer", "Name")',
        "join: the same rows once in a union",
        "part: without SELECT ",
        'line: without ELSE in CASE WHEN "Total" > 100',
        "limit: without LIMIT 10",
    ):
        assert described in made


def test_parentheses_that_do_nothing_are_left_alone_in_sql():
    text = 'SELECT * FROM events WHERE ("a" = 1 OR "b" = 2) AND ("c" < 3) AND (("d" - 1) > 2)'
    made = [mutant.about for mutant in mutants("sql", text) if mutant.kind == "precedence"]
    assert made == ['without ( ) around ("a" = 1 OR "b" = 2)']


def test_mutants_of_one_description_are_counted():
    described = [str(mutant) for mutant in mutants("logscale", CQL + CQL.replace("// a comment with 10 and or\n", ""))]
    assert len(set(described)) == len(described)
    assert "threshold: 20 -> 21 in | Count >= 20 and Total > 3" in described
    assert "threshold: 20 -> 21 in | Count >= 20 and Total > 3 (2)" in described


def test_a_fault_that_is_said_to_survive_is_the_whole_description_of_a_mutant():
    mutant = Mutant("threshold", "5 -> 4 in | Addresses >= 5 * 1", "")
    assert Fault("a", ("falcon",), "threshold: 5 -> 4 in | Addresses >= 5 * 1", "").matches(mutant)
    assert Fault("a", ("falcon",), "threshold: * in | Addresses*", "").matches(mutant)
    assert not Fault("a", ("falcon",), "5 -> 4 in | Addresses >= 5 * 1", "").matches(mutant)
    assert not Fault("a", ("falcon",), "threshold: 5 -> 4 in | Addresses >= 5", "").matches(mutant)


def test_each_file_of_survivors_is_of_a_detection():
    assert {file.stem for file in FOLDER.glob("*.toml")} <= {EVERYWHERE, *packaged_names()}


LANGUAGES = {"logscale": "LogScale", "spl": "SPL", "kql": "KQL", "sql": "SQL"}
LISTED = "## Survivors"
"""The heading on the page below which all is made here."""


def survivors_of(target: str) -> str:
    """A part of the page: what survives in one language, with the number of queries gone through on each platform."""
    platforms = [platform for platform, language in pairs([], None) if language == target]
    counts = ", ".join(f"{len(GONE_THROUGH.get(platform, ()))} on `{platform}`" for platform in platforms)
    rows: dict[tuple[str, str, str], list[str]] = {}
    for fault in faults():
        rule = "all" if fault.rule == EVERYWHERE else f"`{fault.rule}`"
        where = ", ".join(platform for platform in fault.platforms if platform in platforms)
        if where:
            rows.setdefault((rule, where, fault.why), []).append(fault.words)
    lines = []
    for (rule, where, why), listed in rows.items():
        shown = "<br>".join(f"`` {words} ``" for words in listed)
        lines.append(f"| {rule} | {where} | {shown.replace('|', BAR)} | {why.replace('|', BAR)} |\n")
    head = "| detection | platforms | faults | why nothing tells them |\n|---|---|---|---|\n"
    return f"### {LANGUAGES[target]}\n\nQueries gone through: {counts}.\n\n{head}{''.join(lines)}"


def test_the_page_lists_the_survivors_with_their_reasons():
    page = Path(__file__).parents[2] / "docs" / "reference" / "mutants.md"
    text = page.read_text(encoding="utf-8")
    head = text[: text.index(LISTED)]
    made = f"{head}{LISTED}\n\n" + "\n".join(map(survivors_of, LANGUAGES))
    if os.environ.get("UPDATE_GOLDENS"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made
