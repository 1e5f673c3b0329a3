"""KQL, the Kusto Query Language of Microsoft Defender XDR and Microsoft Sentinel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.fidelity import approximately
from polysigma.plan.steps import Annotate, Group, Plan, all_steps

from .printer import OWN_ESTIMATE, Job, Printer

if TYPE_CHECKING:
    from polysigma.fidelity import Loss
    from polysigma.plan.steps import Measure


class KqlPrinter(Printer):
    """Prints plans as KQL, one operator a line."""

    needs_time = True

    def print(self, job: Job) -> str:
        from .kql_query import Query

        return self.head(job.header) + Query(job).text()

    def losses(self, plan: Plan) -> tuple[Loss, ...]:
        steps = (step for step in all_steps(plan.steps) if isinstance(step, Group | Annotate))
        measures: list[Measure] = [measure for step in steps for measure in step.measures]
        return tuple(
            approximately(f"{measure.name} is Kusto's estimate of a percentile", OWN_ESTIMATE)
            for measure in measures
            if measure.function in {"median", "percentile"}
        )
