"""The error for what a target cannot say."""

from __future__ import annotations

from sigma.exceptions import SigmaFeatureNotSupportedByBackendError


def unsupported(message: str) -> SigmaFeatureNotSupportedByBackendError:
    """The error for what no language of ours can say (yet); `sigma convert -s` skips the rule."""
    return SigmaFeatureNotSupportedByBackendError(message)
