"""Every fault of a `polysigma` map names its file, line and column, and says what would be right.

In each case a ▲ marks the place that the fault must name; it is taken out before the text is read.
"""

from __future__ import annotations

import textwrap

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.plan.build import build
from polysigma.plan.faults import Fault, PlanError
from polysigma.plan.metadata import read_metadata
from polysigma.plan.types import Type
from polysigma.source import read_text

FIELDS = {
    "Computer": Type.TEXT,
    "Image": Type.TEXT,
    "Port": Type.INTEGER,
    "Bytes": Type.REAL,
    "Ip": Type.ADDRESS,
    "Flag": Type.BOOLEAN,
    "EventTime": Type.TIME,
}
GROUP = """\
steps:
    - group:
        by: [Computer]
        measures:
            N: count()
            Paths: collect(Image, 5)
            Path: any_value(Image)
            Seen: max(EventTime)
            Bad: any_value(Flag)
"""


def compiled(text, overrides=None, window=3600):
    body = "version: 1\n" + textwrap.dedent(text)
    [document] = read_text("title: x\npolysigma:\n" + textwrap.indent(body, "    "), "rule.yml")
    try:
        return build(read_metadata(document.value["polysigma"]), FIELDS, window, overrides)
    except PlanError as error:
        raise error.below("polysigma").located(document) from None


def check(text, code, message, overrides=None, window=3600):
    marked = "\n\n\n" + textwrap.indent(textwrap.dedent(text), "    ")
    before = marked[: marked.index("▲")]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(PolysigmaError) as caught:
        compiled(text.replace("▲", ""), overrides, window)
    [finding] = caught.value.findings
    assert (finding.code, finding.file, finding.at.line, finding.at.column) == (code, "rule.yml", line, column)
    assert message in finding.message
    assert finding.hint


def after_group(steps):
    return GROUP + textwrap.indent(textwrap.dedent(steps), " " * 4)


