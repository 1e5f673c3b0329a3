"""A curve as a picture: SVG without a library for plots, in the colours of the text around it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polysigma.tune.model import Curve, Point

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 40, 40, 48
ROW, ROWS_TOP, ROWS_BOTTOM, ROWS_LEFT = 20, 48, 44, 250
LETTERS = 32
"""Of a longer label the picture shows the beginning."""
NAME = "polysigma-curve"
STYLE = (
    f".{NAME} text{{font:12px system-ui,sans-serif;fill:currentColor}}"
    f".{NAME} .axis{{stroke:currentColor;stroke-opacity:.35}}"
    f".{NAME} .alerts{{stroke:#0072b2;fill:none;stroke-width:2}}.{NAME} .alerts-dot{{fill:#0072b2}}"
    f".{NAME} .found{{stroke:#d55e00;fill:none;stroke-width:2;stroke-dasharray:6 4}}.{NAME} .found-dot{{fill:#d55e00}}"
    f".{NAME} .now{{stroke:currentColor;stroke-opacity:.6;stroke-dasharray:2 3}}"
)
"""Every rule names the picture, since a style inside of a page's SVG is one for the whole page.

Two colours of Okabe and Ito's palette, which people who see fewer colours can tell apart; the lines differ too.
"""


def curve_svg(curve: Curve, *, a_day: bool = True) -> str:
    """A picture of a curve: alerts (a day, or in all) for each value, and where hits are known, how many are found.

    Numbers stand beside each other; what is left out of a list below each other, since its items can be long. The value
    that the rule has now is marked. The picture has a title and, as its description, all of its numbers, for those who
    do not see it; text and axes take the colour of the text around it (`currentColor`).
    """
    points = curve.points
    numbers = [point.alerts_a_day if a_day else float(point.alerts) for point in points]
    most = max([*numbers, 1e-9])
    height = HEIGHT if curve.numeric else ROWS_TOP + ROW * len(points) + ROWS_BOTTOM
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "width": str(WIDTH),
            "height": str(height),
            "role": "img",
            "class": NAME,
        },
    )
    SubElement(root, "title").text = f"Alerts by {curve.parameter}"
    SubElement(root, "desc").text = _description(curve, numbers, a_day=a_day)
    SubElement(root, "style").text = STYLE
    known = bool(curve.known) and all(point.found is not None for point in points)
    parts = {"alerts": [number / most for number in numbers]}
    if known:
        parts["found"] = [(point.found or 0) / curve.known for point in points]
    if curve.numeric:
        _beside(root, curve, parts, most)
    else:
        _below(root, curve, parts, most)
    _legend(root, curve, a_day=a_day, known=known)
    return tostring(root, encoding="unicode") + "\n"


def _beside(root: Element, curve: Curve, parts: Mapping[str, Sequence[float]], most: float) -> None:
    """Values from left to right, with a line through each kind of number."""
    xs = [_x(number, len(curve.points)) for number in range(len(curve.points))]
    _axes(root, curve, xs, most, known="found" in parts)
    for kind, heights in parts.items():
        places = [(x, _y(part)) for x, part in zip(xs, heights, strict=True)]
        SubElement(root, "polyline", {"class": kind, "points": " ".join(f"{x},{y}" for x, y in places)})
        _dots(root, kind, places, "3")


def _below(root: Element, curve: Curve, parts: Mapping[str, Sequence[float]], most: float) -> None:
    """A row for each item that is left out, with a dot for each kind of number."""
    bottom = ROWS_TOP + ROW * len(curve.points)
    for part in (0.0, 0.5, 1.0):
        x = _across(part)
        SubElement(root, "line", {"class": "axis", "x1": str(x), "x2": str(x), "y1": str(ROWS_TOP), "y2": str(bottom)})
        shown = f"{most * part:.3g}" if most > 1e-9 else "0"
        _text(root, x, bottom + 16, shown, text_anchor="middle")
        if "found" in parts:
            _text(root, x, ROWS_TOP - 6, f"{curve.known * part:.3g}", text_anchor="middle")
    for number, point in enumerate(curve.points):
        y = ROWS_TOP + ROW * number + ROW // 2
        if point.default:
            line = {"class": "now", "x1": str(_across(0)), "x2": str(_across(1)), "y1": str(y), "y2": str(y)}
            SubElement(root, "line", line)
        label = point.label if len(point.label) <= LETTERS else point.label[: LETTERS - 1] + "…"
        _text(root, _across(0) - 10, y + 4, label, text_anchor="end")
        for at, (kind, lengths) in enumerate(parts.items()):
            _dots(root, kind, [(_across(lengths[number]), y - 2.5 + 5 * at)], "4")
    _text(
        root,
        (_across(0) + _across(1)) / 2,
        bottom + 36,
        f"alerts, by what is in {curve.parameter}",
        text_anchor="middle",
    )


def _across(part: float) -> float:
    return round(ROWS_LEFT + part * (WIDTH - RIGHT - ROWS_LEFT), 1)


def _x(number: int, count: int) -> float:
    step = (WIDTH - LEFT - RIGHT) / max(1, count)
    return round(LEFT + step * (number + 0.5), 1)


def _y(part: float) -> float:
    return round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 1)


def _description(curve: Curve, numbers: Sequence[float], *, a_day: bool) -> str:
    unit = "alerts a day" if a_day else "alerts"

    def said(point: Point, number: float) -> str:
        now = " (now)" if point.default else ""
        found = f", {point.found} of {curve.known} known hits" if curve.known and point.found is not None else ""
        return f"{point.label}{now}: {number:.4g} {unit}{found}"

    return "; ".join(said(point, number) for point, number in zip(curve.points, numbers, strict=True))


def _text(root: Element, x: float, y: float, text: str, **attributes: str) -> None:
    given = {name.replace("_", "-"): value for name, value in attributes.items()}
    SubElement(root, "text", {"x": str(x), "y": str(y), **given}).text = text


def _axes(root: Element, curve: Curve, xs: Sequence[float], most: float, *, known: bool) -> None:
    for part in (0.0, 0.5, 1.0):
        y = _y(part)
        across = {"x1": str(LEFT), "x2": str(WIDTH - RIGHT), "y1": str(y), "y2": str(y)}
        SubElement(root, "line", {"class": "axis", **across})
        _text(root, LEFT - 6, y + 4, f"{most * part:.3g}" if most > 1e-9 else "0", text_anchor="end")
        if known:
            _text(root, WIDTH - RIGHT + 6, y + 4, f"{curve.known * part:.3g}")
    for x, point in zip(xs, curve.points, strict=True):
        if point.default:
            line = {"class": "now", "x1": str(x), "x2": str(x), "y1": str(_y(1)), "y2": str(_y(0))}
            SubElement(root, "line", line)
        _text(root, x, _y(0) + 16, point.label, text_anchor="middle")
    unit = f" ({curve.unit})" if curve.unit else ""
    _text(root, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, f"{curve.parameter}{unit}", text_anchor="middle")


def _dots(root: Element, kind: str, places: Sequence[tuple[float, float]], radius: str) -> None:
    for x, y in places:
        SubElement(root, "circle", {"class": f"{kind}-dot", "cx": str(x), "cy": str(y), "r": radius})


def _legend(root: Element, curve: Curve, *, a_day: bool, known: bool) -> None:
    entries = [("alerts", "alerts a day" if a_day else "alerts")]
    if known:
        where = "right" if curve.numeric else "above"
        entries.append(("found", f"known hits found, of {curve.known} ({where})"))
    if curve.default:
        entries.append(("now", f"now: {curve.default.label}"))
    x = float(LEFT)
    for kind, text in entries:
        SubElement(root, "line", {"class": kind, "x1": str(x), "x2": str(x + 24), "y1": "16", "y2": "16"})
        _text(root, x + 30, 20, text)
        x += 50 + 7 * len(text)
