"""The code of every refusal of a published rule on Falcon is true, by what rows are known to hold (`falcon.py`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from sigma.conditions import ConditionFieldEqualsValueExpression
from sigma.exceptions import SigmaError
from sigma.types import SigmaExists, SigmaExpansion, SigmaFieldReference, SigmaNull, SigmaRegularExpression, SigmaString

from . import falcon, naive
from .test_falcon_corpus import EVERY, RULES, Outcome, Recorder, convert

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason="the SigmaHQ rules are not beside the checkout")

UNSURE = {"pipe_created", "create_remote_thread", "registry_delete", "create_stream_hash", "wmi_event", "file_change"}
"""Categories of which sensors may record something, by the names of events alone (998 names of 2026-06)."""
NEW = {"file_executable_detected"}
"""Categories that nothing is said of."""


def parts(node: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a condition, each with a value that is asked of it."""
    if isinstance(node, ConditionFieldEqualsValueExpression):
        values = node.value.values if isinstance(node.value, SigmaExpansion) else [node.value]
        yield from ((node.field, value) for value in values)
        yield from (
            (value.field, SigmaExists(exists=True)) for value in values if isinstance(value, SigmaFieldReference)
        )
    for part in getattr(node, "args", ()):
        yield from parts(part)


def truths(outcome: Outcome) -> set[str]:
    """The codes that are true of a rule."""
    recorder = Recorder(outcome.platform, outcome.rule)
    if recorder.category not in falcon.RECORDED:
        logsource = outcome.rule.logsource
        if recorder.category in NEW or not (logsource.category or logsource.service):
            return {"unclaimed-logsource"}
        return {"unverified"} if recorder.category in UNSURE else {"not-recorded"}
    found = set()
    for condition in outcome.rule.detection.parsed_condition:
        for field, value in parts(condition.parsed):
            found |= hindrances(recorder, field, value)
    return found


def hindrances(recorder: Recorder, field: str, value: Any) -> set[str]:
    """What may stand in the way of one test."""
    if isinstance(value, SigmaNull | SigmaExists):
        value = SigmaString(naive.FILLER)
    text = "".join(naive.text_for([value])) or naive.FILLER
    found = set()
    try:
        told = recorder.seen({field: recorder.shape(field, naive.text_for([value]))})
        recorder.row(told)
        if field not in told:
            found |= {"not-recorded", "unverified", "not-comparable"}
    except (ValueError, KeyError):
        found |= {"not-recorded", "not-comparable"}
    if field == "Details" and re.fullmatch(r"0x[0-9A-Fa-f]{8}", text):
        found.add("not-recorded")  # so Sysmon writes a number, and Falcon records the text of a value alone
    if field in falcon.NAMES.get(recorder.category, {}) and ("\\" in text or "/" in text):
        found.add("path-not-recorded")
    if field in falcon.PATHS.get(recorder.category, {}) or field == "TargetObject":
        found |= {"not-comparable"} if isinstance(value, SigmaRegularExpression) else set()
        found |= {"not-comparable"} if text.startswith("HKCR") or not text.strip(":\\*?" + naive.FILLER) else set()
        found |= {"unverified"} if "\\\\" in text else set()
    return found


def untrue(outcomes: list[Outcome]) -> list[str]:
    found = []
    for outcome in outcomes:
        try:
            refused = not outcome.queries
            codes = truths(outcome)
        except SigmaError:
            continue
        if refused and outcome.code not in codes:
            found.append(f"{outcome.rule.title} ({outcome.platform}): {outcome.code}, and true are {codes or 'none'}")
    return found


@pytest.mark.parametrize("platform", ["falcon", "fdr"])
def test_the_code_of_every_refusal_in_a_sample_is_true(platform):
    assert untrue(convert(platform, EVERY)) == []


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["falcon", "fdr"])
def test_the_code_of_every_refusal_is_true(platform):
    assert untrue(convert(platform, 1)) == []
