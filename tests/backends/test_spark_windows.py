"""What Spark refuses and DuckDB does not is printed in another way for Spark."""

from __future__ import annotations

import pytest

from polysigma.catalog import read_rules, rules_root
from polysigma.convert import convert


def test_different_values_over_a_window_are_counted_without_distinct_for_spark():
    files, _ = read_rules(["regular_beacon_to_rare_destination"])
    options = {"accept": "blind", "dialect": "spark"}
    *_, done = convert(files, [("sysmon_json", "sql")], options=options)
    text = "".join(done.compiled[0].query.split())
    assert "SIZE(COLLECT_SET(`HostKey`)OVER(PARTITIONBY" in text
    assert "COUNT(DISTINCT`HostKey`)OVER(" not in text


@pytest.mark.parametrize(
    ("steps", "dialect", "said"), [(70, "spark", True), (70, "duckdb", False), (1, "spark", False)]
)
def test_a_query_in_more_steps_than_spark_resolves_says_what_to_set(steps, dialect, said, tmp_path):
    rule = (rules_root() / "telnet_ssh_spray" / "rule.yml").read_text(encoding="utf-8")
    head, mark, rest = rule.partition("    steps:\n")
    added = ["P0: DestinationPort", *(f"P{number + 1}: P{number} + 1" for number in range(steps))]
    longer = tmp_path / "rule.yml"
    longer.write_text(head + mark + "".join(f"        - derive: {{{one}}}\n" for one in added) + rest, encoding="utf-8")
    files, _ = read_rules([str(longer)])
    *_, done = convert(files, [("sysmon_json", "sql")], options={"accept": "blind", "dialect": dialect})
    assert ("-- needs: spark.sql.analyzer.maxIterations" in done.compiled[0].query) is said
