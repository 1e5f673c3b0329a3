"""Words that say nothing, and words that would say the same of any other detection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polysigma.guide.places import in_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package

Path = tuple[str | int, ...]

_WHOLE = re.compile(
    r"""(?:
    (?:none|nothing|no|yes|unknown)(?:\s+(?:known|reported|expected|identified|yet|so\s+far|at\s+this\s+time|at\s+present))*
    |(?:(?:very|highly|rather)\s+)?(?:unlikely|likely|rare|rarely|possible|various|several|some|minimal)
    |(?:no\s+)?(?:known\s+)?false\s+positives?(?:\s+(?:known|reported|expected|identified))?
    |n\s*[/.]?\s*a\.?|not\s+(?:applicable|available|sure|known|relevant)|unclear|t\.?b\.?[dacs]\.?|to\s?do|fixme
    |to\s+be\s+(?:done|determined|defined|decided|confirmed|written|added)|coming\s+soon|as\s+(?:needed|required|appropriate)
    |see\s+(?:above|below)|same\s+as\s+(?:above|before|(?:in\s+)?(?:the\s+)?(?:other|previous)\s+\w+)
    |(?:(?:some|other|any|various)\s+)?legitimate\s+(?:activity|use|usage|software|admin\w*(?:\s+activity)?)
    |(?:administrative|standard|normal|regular|usual|expected|benign)\s+(?:(?:user|business|system|admin\w*|network)\s+)?
        (?:activity|activities|behaviou?r|use|usage|traffic|operations)
    |(?:system\s+)?administrators?|power\s+users|business\s+as\s+usual|various\s+reasons|depends
    |(?:(?:check|review|analy[sz]e)\s+(?:the\s+)?logs?|investigate(?:\s+(?:the\s+)?(?:alert|host|incident|event|activity))?)
    |(?:contact|inform|notify|alert)\s+(?:the\s+)?(?:security|soc|ir|incident\s+response|it)\s+team
    |(?:see|refer\s+to|consult)\s+(?:the\s+)?(?:(?:vendor|official|product)(?:'s)?\s+)?documentation
    |monitor\s+the\s+situation
    |\W*)[\s.!?]*""",
    re.IGNORECASE | re.VERBOSE,
)
"""A whole text of this kind stands where nobody knew what to say."""

_PHRASES = re.compile(
    r"""tune\s+(?:it\s+)?(?:accordingly|(?:as|if|when)\s+(?:needed|necessary|required))
    |(?:adjust|adapt|change|modify)\s+(?:\w+\s+){0,3}(?:as\s+(?:needed|appropriate|necessary|required)|to\s+your\s+(?:environment|needs))
    |tune\s+(?:\w+\s+){0,3}(?:for|to)\s+your\s+(?:environment|needs)
    |(?:whitelist|allowlist|exclude|filter)\s+known[\s-]+good
    |investigate\s+(?:further|accordingly|as\s+(?:needed|appropriate))
    |(?:logs?|host|system|activity)\s+for\s+(?:anything\s+suspicious|suspicious\s+(?:activity|behaviou?r))
    |escalate\s+(?:if|when|as)\s+(?:suspicious|needed|necessary|appropriate|required)
    |(?:take|perform)\s+(?:the\s+)?(?:appropriate|necessary)\s+(?:action|steps|measures)
    |follow\s+(?:your|the)\s+(?:organi[sz]ation's\s+)?(?:standard\s+)?(?:incident\s+response\s+|operating\s+)?(?:plan|procedures?|playbook)
    |follow\s+standard\s+(?:operating\s+)?procedures?|use\s+common\s+sense
    |re-?image\s+(?:\w+\s+){0,2}(?:if|as|when)\s+(?:needed|necessary|required|appropriate)
    |false\s+positives\s+are\s+(?:unlikely|possible|rare|expected)
    |lorem\s+ipsum|\bTODO\b|\bFIXME\b|\bTBD\b|\bXXX\b|depend(?:s|ing)\s+on\s+(?:your|the)\s+environment""",
    re.IGNORECASE | re.VERBOSE,
)
"""Phrases that look like advice."""

_SHORTEST_SHARED = 40
"""A text of this many characters that two guides share says too little about either."""


def check_text(package: Package) -> Iterator[Diagnostic]:
    """Filler, in any text of the guide or of its tests."""
    for document, keys in ((package.document, True), *((one.document, False) for one in package.atomics)):
        for path, text in texts(document.value):
            if path[-1:] == ("recognise",) and not text.strip():
                continue  # said as a way to tell that is missing
            found = _PHRASES.search(text) if keys or path[-1:] == ("description",) else None
            whole = _WHOLE.fullmatch(text)
            if not whole and not found:
                continue
            said = (
                "an empty text"
                if not text.strip()
                else repr(" ".join((text if whole or not found else found[0]).split()))
            )
            offset = found.start() if found and not whole else 0
            hint = "say what, by which field or number, and who; or leave the entry out"
            yield in_text(document, "filler", f"{said} says nothing", path, text, offset, hint)


def check_shared(packages: Iterable[Package]) -> list[Diagnostic]:
    """Texts that stand in the guides of two detections: what fits both is about neither."""
    seen: dict[str, str] = {}
    findings: list[Diagnostic] = []
    for package in packages:
        for path, text in texts(package.document.value):
            key = " ".join(text.split()).lower()
            # What a platform needs, and where more is to be read, may be the same for many.
            if len(key) < _SHORTEST_SHARED or path[0] in {"platforms", "references"}:
                continue
            other = seen.setdefault(key, package.guide.detection)
            if other != package.guide.detection:
                message = f"the same words stand in the guide of {other}"
                hint = "say what is peculiar to this detection: its fields, numbers, programs"
                findings += package.document.error("shared-text", message, *path, hint=hint).findings
    return findings


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a document, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*path, index))
