"""Every command on a page is run by a test, or the page says there what it needs that is not ours.

Commands of documents stand in `console` blocks, which `tests/project/test_readme.py` runs all of; those of a
detection's page print queries, and are run here and in `test_pages.py`. What stands in any other block is looked
through for what begins as a command does.
"""

from __future__ import annotations

import html
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))

BLOCK = re.compile(
    r"(?:<p class=label>(?P<label>[^<]*)</p>)?"
    r"<pre[^>]*? data-language=(?P<language>[\w-]+)><code>(?P<code>.*?)</code></pre>",
    re.DOTALL,
)
DATA = {"yaml", "json", "text"}
OURS_TO_MARK = {
    "logscale": "Needs the vendor's server",
    "kusto": "Needs the vendor's server",
    "spl": "Needs the vendor's server",
    "sql": "Runs on DuckDB",
    "bash": "for a machine of your own",
    "powershell": "for a machine of your own",
}
"""What the label above a block of each language says."""


def blocks(page):
    return [
        (html.unescape(match["label"] or ""), match["language"], html.unescape(re.sub(r"<[^>]*>", "", match["code"])))
        for match in BLOCK.finditer(page.body)
    ]


def generated(site):
    return {path: page for path, page in site.pages.items() if not path.startswith(("reference/", "attack/"))}


def test_every_block_of_a_page_is_a_line_that_converts_or_says_what_it_needs(site):
    languages = set()
    for path, page in generated(site).items():
        for label, language, text in blocks(page):
            languages.add(language)
            if language == "console":
                assert all(line.startswith("sigma convert -t ") for line in text.splitlines()), (path, text)
            elif language not in DATA:
                assert OURS_TO_MARK[language] in label, (path, label, text[:80])
    assert languages >= {"console", "bash", "powershell", "yaml", *OURS_TO_MARK} - {"sql"}


def test_a_hunt_is_marked_and_printed_by_its_line(site):
    page = site.pages["detections/botnet_node_beaconing/tests/index.html"]
    assert any(language == "console" and "/hunts/" in text for _, language, text in blocks(page))


@pytest.mark.slow
def test_every_line_on_every_page_runs(site, monkeypatch):
    """Those of queries print what stands above them (`test_pages.py`); of hunts, several stand together."""
    from click.testing import CliRunner
    from sigma.cli.convert import convert as command_line

    monkeypatch.chdir(ROOT)
    lines = {
        line
        for page in generated(site).values()
        for _, language, text in blocks(page)
        if language == "console"
        for line in text.splitlines()
        if "/hunts/" in line
    }
    assert len(lines) > 20
    for line in sorted(lines):
        result = CliRunner().invoke(command_line, shlex.split(line)[2:])
        assert result.exit_code == 0, (line, result.output)
        assert result.stdout.strip(), line


# Documents.

PROGRAM = re.compile(
    r"^(?:- run: |\$ |PS> )?(?:\./[\w-]+|polysigma|sigma|make|mkdocs|python3?|pip|git|bash|Invoke-\w+)\b(?!:).*"
)
NOT_OURS = re.compile(r"needs GitHub|needs a vendor's server|on a machine of your own")
RUN_HERE = {
    "polysigma check rules --format github": "",
    "polysigma convert rules -p falcon --output queries": "queries written to queries",
    "polysigma prove rules": "botnet_node_beaconing",
}
"""Commands that are run below, where the rules lie, and what they say among other things."""
RUN_ELSEWHERE = {
    "make site": ("tests/site/test_commands.py", "test_make_site_runs_what_tests_run"),
    "polysigma check --write-lock rules": ("tests/guide/test_lock.py", "--write-lock"),
}
"""Commands that take minutes, or write into the folder that they are given: the test that runs each, and what it says
of it."""


def of_document(path):
    """The blocks of a document: the paragraph before each, its language (none for an indented one), its lines."""
    before: list[str] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        fence = re.match(r"^(```+)([\w-]*)", line)
        if fence:
            end = next(number for number in range(at + 1, len(lines)) if lines[number].startswith(fence[1]))
            yield " ".join(before[-3:]), fence[2], lines[at + 1 : end]
            at = end + 1
        elif line.startswith("    ") and not any(one.strip() for one in before[-1:]):
            end = next((n for n in range(at, len(lines)) if lines[n] and not lines[n].startswith("    ")), len(lines))
            yield " ".join(before[-3:]), "", [one.strip() for one in lines[at:end]]
            at = end
        else:
            if line.strip() or (before and before[-1].strip()):
                before.append(line)
            at += 1


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_is_run_or_marked(path):
    for before, language, lines in of_document(path):
        for line in lines:
            # In these a command begins with `$`, and is run; other lines are what it prints.
            if not PROGRAM.match(line.strip()) or (language == "console" and not line.startswith("PS> ")):
                continue
            command = line.strip().removeprefix("- run: ").partition(" #")[0].strip()
            marked = NOT_OURS.search(before) is not None
            assert marked or command in {**RUN_HERE, **RUN_ELSEWHERE}, f"{path.name}: {line}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_console_blocks_hold_commands_that_are_run(path):
    for before, language, lines in of_document(path):
        if language in {"console", "sh", "bash", "shell", "powershell"}:
            first = lines[0].strip()
            known = first in {**RUN_HERE, **RUN_ELSEWHERE} or first.startswith("$ ")
            assert known or NOT_OURS.search(before), f"{path.name}: {first}"


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN_HERE)
def test_commands_of_the_documents_run(command, tmp_path):
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    program, *arguments = shlex.split(command)
    result = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert RUN_HERE[command] in result.stdout + result.stderr


@pytest.mark.parametrize("command", RUN_ELSEWHERE)
def test_a_command_that_another_test_runs_is_named_there(command):
    path, named = RUN_ELSEWHERE[command]
    assert named in (ROOT / path).read_text(encoding="utf-8")


def test_make_site_runs_what_tests_run():
    """The first is run by `test_evidence.py` for one detection, the second by `conftest.py`."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    result = subprocess.run(
        ["make", "--no-print-directory", "-n", "site"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = [line.rpartition("/")[2] for line in result.stdout.splitlines()]
    assert said[-2:] == ["python -m polysigma.site.evidence", "mkdocs build --strict"]


# Commands within a line.

INLINE = re.compile(r"`((?:polysigma|sigma convert) [^`\n]+)`")
INLINE_HTML = re.compile(r"<code>((?:polysigma|sigma convert) [^<]+)</code>")


def options_of(command):
    """The verb that a command begins with, and the options that it names."""
    import click
    from sigma.cli.convert import convert as sigma_convert

    from polysigma.cli import cli

    words = command.replace("…", "").split()
    if words[0] == "sigma":
        verb = sigma_convert
    else:
        found = cli.get_command(click.Context(cli), words[1])
        assert found is not None, command
        verb = found
    known = {option for one in verb.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    asked = [word.split("=")[0].rstrip(",;.") for word in words[1:] if re.match(r"--?[a-zA-Z]", word)]
    return asked, known


def test_commands_within_a_line_name_verbs_and_options_that_there_are(site):
    said = {match[1] for path in DOCUMENTS for match in INLINE.finditer(path.read_text(encoding="utf-8"))}
    said |= {html.unescape(found) for page in site.pages.values() for found in INLINE_HTML.findall(page.body)}
    assert len(said) > 10
    for command in sorted(said):
        asked, known = options_of(command)
        assert set(asked) <= known, command
