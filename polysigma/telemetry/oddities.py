"""What goes wrong between an event and its row: late, twice, in another case, or with a field missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from polysigma.schemas import load
from polysigma.telemetry.events import NetworkConnection
from polysigma.telemetry.traffic.base import Scoped
from polysigma.telemetry.values import Share, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from polysigma.telemetry.events import Event


class Oddity(Scoped):
    """Something odd about the events of some hosts in a part of the span."""

    share: Share = 1.0
    """The share of the events that it happens to."""

    def change(self, events: Iterable[Event], rng: Random, start: float, end: float) -> Iterator[Event]:
        """The events of one stream, changed where they fall within [start, end); their order stays."""
        share = self.share
        for event in events:
            if start <= event.time < end and rng.random() < share:
                yield from self.odd(event, rng, end)
            else:
                yield event

    def odd(self, event: Event, rng: Random, end: float) -> tuple[Event, ...]:
        """What becomes of an event that it happens to."""
        raise NotImplementedError


class Offline(Oddity):
    """A host without a connection to its platform: what it records then arrives in one batch when the window ends."""

    kind: Literal["offline"]

    def odd(self, event: Event, rng: Random, end: float) -> tuple[Event, ...]:
        return (replace(event, arrival=end + 5 * rng.random()),)


class Duplicates(Oddity):
    """Rows that are delivered twice."""

    kind: Literal["duplicates"]

    def odd(self, event: Event, rng: Random, end: float) -> tuple[Event, ...]:  # noqa: ARG002
        return event, event


class Missing(Oddity):
    """Rows that lost fields on their way, by Sigma names: absent, or an empty text."""

    kind: Literal["missing"]
    fields: list[str] = Field(min_length=1)
    as_: Literal["absent", "empty"] = Field(default="absent", alias="as")

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: list[str]) -> list[str]:
        known = load("sigma").columns()
        for name in fields:
            if name not in known:
                raise refusal(f"{name!r} is not a field of the Sigma taxonomy")
        return fields

    def odd(self, event: Event, rng: Random, end: float) -> tuple[Event, ...]:  # noqa: ARG002
        value = "" if self.as_ == "empty" else None
        return (replace(event, overrides=(*event.overrides, *((field, value) for field in self.fields))),)


class MixedCase(Oddity):
    """Rows that write the host's name and the program in another case."""

    kind: Literal["mixed_case"]
    share: Share = 0.5

    def odd(self, event: Event, rng: Random, end: float) -> tuple[Event, ...]:  # noqa: ARG002
        other = {"Computer": event.host.name.swapcase(), "Image": event.process.image.upper()}
        if isinstance(event, NetworkConnection) and event.remote_name and event.initiated:
            other["DestinationHostname"] = event.remote_name.upper()
        return (replace(event, overrides=(*other.items(), *event.overrides)),)


AnyOddity = Annotated[Offline | Duplicates | Missing | MixedCase, Field(discriminator="kind")]
"""Any oddity, told by its `kind`."""
