"""What the pages say, before any generator has seen them."""

from __future__ import annotations

import html
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
OTHER = "regular_beacon_to_rare_destination"
LANGUAGES = {"logscale": "logscale", "kql": "kusto", "spl": "spl", "sql": "sql"}


@pytest.fixture(scope="module")
def converted():
    """Detection and platform to query, as `polysigma.convert` gives it."""
    files, _ = read_rules(packaged_names())
    results = convert(files, pairs((), None), options={"accept": "blind"})
    return {(one.rule, one.platform): one for one in results if isinstance(one, Conversion)}


@pytest.mark.parametrize("name", NAMES)
def test_every_detection_has_a_page_and_one_for_each_platform_that_can_say_it(site, converted, name):
    assert f"detections/{name}/index.html" in site.pages
    can = [platform for platform in platforms() if converted[name, platform].compiled]
    assert can
    assert {f"detections/{name}/{platform}/index.html" for platform in can} <= set(site.pages)


def test_every_query_on_a_page_is_the_one_that_is_converted(site, converted, blocks):
    """On the page of the platform it stands whole; no block of another page says anything else in its language."""
    every = {(compiled.query.rstrip("\n")) for result in converted.values() for compiled in result.compiled}
    for (rule, platform), result in converted.items():
        if not result.compiled:
            continue
        own = f"detections/{rule}/{platform}/query/index.html"
        page = site.pages.get(own) or site.pages[of(rule, platform)]
        shown = [text for language, text in blocks(page) if language == LANGUAGES[result.target]]
        for compiled in result.compiled:
            assert compiled.query.rstrip("\n") in shown, (rule, platform)
        for language, text in blocks(site.pages[f"detections/{rule}/index.html"]):
            if language in LANGUAGES.values() and text.startswith(("// ", "-- ", "``` ")):
                assert text in every, (rule, platform)


def test_every_query_file_is_the_query_that_is_converted(site, converted):
    for path, text in site.files.items():
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


def commands(blocks, page):
    """Each line of a page that prints a query, with the query that stands before it."""
    found = blocks(page)
    for (_, query), (language, line) in itertools.pairwise(found):
        if language == "console" and "\n" not in line and line.startswith("sigma"):
            yield line, query


@pytest.mark.parametrize("platform", ["falcon", "defender", "splunk_cim", "sysmon_json"])
def test_the_line_on_a_page_prints_the_query_above_it(site, blocks, platform, monkeypatch):
    monkeypatch.chdir(ROOT)
    line, query = next(commands(blocks, site.pages[of("botnet_node_beaconing", platform)]))
    assert ran(line).rstrip("\n") == query


@pytest.mark.slow
def test_every_line_on_every_page_prints_the_query_above_it(site, blocks, monkeypatch):
    monkeypatch.chdir(ROOT)
    done = 0
    for path, page in site.pages.items():
        if (
            "/tests/" in path or path.count("/") < 3 or path.startswith("attack")
        ):  # lines of several queries stand there, and none of them
            continue
        for line, query in commands(blocks, page):
            assert ran(line).rstrip("\n") == query, (path, line)
            done += 1
    assert done > 2 * len(platforms())


def of(name, platform=None):
    return f"detections/{name}/{platform}/index.html" if platform else f"detections/{name}/index.html"


def test_the_verdict_comes_before_any_section(site):
    for platform in (None, *platforms()):
        head = site.pages[of("botnet_node_beaconing", platform)].body.partition("<h2>")[0]
        said = [head.index(words) for words in ("Severity", "Confidence", "What fired.", "First look.")]
        assert said == sorted(said)


def test_every_loss_is_said_in_words(site, converted):
    from polysigma.site.markup import text

    for (rule, platform), result in converted.items():
        for compiled in result.compiled:
            for loss in compiled.losses:
                assert text(loss.reason) in site.pages[of(rule, platform)].body


def test_a_page_of_one_platform_has_no_tabs_and_speaks_of_no_other(site):
    page = site.pages[of("botnet_node_beaconing", "falcon")].body
    assert "class=tabs" not in page
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
        "Downloads",
    ],
)
@pytest.mark.parametrize("platform", ["falcon", "defender"])
def test_a_page_of_one_platform_is_complete_on_its_own(site, heading, platform):
    assert f"<h2>{heading}</h2>" in site.pages[of("botnet_node_beaconing", platform)].body


