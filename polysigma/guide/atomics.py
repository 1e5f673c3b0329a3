"""Atomic tests in the shape of Atomic Red Team, so that Invoke-AtomicRedTeam runs them as they are.

The layout is Atomic Red Team's own: `atomics/T1571/T1571.yaml` in the detection's folder. What its published model
(atomic_red_team/models.py in redcanaryco/atomic-red-team) refuses is refused here, and tests without a cleanup.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import UUID4, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from polysigma.guide.model import TechniqueId  # noqa: TC001  (pydantic reads annotations at run time)

OperatingSystem = Literal["windows", "linux", "macos"]
"""Those of Atomic Red Team's platforms that have an endpoint sensor."""
SHELLS = {
    "powershell": {"windows"},
    "command_prompt": {"windows"},
    "bash": {"linux", "macos"},
    "sh": {"linux", "macos"},
}
"""On which systems a shell is taken for granted."""
_ARGUMENT = re.compile(r"#{(.*?)}")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Argument(_Model):
    """A value that whoever runs the test may set."""

    description: StrictStr = Field(min_length=10)
    type: Literal["string", "integer", "url", "path", "float"]
    default: StrictStr | StrictInt | float


class Executor(_Model):
    """The commands of a test."""

    name: Literal["powershell", "command_prompt", "bash", "sh"]
    elevation_required: StrictBool = False
    command: StrictStr = Field(min_length=1)
    cleanup_command: StrictStr = Field(min_length=1)
    """Atomic Red Team lets it be missing; a test that cannot be undone is none of ours."""


class Atomic(_Model):
    """One test."""

    name: StrictStr = Field(min_length=5)
    auto_generated_guid: UUID4
    description: StrictStr = Field(min_length=20)
    supported_platforms: Annotated[list[OperatingSystem], Field(min_length=1)]
    input_arguments: dict[Annotated[StrictStr, Field(pattern=r"^[\w-]{2,}$")], Argument] = {}
    executor: Executor

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        used = set(_ARGUMENT.findall(self.executor.command + self.executor.cleanup_command))
        declared = set(self.input_arguments)
        if used - declared:
            raise ValueError(f"uses the arguments {sorted(used - declared)}, which are not declared")
        if declared - used:
            raise ValueError(f"declares the arguments {sorted(declared - used)}, which no command uses")
        strange = set(self.supported_platforms) - SHELLS[self.executor.name]
        if strange:
            raise ValueError(f"{self.executor.name} is not to be expected on {', '.join(sorted(strange))}")
        if "sudo" in self.executor.command and not self.executor.elevation_required:
            raise ValueError("uses sudo: set elevation_required")
        return self

    def command(self, cleanup: bool = False, **values: Any) -> str:  # noqa: FBT001, FBT002
        """The command (or that of the cleanup) with its arguments filled in, defaults where no value is given."""
        text = self.executor.cleanup_command if cleanup else self.executor.command
        filled = {name: argument.default for name, argument in self.input_arguments.items()} | values
        return _ARGUMENT.sub(lambda match: str(filled[match[1]]), text)


class AtomicFile(_Model):
    """The tests of one technique."""

    attack_technique: TechniqueId
    display_name: StrictStr = Field(min_length=5)
    """The technique as ATT&CK writes it, with its parent."""
    atomic_tests: Annotated[list[Atomic], Field(min_length=1)]
