"""pySigma's own checker passes our rules, offline, with the configuration that comes with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from polysigma.catalog import rules_root


def test_sigma_check_finds_no_issue_in_our_rules():
    root = rules_root()
    sigma = Path(sys.executable).with_name("sigma")
    run = subprocess.run(
        [sigma, "check", "--validation-config", root / "sigma-validators.yaml", "--fail-on-issues", root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues." in run.stdout
