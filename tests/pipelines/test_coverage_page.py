"""The page of what the platforms answer is what the claims say."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysigma.coverage import PLATFORMS, page
from sigma.pipelines.polysigma import platform

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "coverage.md"


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(map(platform, PLATFORMS)), "run python -m polysigma.coverage"


@pytest.mark.parametrize("platform_name", PLATFORMS)
def test_every_category_and_every_field_is_on_the_page(platform_name):
    text = page([platform(platform_name)])
    for name, category in platform(platform_name).categories.items():
        assert f"### {name}: " in text
        assert all(f"| `{field}` |" in text for field in category.fields)
