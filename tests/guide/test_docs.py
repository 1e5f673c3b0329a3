"""The page on writing guides knows every finding, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import polysigma.guide

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "writing-a-guide.md"
RAISED = re.compile(
    r"""(?:error|at_key|in_text|Fault|Diagnostic)\(\s*(?:[\w.]*document,\s*)?"([a-z-]+)"|validate\(\w+,\s*\w+,\s*"([a-z-]+)\""""
)


def test_every_code_of_a_finding_is_on_the_page_and_no_other():
    modules = Path(polysigma.guide.__file__).parent.glob("*.py")
    raised = {one or other for path in modules for one, other in RAISED.findall(path.read_text(encoding="utf-8"))}
    raised.add("parameter-type")  # raised by polysigma.plan.parameters
    told = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert told == raised


def test_every_code_is_tried_by_a_test():
    tried = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.iterdir() if path.is_file())
    told = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [code for code in told if code not in tried] == []
