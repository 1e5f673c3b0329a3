"""Every verb explains itself, and stands in the README."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest

from polysigma import __version__
from polysigma.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_every_verb_with_a_line_about_it(polysigma):
    shown = polysigma("--help")
    assert shown.code == 0
    for verb, line in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(line)}$", shown.out, re.MULTILINE), verb


def test_there_is_a_module_for_every_verb_and_a_verb_for_every_module():
    modules = {path.stem for path in (ROOT / "polysigma" / "cli").glob("*.py")} - {"__init__"}
    assert modules == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help(polysigma, verb, flag):
    shown = polysigma(verb, flag)
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: polysigma {verb} ")
    assert len(shown.out.splitlines()) > 5


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_says_what_it_does(verb):
    command = importlib.import_module(f"polysigma.cli.{verb}").command
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_shows_every_verb(verb):
    assert f"polysigma {verb}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_version_is_the_packages(polysigma):
    assert __version__ in polysigma("--version").out


@pytest.mark.parametrize("arguments", [["convret"], ["convert", "--no-such-option"], ["replay"], ["lint"]])
def test_wrong_usage_is_exit_code_2_with_a_line_on_what_is_right(polysigma, arguments):
    shown = polysigma(*arguments)
    assert shown.code == 2
    assert "Usage: polysigma" in shown.err
