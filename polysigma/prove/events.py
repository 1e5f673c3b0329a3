"""What the hits of a rule without steps are: events, told by the fields that its scenarios name."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from polysigma.plan.expressions import TRUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polysigma.plan.steps import Plan

_RULE = "polysigma_rule"


def shown(document: Mapping[Any, Any], names: Iterable[str], platform: str, target: str) -> Plan | None:
    """A plan whose outputs are the fields `names` of the events of a rule, and whose search takes every row.

    `document` is the rule. A field that the platform does not have is left out. None where it has none of them.
    """
    wanted = list(dict.fromkeys(names))
    plan = _grouped(document, wanted, platform, target)
    if plan is None:
        known = [name for name in wanted if _grouped(document, [name], platform, target)]
        plan = _grouped(document, known, platform, target)
    if plan is None:
        return None
    return replace(
        plan,
        sources=tuple(replace(one, event=(), condition=TRUE) for one in plan.sources),
        steps=(),
        outputs=tuple(output for output in plan.outputs if output.role != "value"),
    )


def _grouped(document: Mapping[Any, Any], names: list[str], platform: str, target: str) -> Plan | None:
    """The plan of a correlation that groups the rule's events by these fields, which so are mapped as keys are."""
    from sigma.collection import SigmaCollection

    from sigma.backends.polysigma import backends
    from sigma.pipelines.polysigma import pipelines

    if not names:
        return None
    correlation: dict[str, Any] = {
        "title": "Fields",
        "correlation": {
            "type": "event_count",
            "rules": [_RULE],
            "group-by": names,
            "timespan": "24h",
            "condition": {"gte": 1},
        },
    }
    rules = SigmaCollection.from_dicts([{**copy.deepcopy(dict(document)), "name": _RULE}, correlation])
    backend = backends[target](pipelines[platform](), collect_errors=True, accept="blind", form="rule")
    backend.compiled = {}
    backend.convert(rules, correlation_method="portable")
    plans = [one.plan for several in backend.compiled.values() for one in several]
    return next((plan for plan in plans if plan.steps), None)
