"""Every claim is held against what vendors document (polysigma.schemas), the taxonomy, and the expression language."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from polysigma import schemas
from polysigma.claims import FieldClaim, Logsource
from polysigma.diagnostics import PolysigmaError
from polysigma.fidelity import FidelityLevel, Loss
from polysigma.plan.expressions import Constant, columns
from polysigma.plan.parser import parse_expression
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, infer
from polysigma.refusals import RefusalCode
from polysigma.schemas import TimeForm
from sigma.pipelines.polysigma import pipelines, platform
from sigma.pipelines.polysigma.claims import load_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polysigma.claims import CategoryClaim, HostClaim
    from polysigma.platform import Platform

CATEGORIES = [(name, category) for name in pipelines for category in platform(name).categories]


@pytest.fixture(params=CATEGORIES, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def claimed(request: pytest.FixtureRequest) -> tuple[Platform, CategoryClaim]:
    name, category = request.param
    return platform(name), platform(name).categories[category]


def types_of(claims: Platform, category: CategoryClaim) -> dict[str, Type]:
    """The recorded columns of a category, each of its derived columns typed by inference."""
    types = dict(schemas.load(claims.schema_name).columns(*category.tables))
    wanted = category.derived_names | {key for host in hosts_of(claims, category) for key in host.key}
    queue = sorted(wanted & claims.derived.keys())
    while queue:
        name = queue.pop()
        expression = parse_expression(claims.derived[name].expression)
        missing = [column for column in columns(expression) if column in claims.derived and column not in types]
        if missing:
            queue += [name, *missing]  # a derived column may be made of others
        elif name not in types:
            kind = infer(expression, Scope(types, {})).type
            types |= {name: kind} if kind else {}
    return types


def hosts_of(claims: Platform, category: CategoryClaim) -> list[HostClaim]:
    """What may be claimed about the host of an event of the category."""
    own = [category.host or claims.host]
    return own + [variant.host for variant in category.variants if variant.host]


def columns_named_by(claim: FieldClaim) -> Iterator[str]:
    if claim.column:
        yield claim.column
    if claim.inside:
        yield claim.inside.column
    yield from claim.recorded
    for event in (claim.choices or {}).values():
        yield from event


def test_every_column_that_a_claim_names_is_in_the_schema(claimed):
    claims, category = claimed
    known = types_of(claims, category)
    named = {column for _, claim in category.claims for column in columns_named_by(claim)}
    named |= {column for event in category.told_by for column in event}
    named |= {column for host in hosts_of(claims, category) for column in (*host.key, host.label) if column}
    if any(logsource.product for logsource in category.logsources):
        named |= {column for event in claims.products.values() for column in event}
    assert named - known.keys() == set()


def test_every_table_that_a_claim_names_is_in_the_schema(claimed):
    claims, category = claimed
    assert set(category.tables) <= schemas.load(claims.schema_name).tables.keys()


def test_the_event_filter_names_the_tables(claimed):
    claims, category = claimed
    if claims.targets[0] == "kql":
        return  # a KQL query starts with the table
    named = {column: set(values) for column, values in category.event.items()}
    for column, values in (item for variant in category.variants for item in variant.event.items()):
        named.setdefault(column, set()).update(values)
    assert set(category.tables) in named.values()


def table_of(category: CategoryClaim) -> str:
    """The taxonomy's table of the fields of a category."""
    (logsource, *_) = category.logsources
    return logsource.category or f"{logsource.product}_{logsource.service}".replace("-", "_")


def test_every_field_of_the_taxonomy_is_claimed(claimed):
    _, category = claimed
    assert schemas.load("sigma").tables[table_of(category)].keys() - category.fields.keys() == set()


def test_every_field_of_the_taxonomy_keeps_its_type(claimed):
    """A value that Sigma compares as an address or a number is compared as one on the platform too, if not spelled
    otherwise there."""
    claims, category = claimed
    known = types_of(claims, category)
    taxonomy = schemas.load("sigma").columns(table_of(category))
    for field, claim in category.claims:
        as_it_is = claim.name and claim.form != "own_id" and not claim.values
        if as_it_is and taxonomy.get(field) in {Type.ADDRESS, Type.INTEGER, Type.BOOLEAN}:
            assert known[claim.name] == taxonomy[field], field


def test_derived_columns_are_well_typed_and_hide_no_column_of_the_platform(claimed):
    claims, category = claimed
    recorded = schemas.load(claims.schema_name).columns(*category.tables)
    assert category.derived_names.isdisjoint(recorded)
    assert category.derived_names <= types_of(claims, category).keys()


