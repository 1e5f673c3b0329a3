"""The errors by which a pipeline says that a platform cannot answer a rule, and what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigma.exceptions import SigmaTransformationError

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.rule import SigmaRule


class PlatformRefusalError(SigmaTransformationError):
    """A rule that a platform cannot answer. `code` is one of `polysigma.refusals.RefusalCode`."""

    def __init__(
        self, message: str, *, code: str, field: str | None = None, reason: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.reason = reason or message
        self.hint = hint

    @classmethod
    def of(
        cls,
        rule: SigmaRule | SigmaCorrelationRule,
        what: str,
        code: str,
        reason: str,
        *,
        hint: str | None = None,
        field: str | None = None,
    ) -> PlatformRefusalError:
        """The error for `rule`: what is refused, its code, the reason and what would be right."""
        name = " ".join((rule.title or rule.name or str(rule.id or "without a title")).split())
        message = f'rule "{name}": {what} ({code}): {reason}'
        full = f"{message}; use instead: {hint}" if hint else message
        return cls(full, code=str(code), field=field, reason=reason, hint=hint)
