"""What the pages say, before any generator has seen them."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path

import pytest

from polysigma.catalog import packaged_names, read_rules
from polysigma.convert import Conversion, convert, pairs, platforms
from polysigma.diagnostics import PolysigmaError
from polysigma.site import pages

ROOT = Path(__file__).resolve().parents[2]
NAMES = packaged_names()
BOTNET = "detections/botnet_node_beaconing"
OTHER = "detections/regular_beacon_to_rare_destination"
LANGUAGES = {"logscale": "logscale", "kql": "kusto", "spl": "spl", "sql": "sql"}


@pytest.fixture(scope="module")
def converted():
    """Detection and platform to query, as `polysigma.convert` gives it."""
    files, _ = read_rules(packaged_names())
    results = convert(files, pairs((), None), options={"accept": "blind"})
    return {(one.rule, one.platform): one for one in results if isinstance(one, Conversion)}


@pytest.mark.parametrize("name", NAMES)
def test_every_detection_has_a_page_and_one_for_each_platform(site, name):
    assert f"detections/{name}/index.md" in site
    assert {f"detections/{name}/{platform}.md" for platform in platforms()} <= set(site)


def test_every_query_on_a_page_is_the_one_that_is_converted(site, converted, blocks):
    for (rule, platform), result in converted.items():
        for page in (f"detections/{rule}/{platform}.md", f"detections/{rule}/index.md"):
            shown = [text for language, text in blocks(site[page]) if language == LANGUAGES[result.target]]
            for compiled in result.compiled:
                assert compiled.query.rstrip("\n") in shown, (page, platform)


def test_every_query_file_is_the_query_that_is_converted(site, converted):
    for path, text in site.items():
        if path.endswith((".logscale", ".kql", ".spl", ".sql")):
            rule, platform, _ = path.rpartition("/")[2].split(".")
            assert [text] == [compiled.query for compiled in converted[rule, platform].compiled]


def ran(command):
    """What `sigma` prints for a line of a page, which names its files from the root of the repository."""
    from click.testing import CliRunner
    from sigma.cli.convert import convert as command_line

    program, verb, *arguments = shlex.split(command)
    assert (program, verb) == ("sigma", "convert")
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def commands(blocks, markdown):
    """Each line of a page that prints a query, with the query that stands before it."""
    found = blocks(markdown)
    for (_, query), (language, line) in itertools.pairwise(found):
        if language == "console" and "\n" not in line:
            yield line, query


@pytest.mark.parametrize("platform", ["falcon", "defender", "splunk_cim", "sysmon_json"])
def test_the_line_on_a_page_prints_the_query_above_it(site, blocks, platform, monkeypatch):
    monkeypatch.chdir(ROOT)
    line, query = next(commands(blocks, site[f"{BOTNET}/{platform}.md"]))
    assert ran(line).rstrip("\n") == query


@pytest.mark.slow
def test_every_line_on_every_page_prints_the_query_above_it(site, blocks, monkeypatch):
    monkeypatch.chdir(ROOT)
    done = 0
    for path, markdown in site.items():
        if path.endswith(".md"):
            for line, query in commands(blocks, markdown):
                assert ran(line).rstrip("\n") == query, (path, line)
                done += 1
    assert done > 2 * len(platforms())


def test_the_verdict_comes_before_any_section(site):
    for platform in ("index", *platforms()):
        head = site[f"{BOTNET}/{platform}.md"].partition("\n## ")[0]
        said = [
            head.index(f"**{words}") for words in ("What fired", "First look", "Severity: high", "Confidence: medium")
        ]
        assert said == sorted(said)


def test_every_loss_is_said_in_words(site, converted):
    from polysigma.site.markup import text

    for (rule, platform), result in converted.items():
        for compiled in result.compiled:
            for loss in compiled.losses:
                assert text(loss.reason) in site[f"detections/{rule}/{platform}.md"]


def test_a_page_of_one_platform_has_no_tabs_and_speaks_of_no_other(site):
    page = site[f"{BOTNET}/falcon.md"]
    assert "\n=== " not in page
    assert "DeviceNetworkEvents" not in page.replace("DeviceFileCertificateInfo", "")


@pytest.mark.parametrize(
    "heading",
    [
        "Triage",
        "Query",
        "Fields and tables",
        "Coverage: does no hit mean anything?",
        "How the query works",
        "Parameters",
        "False positives",
        "Blind spots",
        "Response",
        "Hunts",
        "Tests",
        "Provenance",
        "Changelog",
        "Downloads",
    ],
)
@pytest.mark.parametrize("page", ["index", "falcon", "defender"])
def test_nothing_that_a_guide_says_is_left_out(site, heading, page):
    assert f"\n## {heading} {{" in site[f"{BOTNET}/{page}.md"]


def test_a_detection_without_a_guide_says_what_is_missing(tmp_path):
    source = (ROOT / "rules/regular_beacon_to_rare_destination/rule.yml").read_text(encoding="utf-8")
    folder = tmp_path / "regular_beacon_to_rare_destination"
    folder.mkdir()
    (folder / "rule.yml").write_text(source, encoding="utf-8")
    found = pages([str(folder)])
    for page in ("index", "falcon"):
        assert "No guide yet" in found[f"{OTHER}/{page}.md"]
        assert "No coverage query is written" in found[f"{OTHER}/{page}.md"]
    assert "**Blind: the" not in found[f"{OTHER}/falcon.md"]
    assert "Blind: the platform's telemetry cannot show this" in found[f"{OTHER}/defender.md"]
    assert "-O accept=blind" in found[f"{OTHER}/defender.md"]


def test_a_platform_that_cannot_say_a_rule_has_a_page_with_the_reason(tmp_path):
    rule = tmp_path / "registry_only.yml"
    rule.write_text(
        "title: A Registry Value Was Set\nname: registry_only\nid: 7c1b0d52-1a2f-4d3b-9a53-0a5b0b3b8a11\n"
        "status: experimental\ndescription: A value below Run was set.\nlevel: low\n"
        "logsource: {category: registry_set, product: windows}\n"
        "detection: {selection: {TargetObject|contains: 'CurrentVersion\\Run'}, condition: selection}\n",
        encoding="utf-8",
    )
    found = pages([str(rule)])
    listed = json.loads(found["detections.json"])["detections"][0]
    refused = [name for name, one in listed["platforms"].items() if one["fidelity"] == "refused"]
    for name in refused:
        assert "Refused: there is no query for this platform." in found[f"detections/registry_only/{name}.md"]
        assert listed["platforms"][name]["query"] is None
    assert set(listed["platforms"]) == set(platforms())


def test_a_rule_that_cannot_be_read_ends_the_build_with_its_place(tmp_path):
    (tmp_path / "broken.yml").write_text("title: [", encoding="utf-8")
    with pytest.raises(PolysigmaError) as raised:
        pages([str(tmp_path)])
    assert "broken.yml" in str(raised.value.findings[0])


def test_the_list_for_programs_keeps_to_its_schema(site):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema (pip install 'polysigma[dev]')")
    jsonschema.validate(json.loads(site["detections.json"]), json.loads(site["detections.schema.json"]))


def keys(value, inside=""):
    """Every key of a JSON value that is a key of the format, not the name of a platform."""
    if isinstance(value, dict):
        for key, item in value.items():
            if inside != "platforms":
                yield key
            yield from keys(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item, inside)


def test_the_keys_that_are_documented_are_those_of_the_list(site):
    import html

    found = re.findall(r"^\| <code>(.*?)</code> \|", site["reference/detections-json.md"], re.MULTILINE)
    assert {html.unescape(name) for name in found} >= set(keys(json.loads(site["detections.json"])))
    assert {html.unescape(name) for name in found} == set(keys(json.loads(site["detections.json"]))) | {
        "level",
        "reason",
    }


def test_the_list_names_pages_and_files_that_are_there(site):
    for one in json.loads(site["detections.json"])["detections"]:
        assert one["rule"] in site
        assert f"{one['page']}index.md" in site
        for there in one["platforms"].values():
            assert f"{there['page'].rstrip('/')}.md" in site
            assert there["query"] is None or there["query"] in site


def test_the_same_rules_make_the_same_site(site):
    assert pages() == site


def test_the_downloaded_exclusions_are_filters_that_sigma_reads(site):
    import yaml
    from sigma.collection import SigmaCollection

    found = [text for path, text in site.items() if "/exclusion-" in path]
    assert found
    for text in found:
        assert SigmaCollection.from_dicts([yaml.safe_load(text)], resolve_references=False).filters


def test_a_downloaded_exclusion_changes_the_query_as_its_page_says(site, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = next(path for path in site if path.startswith(f"{BOTNET}/exclusion-"))
    exclusion = tmp_path / "exclusion.yml"
    exclusion.write_text(site[path], encoding="utf-8")
    assert "by `--filter`" in site[f"{BOTNET}/index.md"]
    line = "sigma convert -t logscale -p falcon rules/botnet_node_beaconing/rule.yml"
    assert len(ran(f"{line} --filter {shlex.quote(str(exclusion))}")) > len(ran(line))