@pytest.mark.parametrize(
    ("steps", "code", "message"),
    [
        # Columns.
        ("- where: ▲M > 1", "unknown-column", "no column 'M'"),
        ("- where: >-\n    N > 1\n    and ▲M > 1", "unknown-column", "no column 'M'"),
        ("- where: |\n    N > 1\n      and ▲M > 1", "unknown-column", "no column 'M'"),
        ('- where: "N > 1 and ▲M > 1"', "unknown-column", "no column 'M'"),
        ("- where: 'Path is null or Computer = ''x'' or ▲M > 1'", "unknown-column", "no column 'M'"),
        ("- where: ▲Image is null", "unknown-column", "no column 'Image'"),
        ("- select: [N, ▲M]", "unknown-column", "no column 'M'"),
        ("- sort:\n    - N\n    - ▲M desc", "unknown-column", "no column 'M'"),
        ("- group:\n    by: [▲M]\n    measures:\n        X: count()", "unknown-column", "no column 'M'"),
        ("- annotate:\n    by: [▲M]\n    measures:\n        X: count()", "unknown-column", "no column 'M'"),
        ("- select: [N, ▲N]", "duplicate-column", "stands twice"),
        ("- sort: [N desc, ▲N]", "duplicate-column", "stands twice"),
        ("- group:\n    by: [N, ▲N]\n    measures:\n        X: count()", "duplicate-column", "stands twice"),
        # Names.
        ("- derive:\n    N: ▲1", "name-taken", "already a column 'N'"),
        ("- derive:\n    Image: ▲1", "name-taken", "a Sigma field"),
        ("- score:\n    ▲N:\n    - 1 when N > 1", "name-taken", "already a column 'N'"),
        ("- annotate:\n    by: [N]\n    measures:\n        N: ▲count()", "name-taken", "already a column"),
        ("- group:\n    by: [N]\n    measures:\n        N: ▲count()", "name-taken", "already a column"),
        ("- group:\n    by: [N]\n    measures:\n        Port: ▲count()", "name-taken", "a Sigma field"),
        # Types of expressions.
        ("- where: ▲N", "type-mismatch", "a condition is expected"),
        ("- where: ▲5", "type-mismatch", "a condition is expected"),
        ("- where: N > 1 and ▲Computer", "type-mismatch", "a condition is expected"),
        ("- where: Computer ▲= 5", "type-mismatch", "a text cannot be compared with an integer"),
        ("- where: Seen ▲> 5", "type-mismatch", "a time cannot be compared with an integer"),
        ("- where: Computer ▲> 'a'", "type-mismatch", "texts have no order"),
        ("- where: Computer = ▲''", "type-mismatch", "empty text is a missing value"),
        ("- where: ▲Paths = 'x'", "type-mismatch", "a collected list"),
        ("- where: ▲Paths in ('x')", "type-mismatch", "a collected list"),
        ("- where: N in ▲('x')", "type-mismatch", "cannot be one of 'x'"),
        ("- where: Computer in ▲('a', '')", "type-mismatch", "empty text"),
        ("- where: Seen in ▲(1)", "type-mismatch", "a time cannot be one of 1"),
        ("- derive:\n    X: ▲Computer + 1", "type-mismatch", "`+` needs numbers"),
        ("- derive:\n    X: -▲Computer", "type-mismatch", "`-` needs numbers"),
        ("- derive:\n    X: lower(▲N)", "type-mismatch", "lower needs text"),
        ("- derive:\n    X: ▲if(N > 1, 'a', 2)", "type-mismatch", "different types"),
        ("- derive:\n    X: ▲coalesce(N, 'a')", "type-mismatch", "different types"),
        # What is for display.
        ("- where: ▲round(N, 1) > 1", "display-only", "for display"),
        ("- where: ▲round(N, 1) + 1 > 1", "display-only", "for display"),
        ("- where: if(N > 1, ▲round(N, 1), 2) > 1", "display-only", "for display"),
        ("- where: ▲round(N, 1) in (1, 2)", "display-only", "for display"),
        ("- where: ▲Path = 'x'", "display-only", "for display"),
        ("- where: ▲Bad", "display-only", "for display"),
        ("- where: N > 1 and not ▲Bad", "display-only", "for display"),
        ("- derive:\n    X: round(N, 1)\n    Y: X * 2\n- where: ▲Y > 1", "display-only", "for display"),
        ("- derive:\n    X: N\n- score:\n    S:\n    - 1 when ▲Path = 'x'", "display-only", "for display"),
        (
            "- group:\n    by: [Computer]\n    measures:\n        X: min(round(N, 1))\n- where: ▲X > 1",
            "display-only",
            "for display",
        ),
        ("- group:\n    by: [▲Path]\n    measures:\n        X: count()", "type-mismatch", "cannot be a key"),
        ("- group:\n    by: [▲Paths]\n    measures:\n        X: count()", "type-mismatch", "cannot be a key"),
        ("- sort: [▲Paths]", "type-mismatch", "has no order"),
        # Functions.
        ("- derive:\n    X: ▲upper(Computer)", "unknown-function", "no function 'upper'"),
        ("- where: ▲count() > 1", "unknown-function", "no function 'count'"),
        ("- derive:\n    X: ▲lower()", "wrong-arguments", "lower takes 1 argument, not 0"),
        ("- derive:\n    X: 1 + ▲round(N)", "wrong-arguments", "round takes 2 arguments, not 1"),
        ("- derive:\n    X: ▲coalesce(N)", "wrong-arguments", "coalesce takes at least 2 arguments, not 1"),
        # Order of steps.
        ("- bucket: ▲{Hour: 1h}", "bucket-order", "no time of their own"),
        ("- group:\n    by: [N]\n    measures:\n        X: ▲first(Path)", "bucket-order", "no time of their own"),
        ("- take: ▲5", "take-order", "left to chance"),
        ("- sort: [N desc]\n- take: ▲5", "take-order", "left to chance"),
        # Scores.
        ("- score:\n    S:\n    - 1 when N > 1\n    - ▲N > 1", "expression-syntax", "POINTS when CONDITION"),
        ("- score:\n    S:\n    - ▲1000000 when N > 1", "expression-syntax", "POINTS when CONDITION"),
        ("- score:\n    S:\n    - 10  when N > ▲M", "unknown-column", "no column 'M'"),
        # Syntax, through the whole way.
        ("- where: N >▲", "expression-syntax", "the end"),
    ],
)
def test_a_fault_in_a_step_after_the_group_is_placed(steps, code, message):
    check(after_group(steps), code, message)


