"""The rows that are made for mutants: no more than are needed, and every branch of a condition met, and all but met."""

from copies import fewest
from opened import Opened
from plan_values import values
from probes import probes
from ways import met, variations, ways

from polysigma.plan.expressions import (
    TRUE,
    And,
    Call,
    Column,
    Comparison,
    Constant,
    Exists,
    In,
    ListLiteral,
    Not,
    Or,
    TextMatch,
    Wildcard,
)
from polysigma.plan.steps import Derive, Group, Measure, Plan, Source
from polysigma.plan.types import Type

TASK = And(
    (
        TextMatch(Column("Image"), (Wildcard.ANY, "\\schtasks.exe")),
        TextMatch(Column("CommandLine"), (Wildcard.ANY, " /create", Wildcard.ANY)),
    )
)
CRON = TextMatch(Column("Image"), (Wildcard.ANY, "/crontab"))
LISTED = And((TextMatch(Column("CommandLine"), (Wildcard.ANY, " -l", Wildcard.ANY)), CRON))
CONDITION = And((Or((TASK, CRON)), Not(LISTED)))
NAMES = {"Image": ["Image"], "CommandLine": ["CommandLine"]}
ROW = {"Image": "C:\\a.exe", "CommandLine": "a", "Other": 1}


def test_of_the_fewest_rows_none_can_be_left_out():
    rows = [{"n": number} for number in range(40)]
    wanted = {3, 17, 18, 39}
    assert [row["n"] for row in fewest(rows, lambda some: wanted <= {row["n"] for row in some})] == sorted(wanted)


def test_each_branch_of_a_condition_is_met_in_all_its_columns():
    assert [met(way, ROW, NAMES) for way in ways(CONDITION)] == [
        {"Image": "x\\schtasks.exe", "CommandLine": "x /createx"},
        {"Image": "x/crontab"},
    ]


def test_a_branch_is_also_met_but_for_one_text_and_together_with_what_is_refused():
    made = [met(way, ROW, NAMES) for way, _ in variations(CONDITION)]
    assert {"Image": "x", "CommandLine": "x /createx"} in made
    assert {"Image": "x\\schtasks.exe", "CommandLine": "x /CREATEx"} in made
    assert {"Image": "x\\schtasks.exex", "CommandLine": "x /createx"} in made
    assert {"Image": "x/crontab", "CommandLine": "x -lx"} in made
    assert {"Image": "x/crontab", "CommandLine": "x -Lx"} in made


def test_a_value_that_a_product_prescribes_is_in_no_capitals():
    condition = And((CRON, TextMatch(Column("direction"), ("outbound",), cased=True)))
    names = {"Image": ["Image"], "direction": ["direction"]}
    made = [met(way, {"Image": "a", "direction": "inbound"}, names) for way, _ in variations(condition)]
    assert {"Image": "x/CRONTAB", "direction": "outbound"} in made
    assert not any(one.get("direction") == "OUTBOUND" for one in made)


def test_a_value_that_a_product_prescribes_in_capitals_is_made_as_it_is():
    firewalls = In(Column("DeviceProduct"), ListLiteral(("Fortigate", "PAN-OS")), cased=True)
    plan = Plan("a", "a", (Source("b", TRUE, event=(firewalls,)),), (), None)
    assert [value("Fortigate") for _, value in values(plan)] == ["Fortigate", "PAN-OS"]


def test_a_column_that_a_row_lacks_is_not_made_up():
    assert met(ways(CONDITION)[0], {"Image": "a"}, NAMES) == {"Image": "x\\schtasks.exe"}


def test_a_value_inside_of_a_json_object_is_put_in_and_taken_out_like_any_other():
    derived = (("Query", Call("json_text", (Column("Fields"), Constant("query")))),)
    opened = Opened(Plan("a", "a", (Source("b", TRUE, derived=derived),), (), None))
    assert opened.plan.sources[0].derived == (("Query", Column("Fields.query")),)
    row = {"Fields": '{"query": "x", "a": 1}', "Host": "h"}
    assert opened.open(row) == {**row, "Fields.query": "x"}
    assert opened.close({**opened.open(row), "Fields.query": "y"}) == {"Fields": '{"query": "y", "a": 1}', "Host": "h"}
    assert opened.close({**opened.open(row), "Fields.query": None}) == {"Fields": '{"a": 1}', "Host": "h"}
    assert opened.close(opened.open({"Host": "h"})) == {"Host": "h"}


def test_a_row_of_a_data_model_is_of_another_kind_without_any_one_of_its_tags():
    traffic = In(Column("datamodel"), ListLiteral(("Network_Traffic.All_Traffic",)), cased=True)
    plan = Plan("a", "a", (Source("b", TRUE, event=(traffic,)),), (), None)
    row = {"datamodel": "Network_Traffic.All_Traffic", "tag": ["network", "communicate"], "dest_port": "25"}
    made = probes(plan, [row], [])
    assert {tuple(one["tag"]) for one in made if one["datamodel"] == "Network_Traffic.All_Trafficx"} == {
        (),
        ("network",),
        ("communicate",),
    }
    assert all(one["tag"] == row["tag"] for one in made if one["datamodel"] == row["datamodel"])


def test_what_is_true_or_false_is_also_the_other():
    opened = Comparison("=", Column("Initiated"), Constant(value=True))
    source = Source("b", opened, types={"Initiated": Type.BOOLEAN})
    made = probes(Plan("a", "a", (source,), (), None), [{"Initiated": "true"}], [])
    assert {"Initiated": "false"} in made


def test_a_row_that_is_not_found_has_a_program_of_the_same_name_in_another_folder():
    name = Call("base_name", (Column("Image"),))
    steps = (
        Derive((("Program", name),)),
        Group(("Program",), (Measure("Images", "values", Column("Image")),)),
    )
    plan = Plan("a", "a", (Source("b", Exists(Column("Peer"))),), steps, None)
    made = probes(plan, [{"Image": "C:\\a\\b.exe", "Peer": "p"}], [])
    assert {"Image": "C:\\ax\\b.exe", "Peer": ""} in made


def test_a_number_that_is_text_is_also_empty_text_where_it_is_counted():
    plan = Plan("a", "a", (Source("b", TRUE),), (Group((), (Measure("Ports", "distinct", Column("Port")),)),), None)
    assert {"Port": ""} in probes(plan, [{"Port": "25"}], [])
    assert {"Port": ""} not in probes(plan, [{"Port": 25}], [])


def test_the_name_of_a_program_is_also_longer_at_its_beginning():
    plan = Plan("a", "a", (Source("b", TextMatch(Column("Image"), (Wildcard.ANY, "\\sc.exe"))),), (), None)
    assert "C:\\a\\xsc.exe" in [value("C:\\a") for _, value in values(plan)]
