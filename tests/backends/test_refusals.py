"""Every refusal has a code of one enumeration, whose example gets just that code."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

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


def test_every_code_is_explained_in_its_order_and_nearly_all_by_an_example():
    assert list(refusals()) == list(RefusalCode)
    assert {code for code, one in refusals().items() if not one.example} == WITHOUT_EXAMPLE
    assert all(one.title and one.why and one.instead and one.source for one in refusals().values())


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), "run python -m polysigma.refusals"
