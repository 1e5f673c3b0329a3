"""The proof on a vendor's server, where environment variables name one.

There is none here. What is sent is held against the vendors' documentation by servers made for these tests: they store
the events that they are sent and run the text of the query with the engines here, and they refuse what the
documentation does not have. The tests at the end ask a real server, and are skipped without one.
"""

from __future__ import annotations

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from polysigma.catalog import packaged_names, read_rules
from polysigma.diagnostics import PolysigmaError
from polysigma.engines.kql.validate import unavailable, validate
from polysigma.engines.runners import Data, runner
from polysigma.engines.runners.cql import CqlRunner
from polysigma.engines.runners.servers import kusto
from polysigma.engines.runners.spl import SplRunner
from polysigma.prove import Status, prove

TOKEN = "no-secret-of-anybody"
SCENARIOS = ["nineteen_connections", "twenty_connections"]
VARIABLES = {
    "logscale": "POLYSIGMA_LOGSCALE_URL",
    "spl": "POLYSIGMA_SPLUNK_URL",
    "kql": "POLYSIGMA_KUSTO_URL",
}


class Server(HTTPServer):
    """Keeps what it is sent, and tells what was asked."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked = []
        self.kept = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        path = urlsplit(self.path).path
        self.server.asked.append((path, dict(self.headers), body))
        code, answer = self.server.answers(self.server, path, self.headers, body)
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode() if not isinstance(answer, str) else answer.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    servers = []

    def start(answers, **variables):
        server = Server(answers)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(url=server.url))
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def logscale(server, path, headers, body):
    """Structured ingest by one token, streaming search by another."""
    asked = json.loads(body)
    if path == "/api/v1/ingest/humio-structured":
        if headers["Authorization"] != f"Bearer {TOKEN}-ingest":
            return 401, "no such token"
        for part in asked:
            for event in part["events"]:
                tags = {f"#{name}": value for name, value in part["tags"].items()}
                server.kept.append({**event["attributes"], **tags, "@timestamp": event["timestamp"]})
        return 200, {}
    if path != "/api/v1/repositories/proof/query" or headers["Authorization"] != f"Bearer {TOKEN}":
        return 404, "no such repository"
    assert set(asked) == {"queryString", "start", "end", "isLive"}
    rows = [row for row in server.kept if asked["start"] <= row["@timestamp"] < asked["end"]]
    (result,) = CqlRunner().store(Data("falcon", rows, [None] * len(rows)), "").run(asked["queryString"], [None])
    return 200, result.rows


LOGSCALE = {
    "POLYSIGMA_LOGSCALE_URL": "{url}/",
    "POLYSIGMA_LOGSCALE_REPOSITORY": "proof",
    "POLYSIGMA_LOGSCALE_TOKEN": TOKEN,
    "POLYSIGMA_LOGSCALE_INGEST_TOKEN": f"{TOKEN}-ingest",
}


def splunk(server, path, headers, body):
    """The event collector, and jobs that answer at once."""
    if path == "/services/collector/event":
        assert headers["Authorization"] == f"Splunk {TOKEN}-hec"
        for line in body.splitlines():
            sent = json.loads(line)
            assert set(sent) <= {"time", "host", "source", "sourcetype", "index", "event", "fields"}
            assert all(isinstance(value, str | list) for value in sent["fields"].values())
            meta = {name: sent[name] for name in ("host", "source", "sourcetype", "index") if name in sent}
            server.kept.append({**sent["fields"], **meta, "_time": sent["time"]})
        return 200, {"text": "Success", "code": 0}
    assert path == "/services/search/v2/jobs"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    asked = {name: value[0] for name, value in parse_qs(body).items()}
    assert (asked["exec_mode"], asked["output_mode"], asked["count"]) == ("oneshot", "json", "0")
    rows = [row for row in server.kept if int(asked["earliest_time"]) <= row["_time"] < int(asked["latest_time"])]
    # name::value asks for an indexed field; to the engine here it is a field like any other.
    text = re.sub(r"(polysigma_run)::(\w+)", r'\1="\2"', asked["search"]).removeprefix("search ")
    try:
        (result,) = SplRunner().store(Data("splunk_sysmon", rows, [None] * len(rows)), "").run(text, [None])
    except PolysigmaError as error:
        return 200, {"results": [], "messages": [{"type": "FATAL", "text": str(error)}]}
    return 200, {"results": result.rows, "messages": []}


SPLUNK = {
    "POLYSIGMA_SPLUNK_URL": "{url}",
    "POLYSIGMA_SPLUNK_TOKEN": TOKEN,
    "POLYSIGMA_SPLUNK_HEC_URL": "{url}",
    "POLYSIGMA_SPLUNK_HEC_TOKEN": f"{TOKEN}-hec",
    "POLYSIGMA_SPLUNK_INDEX": "proof",
}
KUSTO = {"POLYSIGMA_KUSTO_URL": "{url}", "POLYSIGMA_KUSTO_DATABASE": "proof"}


def proven(platform, target, names=SCENARIOS):
    files, _ = read_rules(["botnet_node_beaconing"])
    (verdict,) = prove(files, [(platform, target)], scenarios=names).verdicts
    return verdict


@pytest.mark.parametrize(
    ("platform", "target", "answers", "variables", "engine"),
    [
        ("falcon", "logscale", logscale, LOGSCALE, "LogScale"),
        ("fdr", "logscale", logscale, LOGSCALE, "LogScale"),
        ("splunk_sysmon", "spl", splunk, SPLUNK, "Splunk"),
    ],
)
def test_a_detection_is_proven_on_the_server_that_is_named(serve, platform, target, answers, variables, engine):
    server = serve(answers, **variables)
    verdict = proven(platform, target)
    assert not verdict.differences
    assert verdict.engine == engine
    assert sum(case.hits for case in verdict.cases) > 0
    assert server.kept


@pytest.mark.parametrize(
    ("platform", "target", "answers", "variables"),
    [("falcon", "logscale", logscale, LOGSCALE), ("splunk_sysmon", "spl", splunk, SPLUNK)],
)
def test_a_server_that_finds_something_else_is_told(serve, platform, target, answers, variables):
    def forgetful(server, path, headers, body):
        code, answer = answers(server, path, headers, body)
        if isinstance(answer, dict) and answer.get("results") and "BeaconingScore" in answer["results"][0]:
            return code, {**answer, "results": []}
        return code, [] if isinstance(answer, list) and answer and "BeaconingScore" in answer[0] else answer

    serve(forgetful, **variables)
    assert proven(platform, target).status is Status.WRONG


@pytest.mark.parametrize("platform", ["defender", "sentinel", "asim"])
def test_kusto_is_sent_the_rows_of_each_window_with_the_query(serve, platform):
    sent = []

    def answers(_server, path, headers, body):
        assert path == "/v1/rest/query"
        assert "Authorization" not in headers
        asked = json.loads(body)
        assert set(asked) == {"db", "csl"}
        sent.append(asked["csl"])
        columns = [{"ColumnName": "DeviceName", "DataType": "String"}, {"ColumnName": "T", "DataType": "DateTime"}]
        return 200, {"Tables": [{"Columns": columns, "Rows": [["ws-01", "2026-03-02T00:04:17.1430000Z"]]}]}

    serve(answers, **KUSTO)
    verdict = proven(platform, "kql", SCENARIOS[:1])
    assert verdict.engine == "Kusto"
    assert verdict.status is Status.WRONG  # it answers nonsense
    assert sent
    assert sent[0].startswith("let ")
    assert "203.0.113." in sent[0]
    if not unavailable():
        assert validate(sent[0], {"asim": "sentinel_asim"}.get(platform, platform)) == []


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        ('a"b\\c\n', "string", r'"a\"b\\c\n"'),
        (None, "string", '""'),
        (None, "long", "long(null)"),
        ("6667", "int", "int(6667.0)"),
        (6667, "long", "long(6667)"),
        (True, "bool", "true"),
        (["x"], "dynamic", 'dynamic(["x"])'),
        ("2026-03-02T00:04:17.143Z", "datetime", "datetime(2026-03-02T00:04:17.143000+00:00)"),
    ],
)
def test_a_value_for_kusto_is_a_literal_of_its_type(value, kind, written):
    assert kusto._literal(value, kind) == written


@pytest.mark.parametrize(("language", "variable"), VARIABLES.items())
def test_what_is_not_set_beside_the_address_is_named(monkeypatch, language, variable):
    monkeypatch.setenv(variable, "https://siem.example")
    with pytest.raises(PolysigmaError, match="must be set beside"):
        runner(language)


def test_an_address_that_is_none_of_a_server_is_refused(monkeypatch):
    for name, value in {**KUSTO, "POLYSIGMA_KUSTO_URL": "file:///etc/passwd"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PolysigmaError, match="begins with http"):
        runner("kql")


@pytest.mark.parametrize(
    ("answer", "said"),
    [((403, "not for you"), "403 Forbidden: not for you"), ((200, "<html>"), "something other than JSON")],
)
def test_a_server_that_refuses_is_a_difference_with_its_words_and_without_our_tokens(serve, answer, said):
    serve(lambda *_: answer, **LOGSCALE)
    verdict = proven("falcon", "logscale", SCENARIOS[:1])
    assert verdict.status is Status.WRONG
    assert said in str(verdict.differences[0])
    assert TOKEN not in str(verdict.differences[0])


def test_a_server_that_does_not_answer_is_told(serve, monkeypatch):
    server = serve(logscale, **LOGSCALE)
    monkeypatch.setenv("POLYSIGMA_LOGSCALE_URL", "http://127.0.0.1:9")
    assert "cannot be reached" in str(proven("falcon", "logscale", SCENARIOS[:1]).differences[0])
    assert not server.asked


def test_a_data_model_is_not_asked_on_a_server(serve):
    serve(splunk, **SPLUNK)
    assert "data model" in str(proven("splunk_cim", "spl", SCENARIOS[:1]).differences[0])


@pytest.mark.parametrize(("language", "variables"), [("logscale", LOGSCALE), ("spl", SPLUNK), ("kql", KUSTO)])
def test_a_query_with_a_lookup_is_not_asked_on_a_server(serve, language, variables):
    server = serve(lambda *_: (200, {}), **variables)
    data = Data("defender" if language == "kql" else "falcon", [], [], {"known_updaters": ["203.0.113.1"]})
    with pytest.raises(PolysigmaError, match="known_updaters"):
        runner(language).store(data, "search x")
    assert not server.asked


ON_SERVERS = [
    ("falcon", "logscale", "logscale"),
    ("splunk_sysmon", "spl", "spl"),
    ("defender", "kql", "kql"),
    ("sentinel", "kql", "kql"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("platform", "target", "language"), ON_SERVERS)
@pytest.mark.parametrize("name", packaged_names())
def test_every_detection_is_proven_on_a_real_server(platform, target, language, name):
    variable = VARIABLES[language]
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no server: see docs/guide/proof.md")
    files, _ = read_rules([name])
    proof = prove(files, [(platform, target)])
    assert not [str(difference) for verdict in proof.verdicts for difference in verdict.differences]
