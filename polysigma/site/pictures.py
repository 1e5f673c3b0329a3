"""A picture of a detection's own scenario: what it finds, beside ordinary traffic, as the rule sees both.

Every lane is a host and what it talks to, looks up or starts; every mark on it one or more events. Whether the rule's
condition takes an event is asked of the plan, by the naive evaluator, on the row that a platform would hold of it; so
the picture shows what the rule looks at, and not what somebody thought it would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from polysigma.engines.reference.evaluate import search
from polysigma.site.markup import code, text, worded
from polysigma.telemetry import RENDERERS, SCENARIOS, generate, load_scenarios, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from polysigma.plan.steps import Plan
    from polysigma.site.model import Detection
    from polysigma.telemetry import Scenario
    from polysigma.telemetry.events import AnyEvent

_PREFERRED = ("sysmon_json", "splunk_sysmon", "falcon")
"""Platforms whose rows are one for an event, the first that has a query counts; then whichever has one."""
_MOST_EVENTS = 6_000
"""Events of a scenario that are looked at: enough for a picture, few enough for a build of seconds."""
_HITS, _OTHERS = 3, 5
"""Lanes of each kind that are drawn; the text says how many there are besides."""
_LEFT, _WIDTH, _LANE = 8, 640, 34


@dataclass(slots=True)
class Lane:
    """What one host did with one other thing."""

    label: str
    hit: bool = False
    taken: list[float] = field(default_factory=list)
    """When events came that the rule's condition takes."""
    passed: list[float] = field(default_factory=list)
    """When others came."""

    @property
    def kind(self) -> str:
        return "hit" if self.hit else "taken" if self.taken else "passed"

    @property
    def says(self) -> str:
        count = len(self.taken) + len(self.passed)
        words = {"hit": "a hit", "taken": "taken by the condition, no hit", "passed": "not taken by the condition"}
        return f"{count} {'event' if count == 1 else 'events'}: {words[self.kind]}"


@lru_cache(maxsize=8)
def _picture(path: Path, platform: str, plan: Plan) -> str:
    scenarios = load_scenarios(path)
    chosen = _chosen(scenarios)
    if chosen is None:
        return ""
    lanes = _lanes(chosen, platform, plan)
    others = [lane for lane in lanes if not lane.hit]
    beside = next((one for one in scenarios if one.miss and not one.hit and one.span == chosen.span), None)
    if not others and beside is not None:
        others = [lane for lane in _lanes(beside, platform, plan) if not lane.hit]
    hits = [lane for lane in lanes if lane.hit]
    return _drawn(chosen, beside if others and others[0] not in lanes else None, hits, others) if hits else ""


def picture(detection: Detection) -> str:
    """The picture as SVG, or nothing where there is no scenario with a hit, or no platform whose rows can be shown."""
    path = detection.file.path.with_name(SCENARIOS)
    platform, plan = _plan(detection)
    return _picture(path, platform, plan) if plan is not None and path.is_file() else ""


def _plan(detection: Detection) -> tuple[str, Plan | None]:
    compiled = {one.platform: one.compiled for one in detection.on if one.compiled and one.platform in RENDERERS}
    for name in (*_PREFERRED, *compiled):
        found = compiled.get(name)
        if found:
            return name, found.plan
    return "", None


def _chosen(scenarios: list[Scenario]) -> Scenario | None:
    """The scenario with a hit that shows most kinds of traffic beside it, of a network that is small enough to draw."""
    hits = [one for one in scenarios if one.hit]
    able = [one for one in hits if not one.oddities and len(one.hosts) <= 10 and one.span <= 3 * 86_400] or hits

    def worth(one: Scenario) -> tuple[int, int, int]:
        kinds = {traffic.kind for traffic in one.traffic}
        return min(len(kinds), 4), min(len(one.traffic), 4), -scenarios.index(one)

    return max(able, key=worth, default=None)


def _lanes(scenario: Scenario, platform: str, plan: Plan) -> list[Lane]:
    """The lanes of a scenario, those with most events first."""
    found: dict[str, Lane] = {}
    for event, taken in _seen(scenario, platform, plan):
        fields = event.fields()
        lane = found.setdefault(_label(fields), Lane(_label(fields)))
        (lane.taken if taken else lane.passed).append(event.time)
        lane.hit = lane.hit or (taken and any(_meets(fields, one) for one in scenario.hit))
    return sorted(found.values(), key=lambda lane: (-len(lane.taken), -len(lane.passed), lane.label))


def _seen(scenario: Scenario, platform: str, plan: Plan) -> Iterator[tuple[AnyEvent, bool]]:
    """The events that the platform records, each with whether the plan's search takes it."""
    now: list[AnyEvent] = []
    recorded: set[int] = set()
    events: list[AnyEvent] = []

    def rows() -> Iterable[dict[str, Any]]:
        for number, event in enumerate(generate(scenario)):
            if number >= _MOST_EVENTS:
                return
            events.append(event)
            now[:] = [event]
            for row in render([event], platform):
                recorded.add(id(event))
                yield row

    # The search takes row by row, so what it finds is of the event that was rendered last.
    taken = {id(now[0]) for _ in search(plan, rows())}
    categories = {event.category for event in events if id(event) in taken}
    for event in events:
        if id(event) in recorded and (event.category in categories or not categories):
            yield event, id(event) in taken


