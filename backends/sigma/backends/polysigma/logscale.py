"""CQL, the query language of CrowdStrike LogScale and Falcon Next-Gen SIEM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.fidelity import approximately
from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import Call, Expression
from polysigma.plan.steps import (
    Annotate,
    Group,
    Plan,
    Previous,
    all_steps,
    narrowest_bucket,
    widest_bucket,
)

from .logscale_query import BUCKET_FORMATS, MAX_ROWS, Query
from .printer import HUNTS, OWN_ESTIMATE, Job, Printer, called

if TYPE_CHECKING:
    from polysigma.fidelity import Loss

MAX_GROUPS = 1_000_000
"""`groupBy(limit=max)`; beyond it LogScale marks the result as incomplete (documentation of groupBy)."""


class LogScalePrinter(Printer):
    """Prints plans as CQL, one step a line."""

    annotates_groups_only = True

    def print(self, job: Job) -> str:
        return self.head(job.header) + Query(job).text()

    def losses(self, plan: Plan) -> tuple[Loss, ...]:
        found = []
        groups = [step for step in all_steps(plan.steps) if isinstance(step, Group) and step.by]
        if groups:
            reason = (
                f"exact up to {MAX_GROUPS:,} combinations of {', '.join(groups[0].by)}; "
                "LogScale warns that the result is incomplete beyond"
            )
            found.append(approximately(reason, f"it takes more than {MAX_GROUPS:,} events, each of a group of its own"))
            limit = f"shows at most {MAX_ROWS:,} rows, the limit of table()"
            found.append(approximately(limit, f"it takes more than {MAX_ROWS:,} hits in one window"))
        for step in all_steps(plan.steps):
            for measure in step.measures if isinstance(step, Group | Annotate) else ():
                if measure.function in {"distinct", "distinct_if"}:
                    reason = f"{measure.name} is LogScale's estimate of a distinct count, within 2 %"
                    found.append(approximately(reason, OWN_ESTIMATE))
                elif measure.function in {"median", "percentile"}:
                    reason = f"{measure.name} is LogScale's estimate of a percentile"
                    found.append(approximately(reason, OWN_ESTIMATE))
            if isinstance(step, Previous) and (plan.window or 0) > MAX_ROWS * narrowest_bucket(plan.steps):
                reason = (
                    f"of a key the first {MAX_ROWS:,} rows are kept, the limit of sort(); those after them are left out"
                )
                found.append(approximately(reason, f"it takes more than {MAX_ROWS:,} rows of one key"))
        if any(_reads_address(value) for source in plan.sources for _, value in source.derived):
            reason = "an IPv4-mapped address in hexadecimal digits (::ffff:c000:201) stays an IPv6 address"
            found.append(approximately(reason))
        if "network" in called(plan.steps):
            found.append(approximately("networks of IPv6 addresses are told apart by how the addresses are spelled"))
        widest = widest_bucket(plan.steps)
        if widest and widest not in BUCKET_FORMATS:
            width = format_duration(widest)
            reason = f"a hunt can end inside a bucket of {width}, which then counts only its part"
            found.append(approximately(reason, HUNTS))
        return tuple(found)


def _reads_address(value: Expression) -> bool:
    return isinstance(value, Call) and value.name == "address"