@pytest.mark.parametrize(
    ("measure", "code", "message"),
    [
        ("▲lower(Image)", "unknown-measure", "'lower' is not a measure"),
        ("sum(Port) ▲/ 2", "unknown-measure", "is not a measure"),
        ("▲Port", "unknown-measure", "is not a measure"),
        ("▲count(Port)", "wrong-arguments", "count takes 0 arguments, not 1"),
        ("▲sum()", "wrong-arguments", "sum takes 1 argument, not 0"),
        ("▲distinct_if(Port)", "wrong-arguments", "distinct_if takes 2 arguments"),
        ("▲sum(Image)", "type-mismatch", "sum needs integer or real"),
        ("▲max(Image)", "type-mismatch", "max needs integer or real or time"),
        ("count_if(▲Image)", "type-mismatch", "a condition is expected"),
        ("distinct_if(Port, ▲Bytes)", "type-mismatch", "a condition is expected"),
        ("sum(▲Prot)", "unknown-column", "no column 'Prot'"),
        ("percentile(Port, ▲101)", "wrong-arguments", "a number from 0 to 100"),
        ("percentile(Port, ▲Port)", "wrong-arguments", "a number from 0 to 100"),
        ("collect(Image, ▲0)", "wrong-arguments", "a whole number from 1 to 1000"),
        ("collect(Image, ▲2.5)", "wrong-arguments", "a whole number from 1 to 1000"),
        ("collect(Image, ▲:n)", "unknown-parameter", "no parameter 'n'"),
        ("sum(Port▲", "expression-syntax", "`,` is expected, not the end"),
    ],
)
def test_a_fault_in_a_measure_is_placed(measure, code, message):
    text = f"steps:\n    - group:\n        by: [Computer]\n        measures:\n            M: {measure}\n"
    check(text, code, message)


@pytest.mark.parametrize(
    ("steps", "code", "message"),
    [
        ("- where: Ip = ▲'x'", "type-mismatch", "'x' is not an IP address"),
        ("- where: Ip in ▲('192.0.2.1', 'x')", "type-mismatch", "'x' is not an IP address"),
        ("- where: Flag ▲= 'true'", "type-mismatch", "a boolean cannot be compared with a text"),
        ("- where: Flag ▲> Flag", "type-mismatch", "a boolean cannot be compared with a boolean"),
        ("- where: Flag in ▲(1)", "type-mismatch", "a boolean cannot be one of 1"),
        ("- where: EventTime ▲> 5", "type-mismatch", "a time cannot be compared with an integer"),
        ("- group:\n    by: [▲Bytes]\n    measures:\n        N: count()", "type-mismatch", "cannot be a key"),
        ("- annotate:\n    by: [▲Bytes]\n    measures:\n        N: count()", "type-mismatch", "cannot be a key"),
        ("- bucket: ▲{Port: 1h}", "name-taken", "already a column"),
        ("- bucket: ▲{H: 7m}\n- group:\n    by: [H]\n    measures:\n        N: count()", "bucket-edge", "multiple"),
        ("- where: Port > 1\n- ▲where: Port > 2", "no-group", "no step groups"),
        ("- sort: [Computer]\n- take: ▲5", "take-order", "left to chance"),
    ],
)
def test_a_fault_in_a_step_before_a_group_is_placed(steps, code, message):
    check("steps:\n" + textwrap.indent(steps, "    "), code, message)


PARAMETER = "parameters:\n    n:\n        value: {}\n        about: what it is for\n"


