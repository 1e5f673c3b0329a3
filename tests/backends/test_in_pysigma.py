"""How our targets behave inside pySigma and sigma-cli: discovery, options, errors, chains, other people's backends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.plugins import InstalledSigmaPlugins
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from sigma.backends.polysigma import LogScaleBackend, SqlBackend
from sigma.pipelines.polysigma import falcon, fdr, splunk_sysmon, sysmon_json

SIGMA = Path(sys.executable).with_name("sigma")
GOLDENS = Path(__file__).parent / "goldens"


def golden(name: str) -> str:
    return (GOLDENS / name).read_text()


# Discovery.


@pytest.mark.parametrize(
    ("what", "ours", "official"),
    [
        ("targets", {"logscale", "sql"}, {"splunk", "kusto"}),
        ("pipelines", {"falcon", "fdr", "sysmon_json"}, {"splunk_windows", "microsoft_xdr"}),
    ],
)
def test_sigma_lists_ours_beside_the_official_ones(what, ours, official):
    done = subprocess.run(
        [SIGMA, "list", what], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"}
    )
    listed = {word for line in done.stdout.splitlines() for word in line.replace("|", " ").split()}
    assert ours | official <= listed


def test_the_correlation_methods_are_listed():
    done = subprocess.run([SIGMA, "list", "correlation-methods", "sql"], capture_output=True, text=True, check=True)
    assert {"staged", "portable"} <= set(done.stdout.replace("|", " ").split())


def test_loading_the_plug_ins_imports_nothing_heavy():
    script = (
        "import sys, json, sigma.collection, sigma.conversion.base, sigma.processing.pipeline, sigma.correlations\n"
        "before = set(sys.modules)\n"
        "import sigma.backends.polysigma, sigma.pipelines.polysigma\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    new = set(json.loads(done.stdout))
    outside = {name.split(".")[0] for name in new} - {"sigma", "polysigma", *sys.stdlib_module_names}
    assert outside == set()
    # Of our own, what is light: neither the models of claims and maps, nor a printer of SQL.
    assert not new & {"polysigma.platform", "polysigma.plan.metadata", "sigma.backends.polysigma.sql"}


def test_pysigma_resolves_our_backends_by_their_identifiers():
    found = InstalledSigmaPlugins.autodiscover().backends
    assert found["logscale"] is LogScaleBackend
    assert found["sql"] is SqlBackend


# Options.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"form": "alert"}, "'form=alert'.*hunt or rule"),
        ({"form": ["hunt", "rule"]}, "'form'.*one value"),
        ({"accept": "everything"}, "'accept=everything'.*blind"),
        ({"dialect": "oracle"}, "'dialect=oracle'.*duckdb, spark"),
        ({"table": "a; DROP TABLE b"}, "'table=a; DROP TABLE b'.*table name"),
        ({"table": ["a", "b"]}, "'table'.*one value"),
        ({"set": "min_connections"}, "'set=min_connections'.*rule.parameter=value"),
    ],
)
def test_an_option_that_is_not_known_or_not_good_is_refused_as_sigma_cli_expects(options, said):
    # sigma-cli shows what stands between the first quotes.
    with pytest.raises(TypeError, match=said):
        SqlBackend(sysmon_json(), **options)


def test_sql_options_are_none_of_logscale():
    with pytest.raises(TypeError, match="'table'"):
        LogScaleBackend(falcon(), table="events")


@pytest.mark.parametrize("option", ["colour=red", "form=alert", "table=a b"])
def test_sigma_convert_says_which_option_is_wrong(option, tmp_path):
    rule = tmp_path / "rule.yml"
    rule.write_text(golden("contains.yml"))
    done = subprocess.run(
        [SIGMA, "convert", "-t", "sql", "-p", "sysmon_json", "-O", option, rule],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert option.split("=", maxsplit=1)[0] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("given", ["botnet_node_beaconing.min_connections=41", "min_connections=41"])
def test_a_parameter_is_overridden_by_its_rule_or_by_its_bare_name(convert, beaconing, given):
    (sql,) = convert(beaconing, "sql", "sysmon_json", set=given)
    (cql,) = convert(beaconing, "logscale", "falcon", set=[given, "min_active_hours=5"])
    assert '"TotalConnections" >= 41' in sql
    assert "TotalConnections >= 41" in cql
    assert "ActiveHours >= 5" in cql


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("min_connection=41", "no rule here has this parameter"),
        ("another.min_connections=41", "no rule here has this parameter"),
        ("min_connections=many", "takes a number"),
        ("min_connections=1e300", "out of range"),
        ("watched_ports=80,http", "takes a number"),
    ],
)
def test_an_override_that_fits_no_parameter_is_refused(convert, beaconing, given, said):
    with pytest.raises(SigmaError, match=said):
        convert(beaconing, "sql", "sysmon_json", set=given)


def test_a_bare_name_that_two_rules_have_asks_for_the_rule(convert, beaconing):
    other = beaconing.replace("name: botnet_node_beaconing", "name: other").replace(
        "5a1d3a52-2a0f-4a4e-8f62-6f0de4a8a9c1", "5a1d3a52-2a0f-4a4e-8f62-6f0de4a8a9c2"
    )
    both = beaconing + "\n---\n" + other.partition("\n---\n")[2]
    with pytest.raises(SigmaError, match="several rules have it"):
        convert(both, "sql", "sysmon_json", set="min_connections=41")
    first, second = convert(both, "sql", "sysmon_json", set="other.min_connections=41")
    assert '"TotalConnections" >= 20' in first
    assert '"TotalConnections" >= 41' in second


# What is refused, and what is skipped.


def test_a_conversion_without_a_pipeline_of_ours_says_which_one_to_add():
    for pipeline in (None, ProcessingPipeline()):
        with pytest.raises(SigmaError, match=r"-p falcon"):
            LogScaleBackend(pipeline).convert(SigmaCollection.from_yaml(golden("contains.yml")))
    with pytest.raises(SigmaError, match=r"-p sysmon_json"):
        SqlBackend().convert(SigmaCollection.from_yaml(golden("event_count.yml")))


def test_a_pipeline_of_another_target_is_refused_with_those_that_it_serves(convert):
    with pytest.raises(SigmaError, match="sysmon_json serves sql"):
        convert(golden("contains.yml"), "logscale", "sysmon_json")


UNSAYABLE = golden("temporal_ordered.yml") + "    condition: {lte: 1}\n"
SAYABLE = golden("event_count.yml").partition("---\n")[2]  # over a rule that is in the other file, too


def test_what_cannot_be_said_is_skipped_when_errors_are_collected_correlations_too():
    backend = SqlBackend(sysmon_json(), collect_errors=True)
    keyword = golden("contains.yml").replace("CommandLine|contains: invoke-webrequest", "- just words")
    collection = SigmaCollection.from_yaml(f"{keyword}\n---\n{UNSAYABLE}\n---\n{SAYABLE}")
    queries = backend.convert(collection)
    assert [query for query in queries if "EventCount" in query]
    assert len([query for query in queries if query]) == 1
    assert {rule.title for rule, _ in backend.errors} == {"Contains", "First the name, then the connection"}
    assert all(isinstance(error, SigmaError) for _, error in backend.errors)


def test_a_correlation_over_a_rule_that_was_refused_is_refused_with_it():
    backend = SqlBackend(sysmon_json(), collect_errors=True)
    broken = golden("event_count.yml").replace("DestinationIp|cidr: 203.0.113.0/24", "ParentImage: x")
    assert [query for query in backend.convert(SigmaCollection.from_yaml(broken)) if query] == []
    assert len(backend.errors) == 2


def test_sigma_convert_skips_and_says_so(tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text(f"{UNSAYABLE}\n---\n{SAYABLE}")
    command = [SIGMA, "convert", "-t", "sql", "-p", "sysmon_json"]
    failed = subprocess.run([*command, rules], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "temporal_ordered asks for some or all" in failed.stderr
    assert "Traceback" not in failed.stderr
    skipped = subprocess.run([*command, "-s", rules], capture_output=True, text=True, check=False)
    assert skipped.returncode == 0
    assert "EventCount" in skipped.stdout
    assert "temporal_ordered asks for some or all" in skipped.stderr


def test_a_combination_that_the_platform_is_blind_to_fails_unless_it_is_accepted(convert):
    rule = golden("event_count.yml").replace("network_connection", "dns_query")
    rule = rule.replace("Initiated: 'true'\n", "").replace("DestinationIp|cidr: 203.0.113.0/24", "QueryName: a.example")
    rule = rule.replace("- DestinationIp", "- QueryName")
    with pytest.raises(SigmaError, match=r"is blind to it.*accept=blind"):
        convert(rule, "logscale", "falcon")
    (query,) = convert(rule, "logscale", "falcon", accept="blind")
    assert "// blind: " in query


# Correlations.


def test_the_inner_queries_of_a_chain_are_no_output(convert):
    assert len(convert(golden("chain.yml"), "sql", "sysmon_json")) == 1
    assert len(convert(golden("chain.yml"), "logscale", "falcon")) == 1


def test_a_rule_that_asks_to_be_output_is(convert):
    generating = golden("event_count.yml").replace("timespan: 10m", "generate: true\n    timespan: 10m")
    plain, correlated = convert(generating, "sql", "sysmon_json")
    assert "EventCount" not in plain
    assert "EventCount" in correlated


def test_the_portable_form_has_no_steps_of_the_map(convert, beaconing):
    (portable,) = convert(beaconing, "logscale", "falcon", method="portable")
    (staged,) = convert(beaconing, "logscale", "falcon")
    assert "EventCount >= 20" in portable
    assert "BeaconingScore" not in portable
    assert "BeaconingScore" in staged


def test_a_hunt_says_its_window_and_a_rule_leaves_it_to_the_scheduler(convert, beaconing):
    for target, pipeline, window in (("logscale", "falcon", "setTimeInterval"), ("sql", "fdr", "NOW()")):
        (hunt,) = convert(beaconing, target, pipeline)
        (rule,) = convert(beaconing, target, pipeline, form="rule")
        assert window in hunt
        assert window not in rule


def test_a_backend_converts_twice_and_both_times_the_same(beaconing):
    backend = LogScaleBackend(falcon())
    first = backend.convert(SigmaCollection.from_yaml(beaconing))
    second = backend.convert(SigmaCollection.from_yaml(beaconing))
    assert first == second
    assert len(first) == 1


def test_a_single_rule_converts_without_a_collection():
    (query,) = SqlBackend(sysmon_json()).convert_rule(SigmaRule.from_yaml(golden("contains.yml")), "default")
    assert "invoke-webrequest" in query


def test_output_formats_and_methods_that_do_not_exist_are_refused(beaconing):
    with pytest.raises(SigmaError, match="output format"):
        LogScaleBackend(falcon()).convert(SigmaCollection.from_yaml(beaconing), "xml")
    with pytest.raises(SigmaError, match="correlation method"):
        LogScaleBackend(falcon()).convert(SigmaCollection.from_yaml(beaconing), correlation_method="sliding")


def test_a_condition_for_each_of_several_conditions(convert):
    several = golden("one_of.yml").replace(
        "condition: 1 of selection_* and not 1 of filter_main_*",
        "condition:\n        - selection_powershell\n        - selection_certutil",
    )
    first, second = convert(several, "sql", "sysmon_json")
    assert "powershell" in first
    assert "certutil" in second


# Other people's backends and pipelines.


def test_the_official_splunk_backend_works_with_our_pipeline():
    backend = SplunkBackend(splunk_sysmon())
    (query,) = backend.convert(SigmaCollection.from_yaml(golden("all.yml")))
    assert "vssadmin" in query
    assert 'EventCode="1"' in query


def test_a_pipeline_of_the_user_s_own_may_come_before_ours(convert):
    mine = ProcessingPipeline.from_yaml(
        """
        name: mine
        priority: 5
        transformations:
            - type: field_name_mapping
              mapping: {Kommando: CommandLine}
        """
    )
    rule = golden("contains.yml").replace("CommandLine|contains", "Kommando|contains")
    (query,) = SqlBackend(mine + sysmon_json()).convert(SigmaCollection.from_yaml(rule))
    assert '"CommandLine"' in query


def test_filters_of_sigma_s_own_kind_apply(convert):
    exclusion = """
title: Not from here
logsource:
    category: process_creation
    product: windows
filter:
    rules: any
    selection:
        Image|endswith: '\\updater.exe'
    condition: not selection
"""
    (query,) = convert(golden("contains.yml") + "\n---" + exclusion, "sql", "sysmon_json")
    assert "updater.exe" in query
    assert "NOT COALESCE(" in query


@pytest.mark.parametrize("make", [falcon, fdr])
def test_every_pipeline_of_a_target_gives_the_event_filter(make: Any):
    (query,) = LogScaleBackend(make()).convert(SigmaCollection.from_yaml(golden("contains.yml")))
    assert "event_simpleName" in query
    assert "ProcessRollup2" in query


def test_a_query_does_not_hang_on_the_order_of_sets():
    command = [SIGMA, "convert", "-t", "spl", "-p", "splunk_cim", GOLDENS / "aliases.yml"]
    made = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(made) == 1
