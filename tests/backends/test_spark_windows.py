"""What Spark refuses and DuckDB does not is printed in another way for Spark."""

from __future__ import annotations

from polysigma.catalog import read_rules
from polysigma.convert import convert


def test_different_values_over_a_window_are_counted_without_distinct_for_spark():
    files, _ = read_rules(["regular_beacon_to_rare_destination"])
    options = {"accept": "blind", "dialect": "spark"}
    *_, done = convert(files, [("sysmon_json", "sql")], options=options)
    text = "".join(done.compiled[0].query.split())
    assert "SIZE(COLLECT_SET(`HostKey`)OVER(PARTITIONBY" in text
    assert "COUNT(DISTINCT`HostKey`)OVER(" not in text
