"""The table in front of a query, for backends of others whose language starts with one (the official kusto)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigma.processing.postprocessing import QueryPostprocessingTransformation
from sigma.rule import SigmaRule

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule

    from polysigma.platform import Scope


@dataclass
class TableTransformation(QueryPostprocessingTransformation):
    """Puts the table of a rule's log source before its condition; our own backends print it themselves."""

    def apply(self, rule: SigmaRule | SigmaCorrelationRule, query: Any) -> Any:
        from polysigma.platform import BACKEND_VARIABLE, SCOPE_STATE

        super().apply(rule, query)
        pipeline = self._pipeline
        if pipeline is None or pipeline.vars.get(BACKEND_VARIABLE) or not isinstance(rule, SigmaRule):
            return query
        scope: Scope | None = pipeline.state.get(SCOPE_STATE)
        return query if scope is None else f"{scope.tables[0]}\n| where {query}"
