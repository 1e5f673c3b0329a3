"""What is written for `sigma convert` gives the same queries as `polysigma convert --tuning`."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from sigma.cli.convert import convert as sigma_convert

from polysigma.catalog import rules_root
from polysigma.convert import platforms
from polysigma.diagnostics import PolysigmaError
from polysigma.plan.metadata import ParameterModel
from polysigma.plan.parameters import bind
from polysigma.tune.emit import emit
from polysigma.tuning import read_tuning

NAME = "botnet_node_beaconing"
TUNING = """\
- detection: botnet_node_beaconing
  parameters:
      min_connections: 40
      watched_ports: [6667, 1080]
      busy_rate: 12
  exclude:
      - where:
            DestinationIp|cidr: [203.0.113.0/24, 2001:db8::/32]
            Image|endswith: '\\backup.exe'
        reason: backup vendor, it's "new"
        owner: soc@example.com
        expires: 2999-06-30
      - where: {Computer: scanner-01, DestinationPort: 443}
        reason: the scanner
        owner: soc@example.com
        expires: 2999-01-01
"""
BOTH = f"{TUNING}- detection: regular_beacon_to_rare_destination\n  parameters: {{max_hosts: 2}}\n"


def with_sigma(target: str, platform: str, folder: Path) -> str:
    arguments = ["-t", target, "-p", platform, "--filter", str(folder / NAME / "filters.yml"), str(rules_root() / NAME)]
    arguments += shlex.split((folder / NAME / "options").read_text(encoding="utf-8"))
    shown = CliRunner().invoke(sigma_convert, arguments)
    assert shown.exit_code == 0, shown.output
    return shown.stdout


@pytest.mark.parametrize("platform", ["falcon", "sysmon_json", "defender", "splunk_sysmon"])
def test_sigma_convert_gives_the_same_text_as_polysigma_convert(polysigma, write, tmp_path, platform):
    path = write(TUNING)
    target = platforms()[platform][0]
    own = polysigma("convert", NAME, "-p", platform, "-t", target, "--tuning", path)
    emit(read_tuning(path), tmp_path / "tuned")
    assert own.code == 0
    assert 'left out: backup vendor, it\'s "new" (soc@example.com, until 2999-06-30)' in own.out
    assert with_sigma(target, platform, tmp_path / "tuned").strip() == own.out.strip()


def test_what_is_written_is_a_standard_filter_with_who_answers_for_it(write, tmp_path):
    done, findings = emit(read_tuning(write(BOTH)), tmp_path / "tuned")
    assert findings == []
    assert [(one.detection, bool(one.filters), bool(one.options)) for one in done] == [
        (NAME, True, True),
        ("regular_beacon_to_rare_destination", False, True),
    ]
    assert done[0].filters is not None
    (made,) = yaml.safe_load_all(done[0].filters.read_text(encoding="utf-8"))
    assert made["filter"]["rules"] == ["outbound_connection_to_public_address"]
    assert made["filter"]["condition"] == "not 1 of excluded_*"
    assert [one["owner"] for one in made["polysigma"]["exclusions"]] == ["soc@example.com"] * 2


def test_what_is_gone_from_the_tuning_is_gone_from_the_folder(write, tmp_path):
    emit(read_tuning(write(TUNING)), tmp_path / "tuned")
    emit(read_tuning(write(TUNING[: TUNING.index("  exclude")])), tmp_path / "tuned")
    assert sorted(path.name for path in (tmp_path / "tuned" / NAME).iterdir()) == ["options"]


def test_a_list_with_commas_is_written_so_that_the_option_reads_the_same_list(tmp_path, write, detection):
    rule = Path(detection) / "rule.yml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("value: 5", "value: [a, b]"), encoding="utf-8")
    values = ["a,b", " c", "[d"]
    emit(
        read_tuning(write(f"- detection: many_chat_connections\n  parameters: {{least: {values}}}\n")),
        tmp_path,
        [detection],
    )
    (_, option) = shlex.split((tmp_path / "many_chat_connections" / "options").read_text(encoding="utf-8"))
    name, _, text = option.partition("=")[2].partition("=")
    assert name == "many_chat_connections.least"
    assert bind({"least": ParameterModel(value=["a"], about="a list of names")}, {"least": text}) == {
        "least": tuple(values)
    }


def test_a_value_that_an_option_cannot_say_is_refused_with_its_place(tmp_path, write, detection):
    rule = Path(detection) / "rule.yml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("value: 5", "value: a"), encoding="utf-8")
    path = write("- detection: many_chat_connections\n  parameters: {least: 'a '}\n")
    with pytest.raises(PolysigmaError, match="no spaces at their ends") as caught:
        emit(read_tuning(path), tmp_path / "tuned", [detection])
    assert str(caught.value.findings[0].at) == "2:23"


def test_sigma_convert_refuses_a_filter_that_has_expired(write, tmp_path):
    emit(read_tuning(write(TUNING)), tmp_path / "tuned")
    path = tmp_path / "tuned" / NAME / "filters.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("2999-01-01", "2020-01-01"), encoding="utf-8")
    arguments = ["-t", "logscale", "-p", "falcon", "--filter", str(path), str(rules_root() / NAME)]
    shown = CliRunner().invoke(sigma_convert, arguments)
    assert shown.exit_code != 0
    assert "expired on 2020-01-01; its owner is soc@example.com" in shown.output + str(shown.exception)


def test_filters_of_others_are_named_at_the_head_of_a_query(tmp_path, polysigma):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "filter.yml").write_text(
        "title: Our Scanners\nid: 33333333-3333-4333-8333-333333333333\nauthor: SOC\n"
        "logsource: {category: network_connection}\n"
        "filter:\n    rules: any\n    scanners: {Computer: scanner-01}\n    condition: not scanners\n"
    )
    shown = polysigma("convert", NAME, folder, "-p", "falcon")
    assert "// filter: Our Scanners, by SOC" in shown.out


def test_the_command_says_how_to_use_what_it_has_written(polysigma, write, tmp_path):
    shown = polysigma("tune", "--tuning", write(BOTH), "--emit", tmp_path / "tuned")
    assert shown.code == 0
    assert [line.split("   # ")[1] for line in shown.out.splitlines()] == [NAME, "regular_beacon_to_rare_destination"]
    assert f"--filter {tmp_path / 'tuned' / NAME / 'filters.yml'} RULE < " in shown.out
    assert polysigma("tune", "--emit", tmp_path / "tuned").code == 2
