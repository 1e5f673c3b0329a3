"""Every refusal has a code of one enumeration, whose example gets just that code."""

from __future__ import annotations

import re
from pathlib import Path
from re import _parser as python_regexes  # type: ignore[attr-defined]
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.cql import lint
from polysigma.diagnostics import Severity
from polysigma.refusals import RefusalCode, as_markdown, refusals
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "refusals.md"
WITHOUT_EXAMPLE = {
    RefusalCode.UNICODE_CLASS,
    RefusalCode.NAME_CHARACTER,
    RefusalCode.CONDITION_KIND,
    RefusalCode.EMPTY_CONDITION,
    RefusalCode.CORRELATION_TYPE,
    RefusalCode.DIFFERING_COLUMNS,
    RefusalCode.STEP,
}
"""What other plug-ins or pipelines bring about, or steps of one language."""
PIECES = [
    *(
        "a",
        ".",
        r"\.",
        "[^x/]",
        "[]b]",
        "(?:a|b)",
        "(c)",
        "(?P<n>d)",
        "(?i:e)",
        "x*?",
        "y{2,3}",
        "z+",
        "(?=f)",
        "(?!g)",
    ),
    *("$", "^", r"\d", r"\u0041", r"\x41", "/", "{", '"', "é", "(?<=h)", "(?<!i)", "(?>j)", "k*+", r"(l)\1"),
    *("(?P<o>m)(?P=o)", "(p)?(?(1)q|r)", "(?-i:s)", "(?s:.)", "(?x: t)"),
]
"""Parts of regular expressions, of which all patterns are put together: what engines share, and what they do not."""
BACKTRACKING = {
    "GROUPREF": RefusalCode.BACK_REFERENCE,
    "GROUPREF_EXISTS": RefusalCode.REGEX_CONSTRUCT,
    "ATOMIC_GROUP": RefusalCode.ATOMIC_GROUP,
    "POSSESSIVE_REPEAT": RefusalCode.POSSESSIVE_QUANTIFIER,
}
"""Nodes of Python's parser of regular expressions for what LogScale's engine cannot do."""
EXAMPLES = [one for one in refusals().values() if one.example]


def documents(example: str) -> list[dict]:
    if "logsource:" in example:
        return list(yaml.safe_load_all(example))
    logsource = {"product": "windows", "category": "process_creation"}
    return [{"title": "T", "logsource": logsource, "detection": yaml.safe_load(example)}]


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.code)
def test_an_example_is_refused_by_its_code(one):
    pipeline = None if one.pipeline == "none" else pipelines[one.pipeline]()
    collection = SigmaCollection.from_dicts(documents(one.example))
    with pytest.raises(SigmaError) as caught:
        backends[one.target](pipeline).convert(collection)
    assert caught.value.code == one.code
    assert isinstance(caught.value.code, RefusalCode) or caught.value.code in set(RefusalCode)


def constructs(node: Any) -> set[RefusalCode]:
    """What stands in a pattern, by Python's own parser, that LogScale's engine does not document."""
    found = set()
    for operator, argument in node:
        name = str(operator)
        found |= {BACKTRACKING[name]} if name in BACKTRACKING else set()
        if name == "SUBPATTERN" and (argument[1] & ~re.IGNORECASE or argument[2]):
            found.add(RefusalCode.REGEX_CONSTRUCT)  # flags within a pattern, of which only i is documented
        found |= {RefusalCode.LOOKBEHIND} if name.startswith("ASSERT") and argument[0] < 0 else set()
        queue = [argument]
        while queue:
            part = queue.pop()
            if isinstance(part, python_regexes.SubPattern):
                found |= constructs(part)
            elif isinstance(part, tuple | list):
                queue += part
    return found


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5))
def test_a_pattern_is_refused_for_a_construct_if_it_has_it_and_for_nothing_else(pieces):
    pattern = "".join(pieces)
    try:
        wanted = constructs(python_regexes.parse(pattern))
    except re.error:
        return  # pySigma does not take it either
    rule = {"selection": {"CommandLine|re": pattern}, "condition": "selection"}
    backend = backends["logscale"](pipelines["falcon"](), collect_errors=True)
    queries = backend.convert(SigmaCollection.from_dicts(documents(yaml.safe_dump(rule))))
    if wanted:
        ((_, error),) = backend.errors
        assert error.code in wanted
    else:
        (query,) = queries
        assert not [one for one in lint(query) if one.severity is Severity.ERROR], query


@pytest.mark.parametrize(
    ("pattern", "printed"),
    [("(?i)foo", "/foo/i"), ("(?is)a.b", "/a.b/di"), ("(?m)^x$", "/^x$/m"), ("a(?i:b)", "/a(?i:b)/")],
)
def test_flags_that_a_pattern_begins_with_are_flags_of_the_test(pattern, printed):
    rule = {"selection": {"CommandLine|re": pattern}, "condition": "selection"}
    (query,) = backends["logscale"](pipelines["falcon"]()).convert(
        SigmaCollection.from_dicts(documents(yaml.safe_dump(rule)))
    )
    assert f"CommandLine={printed}\n" in query


def test_every_code_is_explained_in_its_order_and_nearly_all_by_an_example():
    assert list(refusals()) == list(RefusalCode)
    assert {code for code, one in refusals().items() if not one.example} == WITHOUT_EXAMPLE
    assert all(one.title and one.why and one.instead and one.source for one in refusals().values())


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), "run python -m polysigma.refusals"
