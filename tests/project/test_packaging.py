"""What a user gets: from a wheel, an editable install and a source distribution, each in an environment of its own.

Slow, and in need of the network or a local package index, as every installation is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULE = ROOT / "rules" / "botnet_node_beaconing"
OFFICIAL = {"splunk", "kusto"}
OURS = {"logscale", "sql"}

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment and the programs in it."""

    def __init__(self, folder):
        venv.create(folder, with_pip=True)
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")

    def run(self, program, *arguments, code=0, cwd=None, **options):
        # Nothing of the environment that runs the tests may leak into this one.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        result = subprocess.run(
            [self.bin / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd or self.bin,
            env=clean | {"COLUMNS": "200", "PATH": f"{self.bin}{os.pathsep}{clean['PATH']}"},
            check=False,
            **options,
        )
        assert result.returncode == code, f"{program} {arguments}\n{result.stdout}\n{result.stderr}"
        return result

    def pip(self, *arguments):
        return self.run("python", "-m", "pip", "-qq", "--disable-pip-version-check", *arguments)

    def targets(self):
        """The identifiers in the table that `sigma list targets` prints."""
        return set(re.findall(r"^\|\s*(\w+)\s*\|", self.run("sigma", "list", "targets").stdout, re.MULTILINE))


def copy_of_the_checkout(folder):
    """The files that belong to the project, without environments and caches."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    return copy_of_the_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-qq", "wheel", "--no-deps", "--wheel-dir", folder, checkout]
    subprocess.run(pip, check=True)
    (found,) = folder.glob("polysigma-*.whl")
    return found


@pytest.fixture(scope="session")
def plain(wheel, tmp_path_factory):
    """An environment with a plain install: no extra."""
    environment = Environment(tmp_path_factory.mktemp("plain") / "venv")
    environment.pip("install", wheel)
    return environment


def test_the_wheel_holds_the_rules_the_licences_and_nothing_in_other_peoples_places(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "polysigma/py.typed",
        "polysigma/rules/LICENSE",
        "polysigma/rules/polysigma.schema.json",
        "polysigma/rules/botnet_node_beaconing/rule.yml",
        "polysigma/rules/botnet_node_beaconing/scenarios.yaml",
        "polysigma/telemetry/demo.yaml",
        "polysigma/new/guide.template",
    } <= set(names)
    assert {name.rsplit("/", 1)[-1] for name in names if ".dist-info/licenses/" in name} == {"LICENSE"}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"polysigma", "sigma"}
    ours = ("sigma/backends/polysigma/", "sigma/pipelines/polysigma/")
    assert [name for name in names if name.startswith("sigma/") and not name.startswith(ours)] == []


def test_sigma_lists_our_targets_beside_the_official_ones(plain):
    assert plain.targets() >= OFFICIAL | OURS


def test_sigma_lists_our_pipelines_beside_the_official_ones(plain):
    listed = plain.run("sigma", "list", "pipelines").stdout
    for name in ("falcon", "fdr", "sysmon_json", "splunk_windows", "microsoft_xdr"):
        assert re.search(rf"^\|\s*{name}\s*\|", listed, re.MULTILINE), name


def test_sigma_converts_a_rule_with_our_target(plain):
    result = plain.run("sigma", "convert", "-t", "logscale", "-p", "falcon", RULE)
    assert "| groupBy([cid, aid, RemoteAddress, RemotePort, Hour], limit=max" in result.stdout


def test_polysigma_converts_a_packaged_rule_by_its_name(plain, tmp_path):
    result = plain.run("polysigma", "convert", "botnet_node_beaconing", "-p", "sysmon_json", cwd=tmp_path)
    assert result.stdout.startswith("-- Botnet Node Beaconing to a Public Address\n")


def test_without_duckdb_replay_tune_and_demo_say_what_to_install(plain, tmp_path):
    plain.run("python", "-c", "import duckdb", code=1)
    data = tmp_path / "events.jsonl"
    data.write_text("{}\n")
    replayed = plain.run("polysigma", "replay", "botnet_node_beaconing", data, code=2)
    tuned = plain.run("polysigma", "tune", "botnet_node_beaconing", data, code=2)
    demonstrated = plain.run("polysigma", "demo", cwd=tmp_path, code=2)
    for result in (replayed, tuned, demonstrated):
        assert "pip install 'polysigma[run]'" in result.stderr
        assert "Traceback" not in result.stderr


def test_uninstalling_ours_leaves_the_official_plug_ins_as_they_were(plain, wheel, tmp_path):
    rule = tmp_path / "rule.yml"
    rule.write_text(
        "title: A\nlogsource: {category: process_creation, product: windows}\n"
        "detection: {started: {Image|endswith: a.exe}, condition: started}\n"
    )
    queries = [("splunk", "splunk_windows"), ("kusto", "microsoft_xdr")]

    def converted():
        return [plain.run("sigma", "convert", "-t", target, "-p", name, rule).stdout for target, name in queries]

    targets, before = plain.targets(), converted()
    plain.pip("uninstall", "--yes", "polysigma")
    try:
        assert plain.targets() == targets - OURS - {"kql", "spl"}
        assert converted() == before
    finally:
        plain.pip("install", "--no-deps", wheel)  # the other tests use this environment


def test_an_editable_install_is_seen_by_sigma_and_sees_new_rules(checkout, tmp_path):
    environment = Environment(tmp_path / "venv")
    environment.pip("install", "--editable", checkout)
    assert environment.targets() >= OFFICIAL | OURS
    new = checkout / "rules" / "made_just_now"
    shutil.copytree(checkout / "rules" / "botnet_node_beaconing", new)
    try:
        converted = environment.run("polysigma", "convert", "made_just_now", "-p", "falcon", cwd=tmp_path)
    finally:
        shutil.rmtree(new)
    assert "groupBy(" in converted.stdout


def test_the_source_distribution_builds_the_same_wheel(checkout, wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path, checkout], check=True)
    (source,) = tmp_path.glob("polysigma-*.tar.gz")
    pip = [sys.executable, "-m", "pip", "-qq", "wheel", "--no-deps", "--wheel-dir", tmp_path, source]
    subprocess.run(pip, check=True)
    (again,) = tmp_path.glob("polysigma-*.whl")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())
