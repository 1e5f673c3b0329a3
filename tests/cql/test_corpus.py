"""Published queries: almost none gets an error, and each that does is explained in the docs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from polysigma.cql import lint
from polysigma.diagnostics import Severity

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
QUERIES = SHARED / "data" / "cql_queries.json"
SEED = SHARED / "reference" / "seed_T1584.005_logscale.txt"
JUDGEMENT = SHARED / "reference" / "cql.md"


def errors(text: str) -> list[tuple[int, str]]:
    return [(one.at.line, one.code) for one in lint(text) if one.severity is Severity.ERROR and one.at]


@pytest.mark.skipif(not QUERIES.exists(), reason="the published queries are not beside the checkout")
def test_at_most_15_in_a_thousand_published_queries_get_an_error_and_the_docs_name_each() -> None:
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))
    ordinals: Counter[str] = Counter()
    wrong = set()
    for query in queries:
        ordinals[query["file"]] += 1
        if errors(query["query"]):
            wrong.add((query["file"], ordinals[query["file"]]))
    assert len(wrong) / len(queries) <= 0.015
    rows = (ROOT / "docs" / "reference" / "lint-corpus.md").read_text(encoding="utf-8").splitlines()
    named = {(cells[1].strip(), int(cells[2])) for row in rows if (cells := row.split("|"))[0] == "" and len(cells) > 4
             and cells[2].strip().isdigit()}  # fmt: skip
    assert named == wrong


@pytest.mark.skipif(not SEED.exists(), reason="the seed's query is not beside the checkout")
def test_the_seeds_query_gets_errors_for_the_constructs_that_are_invalid_and_no_others() -> None:
    text = SEED.read_text(encoding="utf-8")
    start = text.index("// CrowdStrike LogScale / Falcon")
    query = text[start : text.index("high severity", start)]
    lines = query.split("\n")
    by_construct = {(lines[line - 1].strip(), code) for line, code in errors(query)}
    of = {code: sorted(construct for construct, found in by_construct if found == code) for _, code in by_construct}
    assert set(of) == {
        "collect-as",
        "match-in-expression",
        "if-arguments",
        "equals-in-expression",
        "logic-in-expression",
        "expression-argument",
        "second-unnamed",
    }
    assert all("collect(" in construct and "as=" in construct for construct in of["collect-as"])
    assert len(of["collect-as"]) == 2
    assert all("=~" in construct for construct in of["match-in-expression"])
    assert all("if(" in construct for construct in of["if-arguments"])
    assert all("IRCPort = 1" in construct and " AND " in construct for construct in of["equals-in-expression"])
    assert of["logic-in-expression"] == of["equals-in-expression"]
    assert all("round(" in construct for construct in [*of["expression-argument"], *of["second-unnamed"]])
    assert {"groupby-limit", "table-undoes-sort"} <= {one.code for one in lint(query)}


@pytest.mark.skipif(not JUDGEMENT.exists(), reason="the judged form is not beside the checkout")
def test_the_valid_form_of_the_seed_is_clean() -> None:
    text = JUDGEMENT.read_text(encoding="utf-8")
    start = text.index("A form that is valid")
    query = "\n".join(line for line in text[start : text.index("## What the published")].split("\n")[2:] if line)
    assert lint(query) == []


def test_a_detection_in_two_stages_is_clean() -> None:
    query = """
    #event_simpleName=NetworkConnectIP4 RemoteAddressIP4=*
    | !cidr(RemoteAddressIP4, subnet=["10.0.0.0/8", "192.168.0.0/16"])
    | Hour := formatTime("%Y-%m-%dT%H", field=@timestamp, timezone="UTC")
    | groupBy([aid, RemoteAddressIP4, Hour], limit=max, function=[count(as=n), collect([ContextBaseFileName])])
    | groupBy([aid, RemoteAddressIP4], limit=max, function=[sum(n, as=Total), count(as=Hours)])
    | Total >= 20 | Hours >= 3
    | PerHour := Total / Hours
    | case { PerHour > 10 | Score := 2 ; Total > 100 | Score := 1 ; * | Score := 0 }
    | table([aid, Total, Score], sortby=[Score, Total], order=[desc, desc], limit=1000)
    """
    assert lint(query) == []
