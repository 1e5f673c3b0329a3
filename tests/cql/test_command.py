"""`polysigma lint` at the command line: what it reads, what it writes, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from polysigma.cli.lint import command

if TYPE_CHECKING:
    from click.testing import Result

CLEAN = "#event_simpleName=DnsRequest\n| groupBy(aid, limit=max)\n"
WARNS = "#event_simpleName=DnsRequest\n| groupBy(aid)\n"
WRONG = "#event_simpleName=DnsRequest\n| groupBy(aid, DomainName, limit=max)\n"

PACKAGE = """\
$schema: https://schemas.humio.com/scheduledsearch/v0.1.0
name: Searches
queryString: |
  #event_simpleName=DnsRequest
    | groupBy(aid, DomainName, limit=max)
widgets:
  - one: {queryString: "#a=\\"b\\" | nosuch()"}
  - two:
      queryString: >-
        #event_simpleName=DnsRequest
        | broken(aid)
description: "query | not one("
"""


def run(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.cql").write_text(CLEAN)
    (tmp_path / "b.logscale").write_text(WRONG)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pack.yaml").write_text(PACKAGE)
    (tmp_path / "sub" / "sigma.yml").write_text("title: x\nquery: 'not ( cql'\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "c.cql").write_text("(((")
    return tmp_path


def places(result: Result) -> list[tuple[str, int, int, str]]:
    return [
        (Path(one["file"]).name, one["line"], one["column"], one["code"])
        for one in json.loads(result.stdout)
        if one["code"] != "no-tag-filter"
    ]


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [(CLEAN, [], 0), (WARNS, [], 0), (WARNS, ["--strict"], 1), (WRONG, [], 1), (CLEAN, ["--strict"], 0)],
)
def test_the_exit_code_says_whether_an_error_was_found(text: str, options: list[str], code: int) -> None:
    assert run("-", *options, stdin=text.encode()).exit_code == code


def test_a_folder_is_searched_for_queries_and_packages_and_nothing_else(folder: Path) -> None:
    result = run(folder, "--format", "json")
    assert result.exit_code == 1
    assert places(result) == [
        ("b.logscale", 2, 16, "second-unnamed"),
        ("pack.yaml", 5, 20, "second-unnamed"),
        ("pack.yaml", 7, 36, "unknown-function"),
        ("pack.yaml", 11, 11, "unknown-function"),
    ]


def test_the_json_is_one_list_of_findings_with_seven_keys(folder: Path) -> None:
    (one,) = json.loads(run(folder / "b.logscale", "--format", "json").stdout)
    assert set(one) == {"file", "line", "column", "code", "severity", "message", "hint"}
    assert one["file"] == str(folder / "b.logscale")
    assert json.loads(run(folder / "a.cql", "--format", "json").stdout) == []


@pytest.mark.parametrize(
    ("form", "part"),
    [("text", "error second-unnamed"), ("github", "::error title=second-unnamed"), ("sarif", '"ruleId": "second-')],
)
def test_every_format_names_the_code(folder: Path, form: str, part: str) -> None:
    assert part in run(folder / "b.logscale", "--format", form).stdout


def test_standard_input_is_a_query() -> None:
    result = run("-", "--format", "json", stdin=WRONG.encode())
    assert places(result) == [("-", 2, 16, "second-unnamed")]


def test_a_context_is_passed_on() -> None:
    result = run("-", "--format", "json", "--context", "filter-alert", stdin=CLEAN.encode())
    assert places(result) == [("-", 2, 3, "context-forbids")]


def test_a_yaml_file_named_outright_needs_no_schema(tmp_path: Path) -> None:
    path = tmp_path / "saved.yml"
    path.write_text("queryString: nosuch()\n")
    assert places(run(path, "--format", "json")) == [("saved.yml", 1, 14, "unknown-function")]


def test_broken_yaml_is_an_error_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pack.yaml"
    path.write_text("queryString: [\n")
    result = run(path, "--format", "json")
    assert result.exit_code == 1
    assert [code for *_, code in places(result)] == ["yaml-syntax"]


def test_what_cannot_be_read_exits_with_2_and_the_rest_is_still_linted(folder: Path) -> None:
    (folder / "binary.cql").write_bytes(b"a\xff\x00")
    result = run(folder / "missing.cql", folder / "binary.cql", folder / "b.logscale", "--format", "json")
    assert result.exit_code == 2
    assert places(result) == [("b.logscale", 2, 16, "second-unnamed")]
    assert "missing.cql: unreadable-file" in result.stderr
    assert "binary.cql:1:1: not-utf8" in result.stderr


def test_a_path_without_a_query_exits_with_2(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "no-query" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["-", "--format", "nosuch"], ["-", "--context", "nosuch"], ["--nosuch"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_command_has_help_that_names_its_exit_codes() -> None:
    assert "Exits with 0" in run("--help").stdout
