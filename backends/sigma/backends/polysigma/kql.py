"""KQL, the Kusto Query Language of Microsoft Defender XDR and Microsoft Sentinel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.steps import Group, Plan

from .printer import Job, Printer

if TYPE_CHECKING:
    from polysigma.plan.steps import Measure


class KqlPrinter(Printer):
    """Prints plans as KQL, one operator a line."""

    needs_time = True

    def print(self, job: Job) -> str:
        from .kql_query import Query

        return self.head(job.header) + Query(job).text()

    def losses(self, plan: Plan) -> tuple[str, ...]:
        measures: list[Measure] = [m for step in plan.steps if isinstance(step, Group) for m in step.measures]
        return tuple(
            f"{measure.name} is Kusto's estimate of a percentile"
            for measure in measures
            if measure.function in {"median", "percentile"}
        )
