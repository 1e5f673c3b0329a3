"""The models of guides, and the JSON Schema made from them."""

from __future__ import annotations

import json
from copy import deepcopy

import jsonschema
import pytest
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.catalog import read_rules, rules_root
from polysigma.diagnostics import PolysigmaError
from polysigma.guide import as_filter, json_schema, packages, read_guide, read_package
from polysigma.guide.model import Exclude
from polysigma.source import read_file
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines, platform

SCHEMA = rules_root() / "guide.schema.json"
GUIDES = sorted(rules_root().glob("*/guide.yaml"))


def test_the_schema_in_the_rules_folder_is_that_of_the_models():
    made = json.dumps(json_schema(), indent=2) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == made, "polysigma schema --guide > rules/guide.schema.json"


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.parent.name)
def test_a_guide_names_the_schema_and_is_valid_by_it(path):
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=../guide.schema.json\n")
    validator = jsonschema.Draft202012Validator(json_schema())
    value = json.loads(json.dumps(read_file(path)[0].value, default=str))
    assert [error.message for error in validator.iter_errors(value)] == []


def test_the_schema_refuses_a_misspelt_key():
    validator = jsonschema.Draft202012Validator(json_schema())
    assert any("menaing" in error.message for error in validator.iter_errors({"menaing": ""}))


def test_a_package_is_read_for_its_page(copy):
    package = read_package(copy.folder)
    assert package.guide.detection == "botnet_node_beaconing"
    assert package.rule is not None
    assert [one.model.attack_technique for one in package.atomics] == ["T1071.001", "T1571"]


def test_all_faults_are_reported_at_once(copy):
    copy.edit("guide.yaml", "confidence:\n    level: medium", "confidence:\n    level: certain")
    copy.edit("guide.yaml", "- verdict: benign", "- verdict: fine")
    with pytest.raises(PolysigmaError) as caught:
        read_guide(copy.folder / "guide.yaml")
    assert len(caught.value.findings) == 2
    assert all(finding.at for finding in caught.value.findings)


@pytest.mark.parametrize(
    "value",
    [{}, {"where": {"Image": "a"}}, {"where": {"Image": "a"}, "never": "x" * 30}],
    ids=["nothing", "without its cost", "two ways at once"],
)
def test_an_exclusion_is_one_thing_and_says_what_it_costs(value):
    with pytest.raises(ValueError, match=r"has exactly one|needs `costs`"):
        Exclude.model_validate(value)


def test_an_exclusion_becomes_a_sigma_filter_with_a_lasting_id(copy):
    package = read_package(copy.folder)
    made = [as_filter(package, index) for index in range(len(package.guide.false_positives))]
    filters = [one for one in made if one is not None]
    assert filters
    assert filters[0] == as_filter(package, 0)
    assert len({one["id"] for one in filters}) == len(filters)
    assert filters[0]["filter"]["rules"] == ["outbound_connection_to_public_address"]


def test_every_packaged_guide_can_be_read():
    files, _ = read_rules([str(rules_root())])
    _, findings = packages(files)
    assert findings == []


@pytest.mark.parametrize("name", ["falcon", "sysmon_json", "defender", "asim", "splunk_sysmon"])
def test_the_exclusions_of_the_packaged_guide_convert(name):
    package = read_package(rules_root() / "botnet_node_beaconing")
    filters = [as_filter(package, index) for index in range(len(package.guide.false_positives))]
    rules = SigmaCollection.from_dicts([*deepcopy([value for _, value in package.documents]), *filter(None, filters)])
    (query,) = backends[platform(name).targets[0]](pipelines[name]()).convert(rules)
    assert "onedrive" in query.lower()
    assert "hexchat" in query.lower()


def test_where_no_program_is_recorded_an_exclusion_by_program_is_refused():
    package = read_package(rules_root() / "botnet_node_beaconing")
    rules = SigmaCollection.from_dicts([*deepcopy([value for _, value in package.documents]), as_filter(package, 0)])
    with pytest.raises(SigmaError, match="cannot answer the value"):
        backends["spl"](pipelines["splunk_cim"]()).convert(rules)
