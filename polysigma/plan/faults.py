"""What is wrong with a plan, and where in its rule: a path into the YAML document and an offset in the scalar there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError, Position

if TYPE_CHECKING:
    from polysigma.source import Document


@dataclass(frozen=True, slots=True)
class Place:
    """Keys and indexes from the top of a YAML document, and line and column (from 1) in the text that stands there."""

    path: tuple[str | int, ...] = ()
    line: int = 1
    column: int = 1

    def position(self, document: Document) -> Position | None:
        """The place in the document's file."""
        from polysigma.plan.spelling import position_in_scalar

        return position_in_scalar(document, self.path, self.line, self.column) or document.at(*self.path)

    def __str__(self) -> str:
        path = ".".join(str(part) for part in self.path)
        return f"{path}, column {self.column}" if self.column > 1 else path


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, before its file is known."""

    code: str
    message: str
    hint: str | None = None
    place: Place | None = None

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def located(self, document: Document) -> Diagnostic:
        """The finding with its place in the document's file."""
        at = self.place.position(document) if self.place else document.at()
        return Diagnostic(self.code, self.message, self.hint, document.file, at)


class PlanError(Exception):
    """A rule's steps, parameters or expressions are not right. Holds every fault that was found."""

    def __init__(self, *faults: Fault) -> None:
        if not faults:
            raise ValueError("a PlanError needs at least one fault")
        self.faults = faults
        super().__init__("; ".join(str(fault) for fault in faults))

    def located(self, document: Document) -> PolysigmaError:
        """The same faults as findings in the document's file."""
        return PolysigmaError(*(fault.located(document) for fault in self.faults))

    def below(self, *path: str | int) -> PlanError:
        """The same faults with `path` put before theirs."""
        return PlanError(
            *(
                replace(fault, place=replace(fault.place or Place(), path=(*path, *(fault.place or Place()).path)))
                for fault in self.faults
            )
        )


def fault(code: str, message: str, at: Place | None, hint: str | None = None) -> PlanError:
    """A PlanError with one fault."""
    return PlanError(Fault(code, message, hint, at))
