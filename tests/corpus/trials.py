"""Events put together from a rule's own condition: one that it matches, and the same with one deciding value changed.

A platform is a `Recorder`: what of an event with Sigma's fields can be told from its row, and the row.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from . import naive
from .falcon import shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigma.rule import SigmaLogSource

MOST_WAYS = 3000
"""So many ways for a condition to hold are tried before a rule is given up."""


class Recorder(Protocol):
    """How a platform records an event; raises KeyError or ValueError for one that cannot be."""

    def seen(self, source: SigmaLogSource, event: naive.Event) -> naive.Event:
        """The event as far as its row tells it."""

    def row(self, source: SigmaLogSource, event: naive.Event) -> dict[str, Any]:
        """The row of an event of which no more is there than can be told."""


@dataclass(frozen=True)
class Trial:
    """An event, its row, and whether the rule matches it."""

    event: naive.Event
    row: dict[str, Any]
    wanted: bool


def trials(condition: Any, source: SigmaLogSource, recorder: Recorder) -> list[Trial]:
    """An event that the rule matches and its near misses; nothing where no such event can be put together."""
    match = matching(condition, source, recorder)
    if match is None:
        return []
    found = [Trial(match, recorder.row(source, match), wanted=True)]
    for event in changed(match):
        try:
            told = recorder.seen(source, event)
            row, wanted = recorder.row(source, told), naive.holds(condition, told)
        except (ValueError, KeyError):
            continue  # no event can hold such a value
        if told != match and row not in [trial.row for trial in found]:
            found.append(Trial(told, row, wanted))
    return found


def matching(condition: Any, source: SigmaLogSource, recorder: Recorder) -> naive.Event | None:
    """An event of which what can be told meets the condition."""

    def shaped(field: str, parts: tuple[str, str, str]) -> str:
        return shape(source.category or "", source.product, field, parts)

    def bare(field: str, parts: tuple[str, str, str]) -> str:
        del field
        return "".join(parts) or naive.FILLER

    for form in (shaped, bare):
        for tests in itertools.islice(naive.branches(condition), MOST_WAYS):
            try:
                told = recorder.seen(source, naive.event_for(tests, form))
                if naive.holds(condition, told):
                    recorder.row(source, told)
                    return told
            except (ValueError, KeyError):
                continue  # no event can hold such a value
    return None


def changed(event: naive.Event) -> Iterator[naive.Event]:
    """The event with another value of each field: longer, with another last letter, something else, none at all."""
    for field, text in event.items():
        last = "1" if text[-1:] == "0" else "0"
        for other in (f"{text}{naive.FILLER}9", text[:-1] + last, f"{naive.FILLER}9", text.swapcase()):
            yield {**event, field: other}
        yield {name: value for name, value in event.items() if name != field}