def test_recorded_columns_are_among_those_that_the_derived_column_reads(claimed):
    claims, category = claimed
    for _, claim in category.claims:
        if claim.recorded:
            assert set(claim.recorded) <= set(columns(parse_expression(claims.derived[claim.derived].expression)))


def test_time_is_a_time(claimed):
    claims, category = claimed
    time = category.time or claims.time
    known = types_of(claims, category)
    # The expression reads what is on the wire: seconds, milliseconds or text.
    forms = schemas.load(claims.schema_name).time_forms
    read_as = {TimeForm.UTC_TEXT: Type.TEXT, TimeForm.DATETIME: Type.TIME}
    wire = {column: read_as.get(form, Type.REAL) for column, form in forms.items()}
    assert infer(parse_expression(time.expression), Scope({**known, **wire}, {})).type is Type.TIME
    assert time.search_column in known


def test_a_time_is_read_in_the_form_that_the_schema_says(claimed):
    claims, category = claimed
    forms = schemas.load(claims.schema_name).time_forms
    readers = {
        TimeForm.EPOCH_SECONDS: "time_from_seconds",
        TimeForm.EPOCH_MILLISECONDS: "time_from_milliseconds",
        TimeForm.UTC_TEXT: "time_from_text",
    }
    expression = (category.time or claims.time).expression
    for column in columns(parse_expression(expression)):
        if forms[column] is not TimeForm.DATETIME:
            assert f"{readers[forms[column]]}({column})" in expression


def test_a_weight_is_a_whole_number_that_is_never_missing(claimed):
    claims, category = claimed
    known = types_of(claims, category)
    for counting in category.countings:
        weight = parse_expression(counting.weight)
        assert infer(weight, Scope(known, {})).type is Type.INTEGER
        assert weight.arguments[-1] == Constant(1)
        assert set(counting.event) <= known.keys()


def test_what_a_platform_carries_is_recorded_in_every_table(claimed):
    claims, category = claimed
    for table in category.tables:
        assert set(claims.carry) <= schemas.load(claims.schema_name).tables[table].keys()


def test_values_are_spelled_as_the_column_is_typed(claimed):
    claims, category = claimed
    known = types_of(claims, category)
    for field, claim in category.claims:
        for value in (claim.values or {}).values():
            assert isinstance(value, int) == known[claim.name].is_number, field
        assert all(key == key.lower() for key in (*(claim.values or {}), *(claim.choices or {}))), field


def test_a_refusal_gives_a_code_a_reason_and_its_source(claimed):
    claims, category = claimed
    for _, claim in category.claims:
        if claim.refused:
            assert claim.reason
            assert claim.source
    assert all(refused.reason and refused.source for refused in claims.refused_logsources)


def test_fdr_is_falcon_with_other_names_for_the_event_type_and_the_arrival():
    falcon, fdr = platform("falcon"), platform("fdr")
    assert fdr.categories.keys() == falcon.categories.keys() - {"firewall"}
    assert "#event_simpleName" not in repr(fdr)
    assert "@timestamp" not in repr(fdr)
    assert fdr.categories["network_connection"].event == {
        "event_simpleName": falcon.categories["network_connection"].event["#event_simpleName"]
    }
    assert fdr.derived["RemoteAddress"] == falcon.derived["RemoteAddress"]


def test_a_rule_that_leaves_its_product_open_is_claimed_for_every_product():
    scope = platform("falcon").scope(Logsource(category="network_connection"))
    assert scope is not None
    assert "event_platform" not in scope.event


def test_a_service_must_be_claimed_by_name():
    claims = platform("sysmon_json")
    assert claims.scope(Logsource(category="process_creation", product="windows", service="sysmon"))
    assert claims.scope(Logsource(category="process_creation", product="windows", service="security")) is None


def test_a_rule_that_requires_a_direction_gets_the_claims_of_that_direction():
    falcon, logsource = platform("falcon"), Logsource(category="network_connection", product="windows")
    outbound = falcon.scope(logsource, {"Initiated": "true"})
    inbound = falcon.scope(logsource, {"Initiated": "false"})
    either = falcon.scope(logsource)
    assert [scope.fields["DestinationIp"].name for scope in (outbound, inbound, either)] == [
        "RemoteAddress",
        "LocalAddress",
        "DestinationAddress",
    ]


def test_counting_dns_requests_on_falcon_is_blind_and_looking_for_one_is_not():
    scope = platform("falcon").scope(Logsource(category="dns_query", product="windows"))
    assert [loss.level for loss in scope.losses(counts=True)] == [FidelityLevel.BLIND]
    assert scope.losses(counts=False) == ()


