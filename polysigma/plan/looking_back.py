"""Whether rows are known to have an order in which there is one row before each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.expressions import Column
from polysigma.plan.steps import TIME_COLUMN, Annotate, Bucket, Derive, Group, Ordered, Previous, Score, Where

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from polysigma.plan.steps import Step


def ordered_by(steps: Sequence[Step], by: Collection[str]) -> tuple[str, ...]:
    """The columns of which no two rows of one key have the same value, as far as it can be told from the steps.

    They are the narrowest bucket of the last group, and the first or last time of an event that this group measured:
    events of different buckets have different times. For that, the group is by `by` and by buckets alone, of which
    the narrowest divides each other, and no step after it may change how many rows there are but by leaving some out.
    Empty where nothing can be told.
    """
    last = max((index for index, step in enumerate(steps) if isinstance(step, Group | Ordered)), default=None)
    if last is None:
        return ()
    group, after = steps[last], steps[last + 1 :]
    if not isinstance(group, Group) or not all(isinstance(step, _KEEPING) for step in after):
        return ()
    widths = {step.name: step.seconds for step in steps[:last] if isinstance(step, Bucket)}
    apart = [name for name in group.by if name not in by]
    if not apart or not set(by) <= set(group.by) or not widths.keys() >= set(apart):
        return ()
    narrowest = min(apart, key=lambda name: widths[name])
    if any(widths[name] % widths[narrowest] for name in apart):
        return ()
    first = not any(isinstance(step, Group) for step in steps[:last])
    times = [
        measure.name
        for measure in group.measures
        if first and measure.function in {"min", "max"} and measure.value == Column(TIME_COLUMN)
    ]
    return (narrowest, *times)


_KEEPING = Where | Derive | Annotate | Score | Previous
