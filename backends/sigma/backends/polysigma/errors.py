"""The errors for what a target cannot say, and for rules whose own steps are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigma.exceptions import SigmaBackendError, SigmaFeatureNotSupportedByBackendError

if TYPE_CHECKING:
    from polysigma.plan.faults import PlanError


def unsupported(message: str) -> SigmaFeatureNotSupportedByBackendError:
    """The error for what no language of ours can say (yet); `sigma convert -s` skips the rule."""
    return SigmaFeatureNotSupportedByBackendError(message)


class PlanRefusedError(SigmaBackendError):
    """A rule's own steps are wrong. Holds the faults, whose paths start at the rule's `polysigma` map."""

    def __init__(self, message: str, error: PlanError) -> None:
        super().__init__(message)
        self.plan_error = error
