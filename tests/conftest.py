"""The command line in this process: what a user would see, and the exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from polysigma.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that was said, wherever."""
        return self.out + self.err


@pytest.fixture
def polysigma(monkeypatch, capsys):
    """Runs `polysigma` with arguments. An exception that gets out of it would be a traceback for the user."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["polysigma", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Outcome(code if isinstance(code, int) else int(code is not None), said.out, said.err)

    return run
