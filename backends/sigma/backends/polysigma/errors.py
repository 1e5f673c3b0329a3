"""The errors for what a target cannot say, and for rules whose own steps are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigma.exceptions import SigmaBackendError, SigmaFeatureNotSupportedByBackendError

from polysigma.refusals import RefusalCode

if TYPE_CHECKING:
    from polysigma.plan.faults import PlanError


class UnsupportedError(SigmaFeatureNotSupportedByBackendError):
    """What a language of ours cannot say (yet); `sigma convert -s` skips the rule. `code` says why."""

    def __init__(self, message: str, *, code: RefusalCode) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


def unsupported(code: RefusalCode, message: str) -> UnsupportedError:
    """The error for what cannot be said, with its code."""
    return UnsupportedError(message, code=code)


class PlanRefusedError(SigmaBackendError):
    """A rule's own steps are wrong. Holds the faults, whose paths start at the rule's `polysigma` map."""

    code = RefusalCode.WRONG_STEPS

    def __init__(self, message: str, error: PlanError) -> None:
        super().__init__(message)
        self.plan_error = error
