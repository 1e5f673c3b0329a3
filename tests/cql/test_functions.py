"""The function table is whole and says what the reference says."""

from __future__ import annotations

import pytest

from polysigma.cql.functions import Kind, Presence, Takes, function_facts, functions, near_function, takes_expression


@pytest.mark.parametrize("facts", functions().values(), ids=lambda facts: facts.name)
def test_a_functions_unnamed_parameter_is_one_of_its_parameters(facts) -> None:
    if facts.unnamed not in {None, "*"}:
        assert facts.unnamed in facts.parameters


def test_the_table_knows_kinds_defaults_and_limits() -> None:
    group = functions()["groupBy"]
    assert group.kind is Kind.AGGREGATE
    assert group.unnamed == "field"
    assert group.parameters["limit"].default == "20000"
    assert group.parameters["limit"].maximum == 1_000_000
    assert functions()["cidr"].kind is Kind.FILTER
    assert functions()["neighbor"].kind is Kind.STREAMING
    assert functions()["parseInt"].parameters["radix"].default == "16"
    assert functions()["formatTime"].parameters["as"].presence is Presence.AS
    assert functions()["if"].parameters["then"].takes is Takes.EXPRESSION
    assert "as" not in functions()["collect"].parameters


def test_a_function_has_the_address_of_its_page() -> None:
    assert functions()["ioc:lookup"].page == "https://library.humio.com/data-analysis/functions-ioc-lookup.html"


def test_names_are_found_in_any_case_and_misspelt_ones_by_nearness() -> None:
    assert function_facts("GROUPBY") is functions()["groupBy"]
    assert function_facts("nosuch") is None
    assert near_function("formattime_") == "formatTime"
    assert near_function("qqqqqq") is None


def test_arguments_of_some_functions_are_expressions() -> None:
    assert takes_expression("test", None)
    assert takes_expression("eval", "anything")
    assert not takes_expression("groupBy", None)
    assert not takes_expression("nosuch", None)
