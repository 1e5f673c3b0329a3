"""Exclusions of which `search` can say a part: that part is searched for, and only the rest is tested afterwards."""

from __future__ import annotations

from sigma.collection import SigmaCollection

from sigma.backends.polysigma import SplBackend
from sigma.pipelines.polysigma import pipelines


def test_of_what_must_not_hold_search_says_what_it_can():
    rule = {
        "title": "Excluded",
        "logsource": {"category": "process_creation", "product": "windows"},
        "detection": {
            "selection": {"Image|endswith": "\\a.exe"},
            "known": {"Image|contains": "\\Program Files\\"},
            "odd": {"CommandLine": "x?y"},
            "condition": "selection and not (known or odd)",
        },
    }
    (query,) = SplBackend(pipelines["splunk_sysmon"]()).convert(SigmaCollection.from_dicts([rule]))
    search, *rest = query.split("\n|")
    assert 'NOT Image="*' in search
    assert all("Image" not in line for line in rest)
    assert any("CommandLine" in line for line in rest)
