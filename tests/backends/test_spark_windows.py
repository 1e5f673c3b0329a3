"""What Spark refuses and DuckDB does not is printed in another way for Spark."""

from __future__ import annotations

import pytest

from polysigma.catalog import read_rules
from polysigma.convert import convert


def test_different_values_over_a_window_are_counted_without_distinct_for_spark():
    files, _ = read_rules(["regular_beacon_to_rare_destination"])
    options = {"accept": "blind", "dialect": "spark"}
    *_, done = convert(files, [("sysmon_json", "sql")], options=options)
    text = "".join(done.compiled[0].query.split())
    assert "SIZE(COLLECT_SET(`HostKey`)OVER(PARTITIONBY" in text
    assert "COUNT(DISTINCT`HostKey`)OVER(" not in text


@pytest.mark.parametrize(
    ("rule", "dialect", "said"),
    [
        ("regular_beacon_to_rare_destination", "spark", True),
        ("regular_beacon_to_rare_destination", "duckdb", False),
        ("botnet_node_beaconing", "spark", False),
    ],
)
def test_a_query_in_more_steps_than_spark_resolves_says_what_to_set(rule, dialect, said):
    files, _ = read_rules([rule])
    *_, done = convert(files, [("sysmon_json", "sql")], options={"accept": "blind", "dialect": dialect})
    assert ("-- needs: spark.sql.analyzer.maxIterations" in done.compiled[0].query) is said
