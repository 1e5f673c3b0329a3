"""Which module may import which: import-linter's contracts, and what import-linter cannot say."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("engines", "telemetry", "cql", "plan", "schemas", "platform.py", "source.py", "diagnostics.py", "validation.py")
"""The parts of the package that know nothing of Sigma, so that they can judge what does."""


def imported(path):
    """Every module that a file imports, anywhere in it, as `a.b` and, for `from a import b`, also as `a`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(folder):
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]


def test_the_contracts_of_import_linter_are_kept():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("part", PURE)
def test_what_judges_queries_does_not_import_pysigma(part):
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(ROOT / "polysigma" / part)
        for name in imported(path)
        if name.split(".")[0] == "sigma"
    ]
    assert found == []


def test_pipelines_import_no_backend_and_backends_no_pipeline():
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for kind, other in (("backends", "pipelines"), ("pipelines", "backends"))
        for path in modules(ROOT / kind)
        for name in imported(path)
        if name.startswith(f"sigma.{other}.")
    ]
    assert found == []


def test_a_plug_in_loads_only_pysigma_ourselves_and_the_standard_library():
    """Every `sigma` command loads every plug-in, so what ours load all of them pay for."""
    script = (
        "import json, sys, sigma.collection, sigma.conversion.base, sigma.processing.pipeline\n"
        "before = set(sys.modules)\n"
        "import sigma.backends.polysigma, sigma.pipelines.polysigma\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(json.loads(result.stdout)) - {"sigma", "polysigma", *sys.stdlib_module_names} == set()


def test_nothing_of_ours_lies_where_an_official_plug_in_does():
    """An `__init__.py` in the namespace, or another package in it, would break other people's plug-ins."""
    for kind in ("backends", "pipelines"):
        assert [path.name for path in (ROOT / kind).iterdir() if path.name != "__pycache__"] == ["sigma"]
        assert [path.name for path in (ROOT / kind / "sigma").iterdir() if path.name != "__pycache__"] == [kind]
        inner = ROOT / kind / "sigma" / kind
        assert [path.name for path in inner.iterdir() if path.name != "__pycache__"] == ["polysigma"]
