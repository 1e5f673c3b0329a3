"""What the languages share: the contract of a printer, comments, and quoting of control characters."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polysigma.plan.expressions import Call, Constant, Node
from polysigma.plan.functions import NETWORKS
from polysigma.plan.steps import Branch, Measure, StepBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.fidelity import Loss
    from polysigma.plan.expressions import Expression
    from polysigma.plan.steps import Plan

REGISTRY_ROOTS = (
    (r"\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet[0-9]+", r"HKLM\SYSTEM\CurrentControlSet"),
    (r"\\REGISTRY\\MACHINE", "HKLM"),
    (r"\\REGISTRY\\USER", "HKU"),
)
"""How keys of the Windows kernel's begin, as patterns that disregard case, and what Sysmon writes for each (its
documentation, event 12). The first that a key begins with counts."""

Form = Literal["hunt", "rule"]
"""`hunt` states its time window in the query; `rule` leaves it to the platform's scheduler."""


@dataclass(frozen=True, slots=True)
class Job:
    """One plan to print: on the platform's columns, with the lines of its head comment."""

    plan: Plan
    header: tuple[str, ...]
    form: Form
    search_column: str
    """The column by which the platform limits a search in time."""
    carry: tuple[str, ...] = ()
    """Columns that the result must have of one and the same event, the latest, besides the search column."""


class Printer(ABC):
    """A language: it turns a plan into text, or refuses with a SigmaFeatureNotSupportedByBackendError."""

    comment = "// "
    annotates_groups_only = False
    """Whether the language can add a measure to rows only once they are grouped."""
    needs_time = False
    """Whether a plan with a window needs the time of each row for itself (SQL, which has no search window)."""

    def query(self, job: Job) -> str:
        """The query, printed anew or remembered: pipelines convert the same rules again and again."""
        if not job.plan.steps:
            # A rule of single events is printed in less time than it takes to know it again, and there are thousands.
            return self.print(job)
        key = (type(self), self.settings, job)
        if key not in _PRINTED:
            if len(_PRINTED) >= _REMEMBERED:
                _PRINTED.clear()
            _PRINTED[key] = self.print(job)
        return _PRINTED[key]

    @property
    def settings(self) -> tuple[str | None, ...]:
        """What the text depends on besides the job."""
        return ()

    @abstractmethod
    def print(self, job: Job) -> str:
        """The query. Nothing edits the text afterwards."""

    def losses(self, plan: Plan) -> tuple[Loss, ...]:
        """What the language itself makes approximate in this plan."""
        del plan
        return ()

    def head(self, lines: Iterable[str]) -> str:
        """The head comment, ended by a line end; text from the rule cannot leave it."""
        return "".join(f"{self.comment}{one_line(line)}\n" for line in lines)


OWN_ESTIMATE = "no page says which number near the true one the vendor's algorithm gives, so no engine here gives it"
HUNTS = "what is proven is the form that a scheduler runs, which begins and ends where the buckets do"
"""Why no scenario shows a loss of several languages."""

_PRINTED: dict[tuple[type[Printer], tuple[str | None, ...], Job], str] = {}
_REMEMBERED = 1000


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUP = "[0-9a-fA-F]{0,4}"


def network_pattern(bits: Expression, name: str = "") -> str:
    """A pattern whose first group is what `network` keeps of an address.

    A group of IPv6 may be empty: where addresses are as they were recorded, `::` is not written out.
    """
    assert isinstance(bits, Constant)
    assert isinstance(bits.value, int)
    kept = NETWORKS[bits.value]
    four, six = f"{_OCTET}(?:[.]{_OCTET}){{{kept - 1}}}", f"{_GROUP}(?::{_GROUP}){{{kept - 1}}}"
    return f"^({name}{four}|{six})(?:(?:[.]{_OCTET}){{{4 - kept}}}|:[0-9a-fA-F:]*)$"


PADDING = "(^|:)0{1,3}([0-9a-f])"
"""Zeros before a group of IPv6 that is written with all of its four digits; the last digit stays."""


def folded(text: str) -> str:
    """Text in lower case as the engines' lower() makes it: character by character, so that the length stays.

    Python's own lower() makes two characters of İ, and another sigma of one that ends a word.
    """
    if text.isascii():
        return text.lower()
    return "".join("i" if character == "\u0130" else character.lower() for character in text)


def one_line(text: str) -> str:
    """Text with every line end, control and invisible formatting character replaced by a blank."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+", " ", text).strip()


def called(item: object) -> Iterator[str]:
    """The functions that are called anywhere inside an expression, a step, or several of them."""
    if isinstance(item, Call):
        yield item.name
    if isinstance(item, tuple):
        for part in item:
            yield from called(part)
    elif isinstance(item, Node | StepBase | Measure | Branch):
        for name in item.__dataclass_fields__:
            yield from called(getattr(item, name))