@pytest.mark.parametrize(
    ("default", "override", "message"),
    [
        ("▲20", "many", "takes a number, not 'many'"),
        ("▲20", "1.5", "takes a whole number"),
        ("▲20", True, "takes a number"),
        ("▲20", "nan", "out of range"),
        ("▲20", "1e300", "out of range"),
        ("▲20", [1], "takes one value, not a list"),
        ("▲true", "yes", "takes true or false"),
        ("▲text", 5, "takes text, not 5"),
        ("▲[1, 2]", "1,x", "takes a number, not 'x'"),
        ("▲[1, 2]", "", "an empty list matches nothing"),
        ("▲[1, 2]", [], "an empty list matches nothing"),
        ("▲[]", None, "an empty list matches nothing"),
        ("▲.inf", None, "no number that every language holds exactly"),
        ("▲99999999999999999999", None, "no number that every language holds exactly"),
        ("▲[1, .nan]", None, "no number that every language holds exactly"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_placed_at_its_default(default, override, message):
    overrides = {} if override is None else {"n": override}
    check(PARAMETER.format(default) + after_group("- where: N > :n"), "parameter-type", message, overrides)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (PARAMETER.format(5).replace("n:\n        v", "n:\n        ▲v") + GROUP, "unused-parameter", "no step uses"),
        (PARAMETER.format(5) + after_group("- where: N > ▲:m or N > :n"), "unknown-parameter", "no parameter 'm'"),
        (PARAMETER.format(5) + after_group("- where: N in ▲:n"), "type-mismatch", ":n is not a list"),
        (PARAMETER.format([5]) + after_group("- where: N > ▲:n"), "type-mismatch", ":n is a list"),
        (PARAMETER.format("x") + after_group("- where: N ▲> :n"), "type-mismatch", "cannot be compared"),
        (PARAMETER.format("[1, x]") + after_group("- where: N in ▲:n"), "type-mismatch", "cannot be one of 'x'"),
    ],
)
def test_a_fault_in_the_use_of_a_parameter_is_placed(text, code, message):
    check(text, code, message)


def test_an_override_of_an_unknown_parameter_names_the_nearest():
    with pytest.raises(PolysigmaError) as caught:
        compiled(PARAMETER.format(5) + after_group("- where: N > :n"), {"m": 5})
    [finding] = caught.value.findings
    assert (finding.code, finding.message, finding.hint) == (
        "unknown-parameter",
        "there is no parameter 'm'",
        "known here: n",
    )


def test_every_fault_of_the_parameters_is_told_at_once():
    text = PARAMETER.format(5) + "    m:\n        value: true\n        about: what it is for\n" + GROUP
    with pytest.raises(PolysigmaError) as caught:
        compiled(text, {"n": "x", "m": "x", "k": 1})
    assert [finding.code for finding in caught.value.findings] == [
        "parameter-type",
        "parameter-type",
        "unknown-parameter",
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("schedule:\n    every: ▲2h\n" + GROUP, "schedule-gap", "looks back 1h only"),
        (
            "schedule:\n    every: 15m\n" + GROUP.replace("steps:\n", "steps:\n    - bucket: ▲{H: 30m}\n"),
            "bucket-edge",
            "schedule.every is 15m",
        ),
        (GROUP + "alert:\n    title: ▲Beacon {M}\n    entities: {host: Computer}\n", "unknown-column", "{M}"),
        (GROUP + "alert:\n    title: Beacon\n    entities: {host: ▲M}\n", "unknown-column", "entity host"),
    ],
)
def test_a_fault_round_the_steps_is_placed(text, code, message):
    check(text, code, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: ▲[]\n", "at least 1 item"),
        ("steps:\n    - ▲{}\n", "exactly one of"),
        ("steps:\n    - ▲where: a\n      take: 5\n", "exactly one of"),
        ("steps:\n    - ▲where:\n", "the step 'where' is empty"),
        ("steps:\n    - whre: ▲a\n", "unknown key 'whre'"),
        ("steps:\n    - where: ▲true\n", "valid string"),
        ("steps:\n    - ▲5\n", "a map of keys to values"),
        ("steps:\n    - take: ▲0\n", "greater than or equal to 1"),
        ("steps:\n    - take: ▲1.5\n", "valid integer"),
        ("steps:\n    - bucket: {H: ▲1x}\n", "not a time span"),
        ("steps:\n    - bucket: ▲{H: 1h, I: 2h}\n", "at most 1 item"),
        ("steps:\n    - select: ▲[]\n", "at least 1 item"),
        ("steps:\n    - sort: [N, ▲N up]\n", "match pattern"),
        ("steps:\n    - derive: {1x: ▲N}\n", "match pattern"),
        ("steps:\n    - group: ▲{by: [A]}\n", "'measures' is missing"),
        ("steps:\n    - group:\n        by: ▲[]\n        measures: {N: count()}\n", "at least 1 item"),
        ("schedule: {every: ▲0h}\n" + GROUP, "not a time span"),
        ("parameters:\n    n: ▲{value: 5}\n" + GROUP, "'about' is missing"),
        (GROUP + "alert: {title: ▲abc, entities: {host: Computer}}\n", "at least 5 characters"),
        (GROUP + "alert: {title: abcdef, entities: {car: ▲Computer}}\n", "'host'"),
        (GROUP + "unknown: ▲5\n", "unknown key 'unknown'"),
    ],
)
def test_a_map_of_another_shape_is_placed(text, message):
    check(text, "polysigma-map", message)


def test_a_value_of_no_type_that_a_parameter_can_have_is_placed():
    with pytest.raises(PolysigmaError) as caught:
        compiled("parameters:\n    n: {value: {a: 1}, about: what it is for}\n" + GROUP)
    assert {str(finding.at) for finding in caught.value.findings} == {"5:20"}


def test_a_missing_or_wrong_version_is_placed():
    for value, place in (("{steps: []}", "1:12"), ("{version: 2, steps: [{take: 1}]}", "1:22")):
        [document] = read_text(f"polysigma: {value}\n", "rule.yml")
        with pytest.raises(PlanError) as caught:
            read_metadata(document.value["polysigma"])
        finding = caught.value.below("polysigma").located(document).findings[0]
        assert str(finding).startswith(f"rule.yml:{place}: polysigma-map")


def test_a_fault_without_a_place_stands_at_the_top_of_its_document():
    [document] = read_text("a: 1\n", "rule.yml")
    finding = Fault("code", "message").located(document)
    assert str(finding.at) == "1:1"
    assert str(PlanError(Fault("code", "message", "hint"))) == "message (hint)"
    with pytest.raises(ValueError, match="at least one fault"):
        PlanError()
