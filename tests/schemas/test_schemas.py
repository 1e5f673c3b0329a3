"""The restated vendor schemas."""

from pathlib import Path

import pytest
import yaml

from polysigma.diagnostics import PolysigmaError
from polysigma.plan.types import Type
from polysigma.schemas import known, load

CORPUS = Path(__file__).parents[3] / "shared/data/sigma_rules/rules"


def test_the_platforms_of_the_first_release_are_known():
    assert {"sigma", "sysmon", "fdr", "falcon"} <= set(known())


@pytest.mark.parametrize("name", known())
def test_a_schema_says_where_it_is_from_and_a_column_has_one_type(name):
    schema = load(name)
    assert schema.source
    assert schema.as_of
    types = {}
    for table, columns in schema.tables.items():
        for column, kind in columns.items():
            assert types.setdefault(column, kind) is kind, (table, column)
    for column in schema.time_forms:
        assert types[column] is Type.TIME
    assert (
        not {column for column, kind in types.items() if kind is Type.TIME} - set(schema.time_forms) or name == "sigma"
    )


def test_a_schema_is_read_once():
    assert load("sysmon") is load("sysmon")


def test_an_unknown_schema_lists_the_known_ones():
    with pytest.raises(PolysigmaError, match=r"unknown-schema .*'symson'.* sysmon"):
        load("symson")


def test_an_unknown_table_is_answered_with_the_nearest():
    with pytest.raises(PolysigmaError, match="NetworkConnectIP4"):
        load("fdr").columns("NetworkConectIP4")


def test_a_column_is_typed_in_one_table_in_several_or_in_any():
    fdr = load("fdr")
    assert fdr.type_of("RemotePort", "NetworkConnectIP4") is Type.INTEGER
    assert fdr.type_of("RemoteAddressIP6", "NetworkConnectIP4") is None
    assert fdr.type_of("RemoteAddressIP6", "NetworkConnectIP4", "NetworkConnectIP6") is Type.ADDRESS
    assert fdr.type_of("ContextTimeStamp") is Type.TIME
    assert fdr.type_of("NoSuchColumn") is None


def test_real_falcon_rows_have_no_remote_ip_and_only_the_siem_has_tags():
    for name in ("fdr", "falcon"):
        assert load(name).type_of("RemoteIP", "NetworkConnectIP4") is None
    assert load("fdr").type_of("#event_simpleName") is None
    for column in ("#event_simpleName", "#repo", "@timestamp", "@rawstring", "ComputerName", "event_platform"):
        sensor = [columns for table, columns in load("falcon").tables.items() if table != "firewall"]
        assert all(column in columns for columns in sensor)


def test_the_siem_holds_every_replicated_column():
    for table, columns in load("fdr").tables.items():
        assert columns.items() <= load("falcon").tables[table].items()


def test_sysmon_shapes_place_the_envelope_and_the_event_fields():
    shapes = load("sysmon").shapes
    assert shapes["flat"].path("DestinationIp") == "DestinationIp"
    assert shapes["winlogbeat"].path("DestinationIp") == "winlog.event_data.DestinationIp"
    assert shapes["winlogbeat"].path("Computer") == "winlog.computer_name"
    assert shapes["winlogbeat6"].path("Computer") == "computer_name"
    assert shapes["nxlog"].path("Computer") == "Hostname"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the SigmaHQ corpus is not beside this checkout")
def test_every_field_that_sigmahq_rules_use_in_these_categories_is_known():
    used = {table: set() for table in load("sigma").tables}
    for path in CORPUS.rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        if "service: " not in text and not any(f"category: {table}" in text for table in used):
            continue
        for rule in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            source = rule.get("logsource", {})
            table = source.get("category") or f"{source.get('product')}_{source.get('service')}".replace("-", "_")
            if table in used:
                used[table] |= _fields(rule["detection"])
    for table, fields in used.items():
        assert fields, table
        assert fields - {"Feature_Name"} <= set(load("sigma").tables[table]), table


def _fields(detection):
    found = set()
    pending = [value for key, value in detection.items() if key not in {"condition", "timeframe"}]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            found |= {key.split("|")[0] for key in value} - {""}
    return found
