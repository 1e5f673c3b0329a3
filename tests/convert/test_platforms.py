"""Which platforms and targets a name stands for."""

from __future__ import annotations

import pytest

from polysigma.convert import compile_rule, pairs, platforms
from polysigma.diagnostics import PolysigmaError


def test_without_a_name_every_platform_is_meant_once_with_its_usual_target():
    found = pairs((), None)
    assert [name for name, _ in found] == list(platforms())
    assert dict(found)["falcon"] == "logscale"


def test_a_target_alone_means_the_platforms_that_it_serves():
    assert {name for name, _ in pairs((), "kql")} == {"defender", "sentinel", "asim"}


def test_sentinel_asim_is_our_platform_here_though_pysigma_knows_another_pipeline_of_that_name():
    assert pairs(["sentinel_asim"], None) == [("asim", "kql")]
    compiled = compile_rule("botnet_node_beaconing", "sentinel_asim", "kql")
    assert "Microsoft Sentinel (ASIM)" in compiled.query


@pytest.mark.parametrize(
    ("names", "target", "message"),
    [
        (["falcn"], None, "did you mean falcon"),
        (["falcon"], "kql", "is not served by the target 'kql'"),
        ([], "eql", "no platform is served by the target 'eql'"),
    ],
)
def test_a_name_that_is_not_known_is_refused_with_a_hint(names, target, message):
    with pytest.raises(PolysigmaError, match=message):
        pairs(names, target)
