"""Whatever a rule says stays a value: the query keeps its shape and finds what the oracle finds."""

from __future__ import annotations

import dataclasses
import json

import pytest
from sigma.collection import SigmaCollection

from polysigma.engines.reference import evaluate
from polysigma.engines.spl import parse, run_spl
from polysigma.engines.spl.tree import Literal
from sigma.backends.polysigma import SplBackend
from sigma.pipelines.polysigma import pipelines

HOSTILE = (
    "'", '"', '""', "\\", "\\\\", '\\"', "a\nb", "\n", "|", "| delete", '" | delete | search x="', "`", "``", "```",
    "``` x", "`sysmon`", "[search index=*]", "[", "]", "$x$", "%", "%41", "_", "10.0.0.0/8", "a/b", "*", "a*b", "?",
    "(", ")", " OR x=1", "NOT x", "true", "null", "=", "!=", ",", ";", "#", "\x00", "\x1b", "\u2028", "\u202e", "é",
    "😀", "12", "12.0", "0x10", "1e3", " ", "  a  ", "x" * 5000, "\\*", "a\\", "(?i)a", "^a$", "\\z", "\t",
)  # fmt: skip
SOURCE = "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"
CHANNEL = "Microsoft-Windows-Sysmon/Operational"


def compiled(text, modifier, pipeline="splunk_sysmon", **changes):
    key = f"CommandLine{modifier}"
    value = text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?") if "re" not in modifier else text
    rule = {
        "title": "A rule",
        "logsource": {"category": "process_creation", "product": "windows"},
        "detection": {"selection": {key: value}, "condition": "selection"},
    } | changes
    backend = SplBackend(pipelines[pipeline]())
    backend.compiled = {}
    (query,) = backend.convert(SigmaCollection.from_dicts([json.loads(json.dumps(rule))]))
    ((one,),) = backend.compiled.values()
    return one.plan, query


def events(*command_lines):
    common = {"source": SOURCE, "Channel": CHANNEL, "EventCode": "1"}
    rows = [{**common, "CommandLine": line} for line in command_lines] + [common]
    return [{**row, "Number": str(number)} for number, row in enumerate(rows)]


def numbers(rows):
    return [row["Number"] for row in rows]


@pytest.mark.parametrize("modifier", ["", "|contains", "|startswith", "|contains|cased"])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_a_value_stays_a_value(text, modifier):
    plan, query = compiled(text, modifier)
    rows = events(text, f"before{text}", f"{text}after", f"b{text}a", text.swapcase(), "harmless", "")
    assert numbers(run_spl(query, rows)) == numbers(evaluate(plan, rows)), query
    assert "0" in numbers(run_spl(query, rows))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_a_negated_value_stays_one_and_keeps_events_without_the_field(text):
    detection = {
        "keep": {"EventID": 1},
        "drop": {"CommandLine": text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")},
        "condition": "keep and not drop",
    }
    plan, query = compiled(text, "", detection=detection)
    rows = events(text, "harmless", "")
    assert numbers(run_spl(query, rows)) == numbers(evaluate(plan, rows)) == ["1", "2", "3"], query


@pytest.mark.parametrize("text", ["```", "a ``` | delete", "\n| delete", "`x`", "$x$", "\u202e"])
def test_a_title_stays_in_its_comment(text):
    _, harmless = compiled("x", "")
    _, query = compiled("x", "", title=f"A {text} rule")
    assert parse(query) == parse(harmless)


def test_a_rule_s_name_stays_a_text():
    rules = [
        {
            "title": name,
            "name": name,
            "logsource": {"category": "process_creation", "product": "windows"},
            "detection": {"selection": {"Image|endswith": f"\\\\{number}.exe"}, "condition": "selection"},
        }
        for number, name in enumerate(('a" | delete', "b`sysmon`"))
    ]
    correlation = {
        "title": "Both",
        "correlation": {
            "type": "temporal",
            "rules": [rule["name"] for rule in rules],
            "group-by": ["Computer"],
            "timespan": "5m",
        },
    }
    (query,) = SplBackend(pipelines["splunk_sysmon"]()).convert(SigmaCollection.from_dicts([*rules, correlation]))
    names = [node for node in _literals(parse(query)) if "delete" in node]
    assert names == ['a" | delete']
    row = {"source": SOURCE, "Channel": CHANNEL, "EventCode": "1", "Computer": "ws", "_time": 10}
    rows = [{**row, "Image": "c:\\0.exe"}, {**row, "Image": "c:\\1.exe"}]
    assert [hit["RuleCount"] for hit in run_spl(query, rows, now=70.0)] == [2]


def _literals(node):
    if isinstance(node, Literal):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, tuple):
        return [value for item in node for value in _literals(item)]
    if dataclasses.is_dataclass(node):
        return [value for each in dataclasses.fields(node) for value in _literals(getattr(node, each.name))]
    return []
