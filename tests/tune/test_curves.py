"""How alerts change with the value of a parameter."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.tune import Curve, Point, sensitivity
from polysigma.tune.curves import measure
from polysigma.tune.scenarios import PLATFORM, compiled_there, on_scenarios, parameters_of
from polysigma.tune.svg import curve_svg
from polysigma.tune.values import around


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (20, "5 10 15 20 25 30 40 60 80"),
        (3, "0 1 2 3 4 5 6 7 8 9"),
        (9, "2 4 7 8 9 10 11 14 18 27 36"),
        (0.5, "0.125 0.25 0.375 0.5 0.625 0.75 1"),
        (1.5, "0.375 0.75 1.125 1.5 1.875 2.25 3 4.5 6"),
        (True, "false true"),
        ("text", "text"),
        ([7], "all"),
        ([1080, 4444], "all, without 1080, without 4444"),
    ],
)
def test_the_values_that_are_tried_lie_around_the_one_that_is_set(value, labels):
    tried = dict(around(value))
    assert list(tried) == (labels.split(", ") if isinstance(value, list) else labels.split())
    assert value in tried.values()


def test_the_curve_of_a_parameter_shows_where_it_begins_to_cost_hits_and_to_raise_false_ones(detection):
    (curve,) = sensitivity(detection)
    assert (curve.parameter, curve.known) == ("least", 2)
    by_value = {point.value: (point.alerts, point.found, point.false) for point in curve.points}
    assert by_value[4] == (3, 2, 1), "four connections are an alert that no scenario wants"
    assert by_value[5] == (2, 2, 0)
    assert by_value[6] == (1, 1, 0)
    assert by_value[10] == (0, 0, 0)
    assert curve.default is not None
    assert curve.default.value == 5


@pytest.mark.slow
def test_a_rule_that_sysmon_cannot_answer_is_tried_on_a_platform_that_can():
    """Sysmon is on no firewall: these rows are evaluated naively."""
    curves = {curve.parameter: curve for curve in sensitivity("edge_device_admin_exposure")}
    points = {point.value: point for point in curves["min_sources"].points}
    assert (points[5].found, points[5].false) == (5, 0)
    assert points[5].default
    assert points[4].false, "with fewer sources an ordinary network is an alert"
    assert points[6].found == 2, "with more sources hits are missed"


def test_the_naive_way_counts_as_the_quick_one_does(detection):
    def measured(at):
        def compiling(values):
            return compiled_there(detection, at, values)

        with on_scenarios(detection, at, compiling({})) as (events, expected, days):
            return measure(events, compiling, parameters_of(detection), days, expected)

    assert measured(("falcon", "logscale")) == measured((PLATFORM, "sql"))


def test_without_scenarios_there_is_no_curve(tmp_path, detection):
    (tmp_path / "many_chat_connections" / "scenarios.yaml").unlink()
    with pytest.raises(PolysigmaError, match="cannot be read"):
        sensitivity(detection)


def test_importing_it_is_light():
    heavy = ("duckdb", "sigma", "sqlglot", "pydantic")
    command = f"import sys, polysigma.tune; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def points(*values):
    return tuple(
        Point(value, str(value), alerts, alerts / 2, found, 0, default) for value, alerts, found, default in values
    )


def test_a_picture_has_every_number_for_those_who_do_not_see_it():
    curve = Curve("least", "about <it>", "x & y", None, None, points((1, 8, 3, False), (2, 4, 2, True)), known=3)
    root = ET.fromstring(curve_svg(curve))
    space = {"": "http://www.w3.org/2000/svg"}
    assert root.findtext("title", namespaces=space) == "Alerts by least"
    assert root.findtext("desc", namespaces=space) == (
        "1: 4 alerts a day, 3 of 3 known hits; 2 (now): 2 alerts a day, 2 of 3 known hits"
    )
    texts = [one.text for one in root.findall("text", space)]
    assert {"1", "2", "least (x & y)", "now: 2"} <= set(texts)
    (alerts, found) = root.findall("polyline", space)
    heights = [float(place.split(",")[1]) for place in alerts.get("points", "").split()]
    assert heights[0] < heights[1], "more alerts stand higher"
    assert found.get("class") == "found"


def test_the_style_of_a_picture_is_about_that_picture_only():
    style = ET.fromstring(curve_svg(Curve("a", "b", None, None, None, points((1, 0, None, True)))))[2].text
    assert style
    assert all(rule.startswith(".polysigma-curve ") for rule in re.findall(r"[^{}]+(?=\{)", style))


def test_what_is_left_out_of_a_list_has_dots_and_no_line_between_them():
    curve = Curve("ports", "b", None, None, None, (Point([1, 2], "all", 2, 2.0), Point([2], "without 1", 1, 1.0)))
    text = curve_svg(curve, a_day=False)
    assert "<polyline" not in text
    assert text.count("<circle") == 2


def test_long_items_of_a_list_stand_below_each_other_and_are_cut_in_the_picture_alone():
    items = [f"a-program-with-a-very-long-name-{number}.exe" for number in range(3)]
    values = tuple(Point(items, f"without {item}", 1, 1.0, 1) for item in items)
    root = ET.fromstring(curve_svg(Curve("programs", "b", None, None, None, values, known=1), a_day=False))
    space = {"": "http://www.w3.org/2000/svg"}
    rows = [(float(one.get("y", "")), one.text or "") for one in root.findall("text", space)]
    shown = [(y, text) for y, text in rows if text.startswith("without")]
    assert [y for y, _ in shown] == sorted({y for y, _ in shown})
    assert all(text.endswith("…") for _, text in shown)
    assert all(item in (root.findtext("desc", namespaces=space) or "") for item in items)
