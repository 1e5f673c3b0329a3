"""What is printed for Spark finds on Spark what the rule says, where PySpark and a Java are installed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polysigma.catalog import packaged_names, read_rules
from polysigma.diagnostics import PolysigmaError
from polysigma.engines.runners import runner
from polysigma.engines.runners.spark import SparkRunner
from polysigma.prove import Status, perform, prove
from polysigma.prove.prepare import prepare
from polysigma.telemetry import SCENARIOS, load_scenarios
from polysigma.tuning import apply, read_tuning

UNAVAILABLE = SparkRunner().unavailable()
on_spark = pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "Spark is here")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # py4j leaves its sockets to the garbage collector

ON_EVENTS = [("sysmon_json", "sql")]


def telling(folder):
    """The names of the smallest scenario with a hit, and of one with a miss, without any hit where there is such."""
    scenarios = sorted(load_scenarios(folder / SCENARIOS), key=lambda one: (len(one.hosts), one.span))
    with_hit = next(one.name for one in scenarios if one.hit)
    with_miss = min((one for one in scenarios if one.miss), key=lambda one: bool(one.hit)).name
    return list(dict.fromkeys((with_hit, with_miss)))


@pytest.mark.slow
@on_spark
@pytest.mark.parametrize("name", packaged_names())
def test_every_detection_is_proven_on_spark(name):
    files, _ = read_rules([name])
    proof = prove(files, ON_EVENTS, dialect="spark", scenarios=telling(files[0].path.parent))
    assert not proof.findings
    assert proof.holds
    for verdict in proof.verdicts:
        if verdict.fidelity is Status.REFUSED:
            pytest.skip(f"Sysmon: {verdict.reasons[0]}")
        assert verdict.engine == "Spark"
        assert any(case.hits for case in verdict.cases)


@pytest.mark.slow
@on_spark
def test_a_wrong_query_for_spark_is_told():
    files, _ = read_rules(["botnet_node_beaconing"])
    detections, _ = prepare(files, ON_EVENTS, names=["nineteen_connections"], settings={"dialect": "spark"})
    (trial,) = detections[0].benches[0].trials
    assert perform(trial).mismatch is None
    assert ">= 20" in trial.text
    assert perform(replace(trial, text=trial.text.replace(">= 20", ">= 19"))).mismatch is not None


@pytest.mark.slow
@on_spark
def test_a_lookup_leaves_out_on_spark_what_it_names(tmp_path):
    (tmp_path / "known.csv").write_text("DestinationIp\n203.0.113.10\n", encoding="utf-8")
    tuning = tmp_path / "tuning.yaml"
    tuning.write_text(
        "- detection: botnet_node_beaconing\n  exclude:\n    - via: lookup\n      file: known.csv\n"
        "      field: DestinationIp\n      reason: the service that hosts monitor, confirmed by its owner\n"
        "      owner: network-team\n      expires: 2099-12-31\n",
        encoding="utf-8",
    )
    files, _ = read_rules(["botnet_node_beaconing"])
    tuned = apply(files, read_tuning(str(tuning)))
    settings = {**tuned.options(), "dialect": "spark"}
    detections, _ = prepare(list(tuned.files), ON_EVENTS, names=["twenty_connections"], settings=settings)
    (trial,) = detections[0].benches[0].trials
    outcome = perform(trial)
    assert (outcome.error, outcome.mismatch) == (None, None)
    assert "polysigma_" in trial.text
    plain, _ = prepare(files, ON_EVENTS, names=["twenty_connections"], settings={"dialect": "spark"})
    (untuned,) = plain[0].benches[0].trials
    assert len(outcome.hits) < len(perform(untuned).hits)


@pytest.mark.slow
@on_spark
def test_spark_refuses_what_is_not_its_sql_or_names_no_column_of_the_schema():
    spark = SparkRunner()
    (unread,) = spark.findings("SELECT count(*", "sysmon")
    assert unread.code == "sql-syntax"
    (unknown,) = spark.findings("SELECT Nothing FROM events", "sysmon")
    assert "Nothing" in unknown.message
    assert spark.findings("SELECT Image FROM events", "sysmon") == []


def test_without_pyspark_or_java_it_is_said_what_is_missing(monkeypatch):
    monkeypatch.setattr("polysigma.engines.runners.spark.find_spec", lambda _name: None)
    with pytest.raises(PolysigmaError, match=r"polysigma\[spark\]"):
        runner("spark")
    monkeypatch.setattr("polysigma.engines.runners.spark.find_spec", lambda _name: object())
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(PolysigmaError, match="Java 17"):
        runner("spark")


def test_duckdb_is_the_dialect_that_is_run_where_none_is_named():
    files, _ = read_rules(["botnet_node_beaconing"])
    (named,) = prove(
        files, ON_EVENTS, dialect="duckdb", scenarios=["twenty_connections", "nineteen_connections"]
    ).verdicts
    (unnamed,) = prove(files, ON_EVENTS, scenarios=["twenty_connections", "nineteen_connections"]).verdicts
    assert (named.engine, named.status) == ("DuckDB", unnamed.status)


def test_what_cannot_be_run_on_spark_is_not_taken_for_proven(monkeypatch):
    monkeypatch.setattr("polysigma.engines.runners.spark.find_spec", lambda _name: None)
    files, _ = read_rules(["botnet_node_beaconing"])
    (verdict,) = prove(files, ON_EVENTS, dialect="spark").verdicts
    assert verdict.fidelity is Status.NOT_EXECUTED
    assert "polysigma[spark]" in verdict.reasons[0]