def _label(fields: dict[str, Any]) -> str:
    host = fields.get("Computer") or "?"
    if "QueryName" in fields:
        return f"{host} looks up {fields['QueryName']}"
    if "DestinationIp" in fields:
        return f"{host} to {fields['DestinationIp']} port {fields.get('DestinationPort', '?')}"
    if "dst_ip" in fields:
        return f"{fields.get('src_ip', '?')} to {fields['dst_ip']} port {fields.get('dst_port', '?')}"
    return f"{host} starts {str(fields.get('Image', '?')).rpartition(chr(92))[2]}"


def _meets(fields: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether an event is of a hit: equal in every field that both have, and they have one in common.

    Numbers of a hit, as a score, are of no event.
    """
    common = [name for name in expected if name in fields]
    return bool(common) and all(str(fields[name]).lower() == str(expected[name]).lower() for name in common)


def _drawn(scenario: Scenario, beside: Scenario | None, hits: list[Lane], others: list[Lane]) -> str:
    shown = [*hits[:_HITS], *others[:_OTHERS]]
    start, end = _span(shown)
    height = len(shown) * _LANE + 24
    parts = [_lane(lane, number, start, end) for number, lane in enumerate(shown)]
    parts.append(_axis(height - 20, scenario.begin, start, end))
    told = "; ".join(f"{lane.label}, {lane.says}" for lane in shown)
    more = len(hits) + len(others) - len(shown)
    rest = f" {more} more are not drawn." if more else ""
    more_of = f", and beside it {code(beside.name)}" if beside else ""
    return (
        f'<figure><div class=wide tabindex=0><svg class=scenario role=img aria-labelledby="picture-title picture-desc" '
        f'width={_WIDTH} height={height} viewBox="0 0 {_WIDTH} {height}"><title id="picture-title">What the rule sees'
        f'</title><desc id="picture-desc">{text(told)}.</desc>{"".join(parts)}</svg></div>'
        f"<figcaption>Scenario {code(scenario.name)}{more_of}"
        + (f": {worded(scenario.about)}" if scenario.about else "")
        + f" Each mark is one or more events.{rest}</figcaption></figure>"
    )


def _span(lanes: list[Lane]) -> tuple[float, float]:
    """The time that is drawn: from the first event to the last, with a little around."""
    times = [time for lane in lanes for time in (*lane.taken, *lane.passed)]
    first, last = min(times), max(times)
    around = max((last - first) * 0.02, 30)
    return first - around, last + around


def _lane(lane: Lane, number: int, start: float, end: float) -> str:
    top = number * _LANE
    runs = []
    for kind, times in (("passed", lane.passed), (lane.kind, lane.taken)):
        drawn = _marks(times, start, end)
        runs.append(f'<path class="mark {kind}" d="M0 {top + 23}{drawn}"/>' if drawn else "")
    return (
        f"<text x={_LEFT} y={top + 13}>{text(lane.label[:70])} · {lane.says}</text>"
        f'<path class=track d="M{_LEFT} {top + 28}h{_WIDTH - 2 * _LEFT}"/>{"".join(runs)}'
    )


def _marks(times: Iterable[float], start: float, end: float) -> str:
    """Marks as one line with gaps, which takes a third of the letters of as many rectangles."""
    pieces, at = [], 0
    for left, width in _runs(times, start, end):
        pieces.append(f"m{left - at} 0h{width}")
        at = left + width
    return "".join(pieces)


def _runs(times: Iterable[float], start: float, end: float) -> Iterator[tuple[int, int]]:
    """Where marks are, two pixels each, put together where they touch: left and width."""
    scale = (_WIDTH - 2 * _LEFT - 2) / (end - start)
    places = sorted({_LEFT + int((time - start) * scale) for time in times})
    left = right = -9
    for place in places:
        if place > right + 1:
            if left >= 0:
                yield left, right - left + 2
            left = place
        right = place
    if left >= 0:
        yield left, right - left + 2


_STEPS = (60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800)


def _axis(top: int, begin: float, start: float, end: float) -> str:
    """Hours and minutes since the scenario began, at most eight of them."""
    step = next((one for one in _STEPS if (end - start) / one <= 8), _STEPS[-1])
    first = begin + -(-(start - begin) // step) * step
    parts = []
    while first <= end:
        x = _LEFT + int((first - start) * (_WIDTH - 2 * _LEFT - 2) / (end - start))
        minutes = round((first - begin) / 60)
        shown = f"{minutes // 60}:{minutes % 60:02d}"
        anchor = " text-anchor=end" if x > _WIDTH - 40 else ""
        parts.append(f'<path class=track d="M{x} {top}v4"/><text x={x} y={top + 16}{anchor}>{shown}</text>')
        first += step
    return "".join(parts)
