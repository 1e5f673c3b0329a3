"""The JSON Schema that editors use is current, and every detection names it where editors look."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from polysigma.plan.metadata import json_schema
from polysigma.source import read_file

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "rules" / "polysigma.schema.json"
RULES = sorted((ROOT / "rules").rglob("*.yml"))
MODELINE = "# yaml-language-server: $schema=../polysigma.schema.json"


def test_the_schema_in_the_rules_folder_is_what_polysigma_schema_prints():
    assert SCHEMA.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n", (
        "write it anew: polysigma schema > rules/polysigma.schema.json"
    )


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.parent.name)
def test_every_document_of_a_rule_begins_with_the_modeline(path):
    documents = path.read_text(encoding="utf-8").split("\n---\n")
    assert [document.splitlines()[0] for document in documents] == [MODELINE] * len(documents)
    assert (path.parent / "../polysigma.schema.json").resolve() == SCHEMA


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.parent.name)
def test_every_document_of_a_rule_is_valid_by_the_schema(path):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for document in read_file(path):
        assert [error.message for error in validator.iter_errors(document.value)] == []


def test_the_schema_refuses_a_misspelt_key():
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not validator.is_valid({"polysigma": {"version": 1, "stpes": []}})


@pytest.mark.parametrize(
    ("option", "file"), [([], "polysigma.schema.json"), (["--guide"], "guide.schema.json")], ids=["rules", "guides"]
)
def test_the_command_prints_the_schemas_that_are_in_the_rules_folder(polysigma, option, file):
    shown = polysigma("schema", *option)
    assert shown.code == 0
    assert shown.out == (SCHEMA.parent / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*/scenarios.yaml")), ids=lambda path: path.parent.name)
def test_the_schema_of_scenarios_takes_those_of_every_detection(polysigma, path):
    validator = jsonschema.Draft202012Validator(json.loads(polysigma("schema", "--scenarios").out))
    (document,) = read_file(path)
    assert [error.message for error in validator.iter_errors(json.loads(json.dumps(document.value, default=str)))] == []
