"""A curve as a picture: SVG without a library for plots, in the colours of the text around it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polysigma.tune.model import Curve, Point

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 40, 40, 64
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

    The value that the rule has now is marked. The picture has a title and, as its description, all of its numbers, for
    those who do not see it; text and axes take the colour of the text around it (`currentColor`).
    """
    points = curve.points
    numbers = [point.alerts_a_day if a_day else float(point.alerts) for point in points]
    most = max([*numbers, 1e-9])
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {HEIGHT}",
            "width": str(WIDTH),
            "height": str(HEIGHT),
            "role": "img",
            "class": NAME,
        },
    )
    SubElement(root, "title").text = f"Alerts by {curve.parameter}"
    SubElement(root, "desc").text = _description(curve, numbers, a_day=a_day)
    SubElement(root, "style").text = STYLE
    xs = [_x(number, len(points)) for number in range(len(points))]
    known = bool(curve.known) and all(point.found is not None for point in points)
    _axes(root, curve, xs, most, known=known)
    places = [(x, _y(number / most)) for x, number in zip(xs, numbers, strict=True)]
    _places(root, "alerts", places, line=curve.numeric)
    if known:
        places = [(x, _y((p.found or 0) / curve.known)) for x, p in zip(xs, points, strict=True)]
        _places(root, "found", places, line=curve.numeric)
    _legend(root, curve, a_day=a_day, known=known)
    return tostring(root, encoding="unicode") + "\n"


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
    crowded = len(xs) > 12
    for x, point in zip(xs, curve.points, strict=True):
        if point.default:
            line = {"class": "now", "x1": str(x), "x2": str(x), "y1": str(_y(1)), "y2": str(_y(0))}
            SubElement(root, "line", line)
        label = point.label.removeprefix("without ")
        turned = {"transform": f"rotate(-40 {x} {_y(0) + 14})"} if crowded else {}
        _text(root, x, _y(0) + 16, label, text_anchor="end" if crowded else "middle", **turned)
    without = "" if curve.numeric else ", without"
    unit = f" ({curve.unit})" if curve.unit and curve.numeric else ""
    _text(root, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, f"{curve.parameter}{unit}{without}", text_anchor="middle")


def _places(root: Element, kind: str, places: Sequence[tuple[float, float]], *, line: bool) -> None:
    """Dots, and a line through them where there is something between two of them."""
    if line:
        joined = " ".join(f"{x},{y}" for x, y in places)
        SubElement(root, "polyline", {"class": kind, "points": joined})
    for x, y in places:
        SubElement(root, "circle", {"class": f"{kind}-dot", "cx": str(x), "cy": str(y), "r": "3" if line else "5"})


def _legend(root: Element, curve: Curve, *, a_day: bool, known: bool) -> None:
    entries = [("alerts", "alerts a day" if a_day else "alerts")]
    if known:
        entries.append(("found", f"known hits found, of {curve.known} (right)"))
    if curve.default:
        entries.append(("now", f"now: {curve.default.label}"))
    x = float(LEFT)
    for kind, text in entries:
        SubElement(root, "line", {"class": kind, "x1": str(x), "x2": str(x + 24), "y1": "16", "y2": "16"})
        _text(root, x + 30, 20, text)
        x += 50 + 7 * len(text)