def told(value):
    """Every sentence of a guide."""
    if isinstance(value, dict):
        for item in value.values():
            yield from told(item)
    elif isinstance(value, list):
        for item in value:
            yield from told(item)
    elif isinstance(value, str) and " " in value and "\n" not in value.strip():
        yield value


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_a_guide_says_is_left_out(site, name, parsed):
    import yaml

    guide = yaml.safe_load((ROOT / "rules" / name / "guide.yaml").read_text(encoding="utf-8"))
    own = [page for path, page in site.pages.items() if path.startswith((f"detections/{name}/", "platforms/"))]
    words = " ".join(" ".join(parsed(page.body).text.split()) for page in own)
    assert [one for one in told(guide) if " ".join(one.split()) not in words] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_page_of_a_detection_is_longer_than_it_may_be(site, name):
    from polysigma.site.fitting import AROUND
    from polysigma.site.markup import LIMIT

    for path, page in site.pages.items():
        assert len(page.body.encode()) <= LIMIT - AROUND, path


def test_a_detection_without_a_guide_says_what_is_missing(tmp_path):
    source = (ROOT / "rules/regular_beacon_to_rare_destination/rule.yml").read_text(encoding="utf-8")
    folder = tmp_path / "regular_beacon_to_rare_destination"
    folder.mkdir()
    (folder / "rule.yml").write_text(source, encoding="utf-8")
    found = pages([str(folder)]).pages
    for platform in (None, "falcon"):
        assert "This detection has no guide" in found[of(OTHER, platform)].body
    assert "No coverage query is written" in found[of(OTHER, "falcon")].body
    blind = "Blind: the platform's telemetry cannot show this"
    assert blind not in html.unescape(found[of(OTHER, "falcon")].body)
    assert blind in html.unescape(found[of(OTHER, "defender")].body)
    assert "-O accept=blind" in found[of(OTHER, "defender")].body


def test_the_queries_of_a_detection_without_a_guide_come_in_one_archive(tmp_path):
    import io
    import zipfile

    rule = tmp_path / "plain.yml"
    rule.write_text(PLAIN.replace("registry_set", "process_creation").replace("TargetObject", "Image"), "utf-8")
    found = pages([str(rule)])
    listed = json.loads(found.files["detections.json"])["detections"][0]
    packed = zipfile.ZipFile(io.BytesIO(found.files[listed["archive"]]))
    files, _ = read_rules([str(rule)])
    results = convert(files, pairs((), None), options={"accept": "blind"})
    expected = {one.platform: one.compiled[0].query for one in results if one.compiled}
    assert {name.split(".")[1]: packed.read(name).decode() for name in packed.namelist()} == expected


PLAIN = (
    "title: A Registry Value Was Set\nname: registry_only\nid: 7c1b0d52-1a2f-4d3b-9a53-0a5b0b3b8a11\n"
    "status: experimental\ndescription: A value below Run was set.\nlevel: low\n"
    "logsource: {category: registry_set, product: windows}\n"
    "detection: {selection: {TargetObject|contains: 'CurrentVersion\\Run'}, condition: selection}\n"
)


def test_a_platform_that_cannot_say_a_rule_has_the_reason_in_its_tab_and_no_page(tmp_path):
    rule = tmp_path / "registry_only.yml"
    rule.write_text(PLAIN.replace("registry_set, product: windows", "no_such_category"), encoding="utf-8")
    found = pages([str(rule)])
    listed = json.loads(found.files["detections.json"])["detections"][0]
    assert set(listed["platforms"]) == set(platforms())
    refused = [name for name, one in listed["platforms"].items() if one["fidelity"] == "refused"]
    assert refused
    for name in refused:
        assert listed["platforms"][name]["query"] is None
        assert listed["platforms"][name]["page"] is None
        assert of("registry_only", name) not in found.pages
    body = found.pages[of("registry_only")].body
    assert body.count("Refused: there is no query for this platform.") == len(refused)


def test_a_query_that_is_longer_than_a_page_is_not_shown_in_part(tmp_path):
    rule = tmp_path / "long.yml"
    many = ", ".join(f"'value number {number}'" for number in range(4_000))
    text = PLAIN.replace("registry_set", "process_creation").replace("TargetObject", "CommandLine")
    rule.write_text(text.replace("'CurrentVersion\\Run'", f"[{many}]"), encoding="utf-8")
    body = pages([str(rule)]).pages[of("registry_only", "sysmon_json")].body
    assert "value number 17" not in body
    assert "A part of it would find something else." in body
    assert len(body) < 10_000


