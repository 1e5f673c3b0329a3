"""Expressions and the functions that compute a field. Pages are under https://library.humio.com/data-analysis/."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.cql import run_cql

ROW = {"two": "2", "three": 3, "half": "0.5", "word": "Ab", "empty": "", "yes": "true", "big": "1e3", "@timestamp": 0}


def value(expression, row=ROW, **options):
    """The value that an assignment leaves; None where it leaves none."""
    (result,) = run_cql(f"x := {expression}", [row], **options).rows
    return result.get("x")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # syntax-expressions.html, its own examples first
        ("4 / lower(two)", 2),
        ('"a" > 3', None),
        ("1 > 3", "false"),
        ("missing > 3", None),
        ('"a" / 2', None),
        ("4 / 2", 2),
        ('"a" == 2', "false"),
        ("1 != 2", "true"),
        ("missing == 2", None),
        ("missing != 2", None),
        ("missing == missing", None),
        ("!false", "true"),
        ("!true", "false"),
        ("!yes", "false"),
        ("!0", "true"),
        ("!three", "false"),
        ("!word", None),
        ("!missing", None),
        # null goes on from there
        ("two + missing", None),
        ("(two + missing) == 2", None),
        ("-missing", None),
        # numbers
        ("two + three * 2", 8),
        ("(two + three) * 2", 10),
        ("two - three", -1),
        ("-two", -2),
        ("three / two", 1.5),
        ("half + half", 1),
        ("big + 1", 1001),
        ("two >= 2", "true"),
        ("two < half", "false"),
        # text regards case; a number equals the same number however it is written (expression-equality)
        ('word == "Ab"', "true"),
        ('word == "ab"', "false"),
        ('lower(word) == "ab"', "true"),
        ('two == "2.0"', "true"),
        ('empty == ""', "true"),
        # text is not a field, and a field whose name needs quotes is read by getField()
        ('"word"', "word"),
        ('getField("word")', "Ab"),
        # functions-if.html: as case { test(c) | ... ; * | ... }
        ('if(two == 2, then="a", else="b")', "a"),
        ('if(missing == 2, then="a", else="b")', "b"),
        ('if(in(word, values=["Ab"]), then=1, else=0) + 1', 2),
        ('if(regex("^A", field=word), then="a", else="b")', "a"),
        ("if(two > 1, then=missing, else=1)", None),
        # functions-coalesce.html: neither null nor empty, unless ignoreEmpty=false
        ('coalesce([missing, empty, word, "z"])', "Ab"),
        ("coalesce([missing, empty], ignoreEmpty=false)", ""),
        ("coalesce([missing])", None),
        ("coalesce([missing * 1000, three])", 3),
        # functions-lower.html, functions-length.html
        ("lower(word)", "ab"),
        ("upper(word)", "AB"),
        ("length(word)", 2),
        ("length(empty)", 0),
        ("length(three)", 1),
        ("text:length(string=word)", 2),
        # functions-round.html
        ("round(half, how=floor)", 0),
        ("round(half, how=ceil)", 1),
        ("round(two)", 2),
    ],
)
def test_an_expression_has_the_value_that_the_documentation_says(expression, expected):
    assert value(expression) == expected


def test_null_leaves_a_field_as_it_is():
    # syntax-expressions.html: "will not create (or overwrite) the field"
    assert run_cql('x := "old" | x := missing + 1', [{}]).rows == [{"x": "old"}]


def test_values_are_text_read_by_their_context():
    # syntax-expressions.html: a := "2" | b := format("%s%s", field=[a, a]) + 1 gives 23
    assert run_cql('a := "2" | b := format("%s%s", field=[a, a]) + 1', [{}]).rows == [{"a": "2", "b": 23}]


@pytest.mark.parametrize(
    ("amount", "expected"), [("2.4", 2), ("2.6", 3), ("-2.6", -3), ("10.8", 11), (7, 7), ("x", "x")]
)
def test_round_goes_to_the_nearest_whole_number(amount, expected):
    assert run_cql("round(a)", [{"a": amount}]).rows == [{"a": expected}]


@pytest.mark.parametrize(
    ("template", "fields", "expected"),
    [
        # functions-format.html
        ("%s,%s", ["word", "two"], "Ab,2"),
        ("%.2f", ["half"], "0.50"),
        ("%,.2f", ["number"], "1,234,567.80"),
        ("%,i", ["whole"], "3,886,817"),
        ("0x%X", ["answer"], "0x2A"),
        ("%d%%", ["two"], "2%"),
        ("%5d|%-5s|", ["two", "word"], "    2|Ab   |"),
        ("%d", ["word"], None),
        ("%d", ["half"], None),
        ("%.0f", ["half"], "1"),
    ],
)
def test_format_writes_as_printf(template, fields, expected):
    row = {**ROW, "number": "1234567.8", "whole": 3886817, "answer": "42"}
    assert value(f'format("{template}", field=[{", ".join(fields)}])', row) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        # functions-time-hour.html and those of the other parts; weeks are those of ISO 8601.
        ("time:minute(t, timezone=Z)", 51),
        ("time:hour(field=t, timezone=UTC)", 8),
        ('time:hour(t, timezone="-09:00")', 23),
        ('time:dayOfMonth(t, timezone="-09:00")', 26),
        ("time:weekOfYear(t, timezone=UTC)", 35),
        ("time:weekOfYear(eve, timezone=UTC)", 1),
        ("time:month(t, timezone=UTC)", 8),
        ("time:year(eve, timezone=UTC)", 2024),
        ("time:year(word, timezone=UTC)", None),
        ("time:year(missing, timezone=UTC)", None),
    ],
)
def test_a_part_of_a_time_is_a_number(call, expected):
    assert value(call, {"t": 1756284711312, "eve": 1735516800000, "word": "x"}) == expected


def test_a_part_of_a_time_in_the_time_zone_of_who_asks_is_not_known():
    with pytest.raises(PolysigmaError, match="depends on who asks"):
        value("time:hour(t)", {"t": 1756284711312})


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        # functions-formattime.html
        ('formatTime("%Y/%m/%d %H:%M:%S", field=t, locale=en_US, timezone=Z)', "2025/08/27 08:51:51"),
        ('formatTime("%FT%T.%L%z", field=t)', "2025-08-27T08:51:51.312+0000"),
        ('formatTime("%A %d %B %Y, %R", field=t, timezone="-08:00")', "Wednesday 27 August 2025, 00:51"),
        ('formatTime("%H", field=t, timezone="Europe/Copenhagen")', "10"),
        ('formatTime("%s %Q %j %y %e %k %I %p", field=t)', "1756284711 1756284711312 239 25 27 8 08 am"),
        ('formatTime("%c", field=t)', "Wed Aug 27 08:51:51 Z 2025"),
        ('formatTime("%r", field=t)', "08:51:51 AM"),
        ('formatTime("%F", field=seconds)', "2025-08-27"),  # up to 100,000,000,000 it is seconds
        ('formatTime("%F", field=seconds, unit=milliseconds)', "1970-01-21"),
        ('formatTime("%F", field=word)', None),
        ('formatTime("%F", field=missing)', None),
    ],
)
def test_format_time_writes_a_time(call, expected):
    assert value(call, {"t": 1756284711312, "seconds": "1756284711", "word": "x"}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # functions-parsetimestamp.html, parse ISO 8601 timestamps
        ("2018-09-08T17:51:04.777Z", 1536429064777),
        ("2018-09-08T19:51:04.777777777+02:00", 1536429064777),
        ("2018-09-08T12:51:04-05:00", 1536429064000),
        ("yesterday", None),
    ],
)
def test_parse_timestamp_reads_iso_8601(text, expected):
    rows = run_cql("parseTimestamp(field=t, as=x)", [{"t": text}]).rows
    assert rows[0].get("x") == expected


def test_parse_timestamp_reads_seconds_with_a_fraction():
    assert value("parseTimestamp(seconds, field=t)", {"t": "1690480444.589"}) == 1690480444589


def test_replace_changes_each_match_and_knows_numbered_groups():
    # functions-replace.html
    assert value('replace("(\\\\d+)\\\\..*", with="$1", field=a)', {"a": "12.75"}) == "12"
    assert run_cql('replace("o", with="0", field=a, as=b)', [{"a": "foo"}]).rows == [{"a": "foo", "b": "f00"}]
    assert run_cql('replace("x", with="y", field=a, as=b)', [{"a": "foo"}]).rows == [{"a": "foo", "b": "foo"}]
    assert run_cql('replace("o", field=a)', [{"a": "foo"}]).rows == [{"a": "f"}]


def test_fields_are_renamed_dropped_selected_and_given_defaults():
    row = {"a": "1", "b": "2", "c": ""}
    for query, expected in [
        ("rename(field=a, as=b)", {"b": "1", "c": ""}),  # functions-rename.html: overwritten
        ("rename([[a, x], [b, y]])", {"x": "1", "y": "2", "c": ""}),
        ("x := rename(a)", {"x": "1", "b": "2", "c": ""}),
        ("rename(field=missing, as=b)", row),
        ("drop([a, c])", {"b": "2"}),
        ("select([a, missing])", {"a": "1"}),
        ("default(field=[a, x], value=0)", {**row, "x": "0"}),  # functions-default.html
        ("default(field=c, value=0)", row),
        ("default(field=c, value=0, replaceEmpty=true)", {"a": "1", "b": "2", "c": "0"}),
        ("eval(x=a + b, y=x * 2)", {**row, "x": 3, "y": 6}),
        ("lower(a) | length(b, as=l)", {**row, "_lower": "1", "l": 1}),
    ]:
        assert run_cql(query, [row]).rows == [expected], query


def test_now_is_the_time_of_the_query():
    assert value("now()", now=1700000000.5) == 1700000000500
