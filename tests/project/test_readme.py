"""The README shows what is true: its generated parts are current, its commands print what it says, its links lead on.

    python tests/project/test_readme.py

writes the generated parts anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
GUIDES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DETECTION = "botnet_node_beaconing"


def step() -> str:
    """One step of the detection, and what the step is in the CQL and the SQL that the package prints."""
    from polysigma.convert import compile_rule

    rule = (ROOT / "rules" / DETECTION / "rule.yml").read_text(encoding="utf-8")
    yaml = re.search(r"^ +- score:\n(?: +.*\n)+?(?= +- where)", rule, re.MULTILINE)
    cql = compile_rule(DETECTION, "falcon", "logscale").query
    scored = re.search(r"(?<=\n)\| case \{\n(?:(?!\|).*\n)+?  \}\n(?=\| BeaconingScore)", cql)
    sql = compile_rule(DETECTION, "sysmon_json", "sql").query
    select = next(part for part in re.split(r"\n?\)?,? ?step_\d+ AS \(\n", sql) if 'END AS "BeaconingScore"' in part)
    assert yaml
    assert scored
    return "\n".join(
        (
            "In the rule:",
            "",
            "```yaml",
            _outdented(yaml[0]),
            "```",
            "",
            "In CQL:",
            "",
            "```",
            scored[0].rstrip(),
            "```",
            "",
            "In SQL:",
            "",
            "```sql",
            _outdented(select),
            "```",
        )
    )


def platforms() -> str:
    """Every platform that there is a pipeline for, with the targets that print its queries."""
    from polysigma.convert import platforms as known
    from sigma.pipelines.polysigma import platform

    rows = [f"| `{name}` | {platform(name).title} | {', '.join(targets)} |" for name, targets in known().items()]
    return "\n".join(("| pipeline | platform | targets |", "|---|---|---|", *rows))


GENERATED = {"step": step, "platforms": platforms}


def _outdented(text: str) -> str:
    import textwrap

    return textwrap.dedent(text).rstrip()


def _part(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- begin {name} [^\n]*-->\n)(.*?)(<!-- end {name} -->)", re.DOTALL)


def commands(path: Path) -> list[tuple[str, str]]:
    """The commands in the `console` blocks of a document, each with what it is said to print."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, printed = command.partition("\n")
            found.append((line, printed))
    return found


def lay_out(path: Path, folder: Path) -> None:
    """Writes the files that a document shows, each after a comment with its name."""
    text = path.read_text(encoding="utf-8")
    for name, content in re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_the_generated_parts_of_the_readme_are_current(name):
    found = _part(name).search(README.read_text(encoding="utf-8"))
    assert found
    assert found[2].strip() == GENERATED[name](), "python tests/project/test_readme.py writes it anew"


def run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout


def matches(printed: str, said: str) -> bool:
    """Whether a text is as it was said, where `...` stands for anything."""
    pattern = ".*".join(re.escape(part.strip("\n")) for part in said.split("..."))
    return re.fullmatch(r"\n*" + pattern.replace(r"\n", "\n") + r"\n*", printed, re.DOTALL) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the rules in it, as in a checkout."""
    path = tmp_path_factory.mktemp("readme")
    (path / "rules").symlink_to(ROOT / "rules")
    return path


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_commands_print_what_the_documents_say(path, folder):
    lay_out(path, folder)
    for command, said in commands(path):
        if "demo/" not in command:
            printed = run(command, folder)
            assert matches(printed, said), f"$ {command}\n{printed[-3000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_commands_on_the_data_of_the_demo_print_what_the_documents_say(path, demonstrated):
    lay_out(path, demonstrated)
    for command, said in commands(path):
        if "demo/" in command:
            printed = run(command, demonstrated)
            assert matches(printed, said), f"$ {command}\n{printed[-3000:]}"


@pytest.fixture(scope="session")
def demonstrated(tmp_path_factory):
    """A folder in which the demo has been run."""
    path = tmp_path_factory.mktemp("demonstrated")
    (path / "rules").symlink_to(ROOT / "rules")
    run("polysigma demo", path)
    return path


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    # HTML is made when the site is built, which checks the links to it.
    links = re.findall(r"\]\((?!https?://|#|[^)]*\.html)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_make_targets_of_the_readme_are_there(target):
    assert f"make {target}" in README.read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def write() -> None:
    """Writes the generated parts of the README anew."""
    text = README.read_text(encoding="utf-8")
    for name, make in GENERATED.items():
        made = make()
        text = _part(name).sub(lambda found, made=made: f"{found[1]}{made}\n{found[3]}", text)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