@pytest.fixture(scope="module")
def with_a_long_list(tmp_path_factory):
    """A detection without a guide, of which a parameter is a list of thousands."""
    import yaml

    folder = tmp_path_factory.mktemp("rules") / OTHER
    folder.mkdir()
    documents = list(yaml.safe_load_all((ROOT / "rules" / OTHER / "rule.yml").read_text(encoding="utf-8")))
    documents[-1]["polysigma"]["parameters"]["infrastructure_ports"]["value"] = list(range(1, 20_000))
    (folder / "rule.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    return pages([str(folder)])


def test_a_page_stays_short_where_a_parameter_is_a_list_of_thousands(with_a_long_list):
    for path, page in with_a_long_list.pages.items():
        if path.startswith("detections/"):
            assert len(page.body.encode()) < 30_000, path
    assert "and 19,959 more" in with_a_long_list.pages[of(OTHER)].body


def test_every_link_of_a_detection_without_a_guide_leads_to_a_page_that_there_is(with_a_long_list):
    from polysigma.site.links import broken

    own = {path: page.body for path, page in with_a_long_list.pages.items() if path.startswith("detections/")}
    files = dict.fromkeys(with_a_long_list.files, "")
    wrong = broken({**own, **files, "reference/detections-json/index.html": "", "assets/index.js": ""}, ".")
    assert [one for one in wrong if "assets/" not in one] == []


def test_a_rule_that_cannot_be_read_ends_the_build_with_its_place(tmp_path):
    (tmp_path / "broken.yml").write_text("title: [", encoding="utf-8")
    with pytest.raises(PolysigmaError) as raised:
        pages([str(tmp_path)])
    assert "broken.yml" in str(raised.value.findings[0])


def test_the_list_for_programs_keeps_to_its_schema(site):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema (pip install 'polysigma[dev]')")
    jsonschema.validate(json.loads(site.files["detections.json"]), json.loads(site.files["detections.schema.json"]))


def test_the_list_has_every_detection_and_no_part_of_one(site):
    """A rule that a correlation counts is none, not even where a platform refuses it."""
    assert [one["name"] for one in json.loads(site.files["detections.json"])["detections"]] == NAMES


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

    found = re.findall(r"<tr><td><code>(.*?)</code>", site.pages["reference/detections-json/index.html"].body)
    assert {html.unescape(name) for name in found} >= set(keys(json.loads(site.files["detections.json"])))
    assert {html.unescape(name) for name in found} == set(keys(json.loads(site.files["detections.json"]))) | {
        "level",
        "reason",
    }


def test_the_list_names_pages_and_files_that_are_there(site):
    for one in json.loads(site.files["detections.json"])["detections"]:
        assert one["rule"] in site.files
        assert f"{one['page']}index.html" in site.pages
        for there in one["platforms"].values():
            if there["fidelity"] == "refused":
                assert (there["page"], there["query"]) == (None, None)
                continue
            assert f"{there['page']}index.html" in site.pages
            assert there["query"] in site.files


def test_the_same_rules_make_the_same_site(site):
    assert pages() == site


def test_the_downloaded_exclusions_are_filters_that_sigma_reads(site):
    import yaml
    from sigma.collection import SigmaCollection

    found = [text for path, text in site.files.items() if "/exclusion-" in path]
    assert found
    for text in found:
        assert SigmaCollection.from_dicts([yaml.safe_load(text)], resolve_references=False).filters


def test_a_downloaded_exclusion_changes_the_query_as_its_page_says(site, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = next(path for path in site.files if path.startswith("detections/botnet_node_beaconing/exclusion-"))
    exclusion = tmp_path / "exclusion.yml"
    exclusion.write_text(site.files[path], encoding="utf-8")
    assert "by <code>--filter</code>" in site.pages["detections/botnet_node_beaconing/tuning/index.html"].body
    line = "sigma convert -t logscale -p falcon rules/botnet_node_beaconing/rule.yml"
    assert len(ran(f"{line} --filter {shlex.quote(str(exclusion))}")) > len(ran(line))
