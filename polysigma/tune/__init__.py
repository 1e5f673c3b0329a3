"""How a rule's parameters and exclusions change what it raises: on recorded history, or on its own scenarios.

Light to import; what is heavy is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.tune.model import Curve, Point

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Curve", "Point", "sensitivity"]


def sensitivity(rule: str, *, progress: Callable[[float], None] | None = None) -> list[Curve]:
    """A curve for each parameter of a rule, measured on the scenarios beside it.

    `rule` is what the command line takes: a folder, a file, or the name of a packaged detection. `progress` is called
    with the part that is done, from 0 to 1. Each curve holds points in the order of their values, the value that the
    rule has marked as `default`; each point says how many `alerts` it raises in all scenarios together, how many of
    the hits that scenarios expect it has `found` (of `curve.known`), and how many alerts no scenario names (`false`).
    A rule without parameters has no curves. `polysigma.tune.svg.curve_svg(curve)` draws one.

    The scenarios are rendered as Sysmon's events and run with DuckDB, which must be installed (extra `run`); takes
    some seconds. Where these cannot answer the rule (it looks at a firewall's log), they are rendered for the first
    platform that can, and evaluated naively. What numbers on scenarios are worth: they show at which value a parameter
    begins to cost hits or to raise false ones, not how many alerts a network has. Raises PolysigmaError without
    scenarios, without DuckDB, and for a rule that no platform can say.
    """
    from polysigma.tune.scenarios import curves_on_scenarios

    return curves_on_scenarios(rule, progress=progress)[0]
