"""What the parts of a query share: what is assumed, what was met on the way, and how something is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.cql.assumptions import assumptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polysigma.cql import tree
    from polysigma.engines.cql.values import Value


def refuse(node: tree.Node, message: str, hint: str | None = None) -> NoReturn:
    """Raises PolysigmaError for what this engine does not evaluate, with its place in the query."""
    raise PolysigmaError(Diagnostic("cql-unsupported", message, hint, at=node.at))


class Context:
    """One query: what it flips, and, while it runs, what it met."""

    def __init__(self, flip: frozenset[str] = frozenset(), lookups: Mapping[str, Sequence[str]] | None = None) -> None:
        known = assumptions()
        unknown = sorted(name for name in flip if name not in known or not known[name].flips)
        if unknown:
            raise ValueError(f"no assumption that can be flipped: {', '.join(unknown)}")
        self.flip = flip
        self.lookups = lookups or {}
        self.compiled: set[str] = set()
        """Assumptions that the text of the query relies on, whatever the data."""
        self.met: set[str] = set()
        self.warnings: dict[str, None] = {}
        self.incomplete = False
        self.aggregated = False
        """Whether an aggregate stands before the step that is being compiled."""
        self.now = 0.0
        self.event: Mapping[str, Value] = {}
        """The event being looked at as it came, which is what free text is searched in."""

    def reset(self, now: float) -> None:
        """Before a run."""
        self.met.clear()
        self.warnings.clear()
        self.incomplete = False
        self.now = now

    def flipped(self, name: str) -> bool:
        """Whether the alternative to an assumption is to be evaluated."""
        assert name in assumptions(), name
        return name in self.flip

    def meet(self, name: str) -> None:
        """Notes that the result may hang on an assumption."""
        self.met.add(name)

    def warn(self, message: str, *, incomplete: bool = False) -> None:
        """A warning, as the product would show one with the result."""
        self.warnings[message] = None
        self.incomplete = self.incomplete or incomplete
