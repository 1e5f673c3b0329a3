"""A path in Sysmon's spelling meets a rule's value exactly where the same path as Falcon records it meets the query."""

from __future__ import annotations

import re
from string import ascii_uppercase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.cql import run_cql
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

HEADS = [
    *("C:\\", "c:\\", "D:\\", "?:\\", "*:\\", "*\\", "*", "", "?", "C", ":\\", "?:\\..\\", "\\"),
    *("\\\\\\\\server\\share\\", "%SystemRoot%\\", "\\\\\\\\?\\C:\\", "\\SystemRoot\\", "\\??\\C:\\"),
    *("\\Device\\HarddiskVolume3\\", "\\Device\\HarddiskVolume*\\", "*\\HarddiskVolume1\\", "*3\\", "*e1\\", "*Volume"),
]
"""How values of published rules begin, and how they could."""
NAMES = ["Users", "Windows", "x.exe", "a b", "1", "..", "$Recycle.Bin", "é", "HarddiskVolume1", "Device", "[a]"]
PATTERNS = [*NAMES, "*", "?", "Win*", "*.exe", "?sers", "x*", "**"]
TAILS = ["", "\\", "\\\\*", "*", "?"]
ON_DEVICES = "a path on a device is met also where it has a drive letter"
VOLUMES = (1, 3, 12)
WILDCARDS = {"*": ".*", "?": "."}

values = st.builds(
    lambda head, names, tail: head + "\\".join(names) + tail,
    st.sampled_from(HEADS),
    st.lists(st.sampled_from(PATTERNS), max_size=2),
    st.sampled_from(TAILS),
)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda names: "".join(f"\\{n}" for n in names))


def read(value: str) -> str:
    """A Sigma value as a pattern, by the specification: a backslash escapes a wildcard or another backslash."""
    parts = re.findall(r"\\[*?\\]|.", value, re.DOTALL)
    return "".join(re.escape(part[-1]) if part[0] == "\\" else WILDCARDS.get(part, re.escape(part)) for part in parts)


def example_of(value: str) -> str:
    """What may follow the drive of a path that meets a value."""
    after = re.sub(r"^[^\\]*", "", value)
    return re.sub(r"[*?]", "x", re.sub(r"\\\\+", r"\\", after)) or "\\x"


@example(values=["C:\\Users\\*\\x.exe"], rests=["\\Users\\a\\b\\x.exe", "\\Users\\x.exe"])
@example(values=["\\\\Windows\\\\"], rests=["\\Windows\\", "\\x"])
@example(values=["*\u0430*"], rests=["\\\u0430", "\\a"])
@example(values=["\\Device\\HarddiskVolume3\\Users"], rests=["\\Users"])
@given(values=st.lists(values, min_size=1, max_size=3), rests=st.lists(paths, min_size=1, max_size=8))
def test_a_path_meets_both_or_neither(values, rests):
    """A drive named in a value is met on any drive, as the query's head says; nothing else may be lost or won."""
    rests = [*rests, *map(example_of, values)]
    detection = {"selection": {"TargetFilename": values}, "condition": "selection"}
    rule = {"title": "T", "logsource": {"product": "windows", "category": "file_event"}, "detection": detection}
    try:
        (query,) = backends["logscale"](pipelines["falcon"]()).convert(SigmaCollection.from_dicts([rule]))
    except SigmaError as error:
        assert error.code in {"not-comparable", "unverified"}  # noqa: PT017 - a refusal is an answer
        return
    patterns = {value: re.compile(read(value), re.DOTALL | re.IGNORECASE) for value in values}
    named = [pattern for value, pattern in patterns.items() if value.startswith("\\Device\\")]
    rows = [
        {"#event_simpleName": "PeFileWritten", "event_platform": "Win", "@timestamp": "1700000000000", "Id": str(at),
         "TargetFileName": f"\\Device\\HarddiskVolume{volume}{rest}"}
        for at, (rest, volume) in enumerate((rest, volume) for rest in rests for volume in VOLUMES)
    ]  # fmt: skip
    found = {int(row["Id"]) // len(VOLUMES) for row in run_cql(query, rows).rows}
    for at, rest in enumerate(rests):
        devices = [f"\\Device\\HarddiskVolume{volume}{rest}" for volume in VOLUMES]
        by_device = any(pattern.fullmatch(path) for pattern in named for path in devices)
        on = {drive for drive in ascii_uppercase if any(p.fullmatch(f"{drive}:{rest}") for p in patterns.values())}
        assert (at in found) is bool(on or by_device), (rest, query)
        assert ON_DEVICES in query or not by_device
        assert len(on) in {0, 26} or "any drive" in query, (rest, on, query)


@pytest.mark.parametrize(
    "value", ["C:\\Windows\\x.exe", "*\\x.exe", "C:\\Users\\*\\x.exe", "?:\\Windows\\*", "*:\\Windows\\*", "*\\a b\\*"]
)
def test_what_published_rules_write_is_never_refused(value):
    detection = {"selection": {"Image": value}, "condition": "selection"}
    rule = {"title": "T", "logsource": {"product": "windows", "category": "process_creation"}, "detection": detection}
    assert backends["logscale"](pipelines["falcon"]()).convert(SigmaCollection.from_dicts([rule]))
