"""What a site knows about the hits on its own data, as a file:

    malicious:
        - {Computer: ws-19, DestinationIp: 203.0.113.67}
    benign:
        - {DestinationIp: 198.51.100.9}

Each entry gives some fields of a hit by the names that the rule uses; a hit that has all of its values is meant. Text
is compared without regard to case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.source import read_file
from polysigma.tune.curves import fits
from polysigma.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from polysigma.replay import Hit

Some = Annotated[dict[StrictStr, StrictBool | StrictInt | StrictFloat | StrictStr], Field(min_length=1)]


class LabelFile(BaseModel):
    """Hits that are known to be malicious, and such as are known to be benign."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    malicious: list[Some] = []
    """Hits that must not get lost."""
    benign: list[Some] = []
    """Hits that are false alarms."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known; see `polysigma.tune.curves.Known`."""

    bad: tuple[Mapping[str, Any], ...] = ()
    good: tuple[Mapping[str, Any], ...] = ()

    @property
    def malicious(self) -> int | None:
        return len(self.bad) or None

    def found(self, hits: Iterable[Hit]) -> int:
        return len(self.named(hits))

    def named(self, hits: Iterable[Hit]) -> list[Mapping[str, Any]]:
        """The malicious ones that are among some hits."""
        kept = list(hits)
        return [one for one in self.bad if any(fits(hit, one) for hit in kept)]

    def false(self, hits: Iterable[Hit]) -> int | None:
        if not self.good:
            return None
        return sum(any(fits(hit, one) for one in self.good) for hit in hits)


def read_labels(path: str | Path) -> Labels:
    """A label file. Raises PolysigmaError with the place of every fault."""
    documents = read_file(path)
    if len(documents) != 1:
        hint = "malicious: [{Computer: ws-19, DestinationIp: 203.0.113.67}]"
        raise PolysigmaError(Diagnostic("labels", "holds one YAML map", hint, str(path)))
    model = validate(LabelFile, documents[0], "labels")
    return Labels(tuple(model.malicious), tuple(model.benign))