def test_a_field_brings_its_own_loss_once_and_after_the_worse_ones():
    scope = platform("falcon").scope(Logsource(category="dns_query", product="windows"))
    levels = [loss.level for loss in scope.losses(counts=True, fields=["Image", "Image", "QueryName"])]
    assert levels == [FidelityLevel.BLIND, FidelityLevel.APPROXIMATE]


MINIMAL = """
id: small
title: Small
targets: [sql]
schema_name: sysmon
time: {expression: time_from_text(UtcTime), search_column: UtcTime, endpoint_clock: true}
host: {field: Computer, key: [Computer], label: null}
categories:
    dns_query:
        logsources: [{category: dns_query}]
        tables: ['22']
        event: {EventID: ['22']}
        source: here
        fields:
            QueryName: {column: QueryName, source: here}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ("{column: QueryName, derived: Other, source: here}", "exactly one"),
        ("{source: here}", "exactly one"),
        ("{refused: not-recorded, source: here}", "needs a reason"),
        ("{derived: Nowhere, source: here}", "not declared"),
        ("{choices: {a: {b: [c]}}, form: nt_path, source: here}", "goes with `column`"),
        ("{hashes: {MD5: md5}, source: here}", "nothing is claimed"),
        ("{column: QueryName, sauce: here}", "QueryName: sauce is unknown, source is missing"),
        ("{column: 7, source: here}", "QueryName.column: is 7, and should be str"),
        ("{derived: D, recorded: [A, 1], source: here}", "QueryName.recorded.1: is 1, and should be str"),
        ("{derived: D, recorded: A, source: here}", "QueryName.recorded: should be a list"),
        ("{column: QueryName, form: path, source: here}", "form: is 'path', and should be one of nt_path, base_name"),
        ("{column: QueryName, values: {a: [b]}, source: here}", "values.a: is .'b'., and should be str or int"),
        ("{column: QueryName, values: {1: b}, source: here}", "values: has the key 1, which is no text"),
        ("{column: QueryName, loss: {level: exact, reason: too long to say}, source: here}", "approximate, blind"),
        ("{column: QueryName, loss: {level: blind, reason: short}, source: here}", "loss: `reason` is too short"),
        ("{refused: no, reason: because it is so, source: here}", "refused: is False, and should be one of"),
        ("[column, QueryName]", "QueryName: should be a map"),
    ],
)
def test_a_claim_that_does_not_hold_together_is_named(tmp_path, instead, message):
    path = written(tmp_path, "small", MINIMAL.replace("{column: QueryName, source: here}", instead))
    with pytest.raises(PolysigmaError, match=message) as caught:
        load_platform(path)
    assert caught.value.findings[0].file == str(path)


def test_a_fault_in_a_claim_is_found_at_its_line(tmp_path):
    path = written(tmp_path, "small", MINIMAL.replace("tables: ['22']", "tables: ['22', 3]"))
    with pytest.raises(PolysigmaError, match=r"dns_query\.tables\.1: is 3") as caught:
        load_platform(path)
    line = MINIMAL.splitlines().index("        tables: ['22']") + 1
    assert caught.value.findings[0].at.line == line


def test_claims_are_read_without_pydantic_which_takes_longer_to_import_than_they_to_read():
    script = "import sys; from sigma.pipelines.polysigma import platform; platform('falcon'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "polysigma.platform" in done.stdout.split()
    assert "pydantic" not in done.stdout.split()


def test_claims_may_extend_others_rename_columns_and_take_claims_away(tmp_path):
    written(tmp_path, "small", MINIMAL)
    path = written(
        tmp_path,
        "other",
        "extends: small\nid: other\nrename: {UtcTime: When}\n"
        "categories: {dns_query: {fields: {QueryName: null, Image: {column: Image, source: here}}}}\n",
    )
    other = load_platform(path)
    assert other.time.expression == "time_from_text(When)"
    assert other.categories["dns_query"].fields == {"Image": FieldClaim(column="Image", source="here")}
    assert other.categories["dns_query"].event == {"EventID": ("22",)}


def test_claims_that_extend_themselves_are_an_error(tmp_path):
    path = written(tmp_path, "small", f"extends: small\n{MINIMAL}")
    with pytest.raises(PolysigmaError, match="extends itself"):
        load_platform(path)


def test_codes_and_levels_are_documented_words():
    assert {code.value for code in RefusalCode} >= {"not-recorded", "not-comparable", "unverified", "path-not-recorded"}
    assert Loss(level=FidelityLevel.BLIND, reason="because it is").level == "blind"
