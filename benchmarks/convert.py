"""What it costs to convert the beaconing detection, over the official Splunk backend converting a plain rule.

    python benchmarks/convert.py

Everything is in one process, as in `sigma convert` of a folder, and the fastest of several runs, taken in turns.
`first` is the first conversion of the process (imports of the target's own modules, reading of the claims); `again` is
any later one. `loaded` leaves out the reading of the YAML, which pySigma does for all backends alike, and which takes
five times as long for the detection as for the plain rule. `benchmarks/startup.py` measures the command lines.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.pipelines.splunk import splunk_windows_pipeline

from sigma.backends.polysigma import LogScaleBackend, SqlBackend
from sigma.pipelines.polysigma import falcon, fdr, sysmon_json

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 25
ROOT = Path(__file__).parents[1]
DETECTION = (ROOT / "rules" / "botnet_node_beaconing" / "rule.yml").read_text()
PLAIN = """
title: Encoded command of PowerShell
status: test
logsource:
    category: process_creation
    product: windows
detection:
    selection_image:
        - Image|endswith:
              - '\\powershell.exe'
              - '\\pwsh.exe'
        - OriginalFileName: PowerShell.EXE
    selection_command:
        CommandLine|contains:
            - ' -enc '
            - ' -EncodedCommand '
    filter_updater:
        ParentImage|endswith: '\\updater.exe'
    condition: all of selection_* and not filter_updater
"""

CASES: dict[str, tuple[Callable[[], SplunkBackend | LogScaleBackend | SqlBackend], str]] = {
    "splunk, a plain rule": (lambda: SplunkBackend(splunk_windows_pipeline()), PLAIN),
    "logscale, a plain rule": (lambda: LogScaleBackend(falcon()), PLAIN.replace("OriginalFileName", "CommandLine")),
    "logscale, the detection": (lambda: LogScaleBackend(falcon()), DETECTION),
    "sql on sysmon, the detection": (lambda: SqlBackend(sysmon_json()), DETECTION),
    "sql on fdr, the detection": (lambda: SqlBackend(fdr()), DETECTION),
}


def run(name: str) -> tuple[float, float]:
    """Seconds of one conversion with its loading, and without."""
    make, text = CASES[name]
    start = perf_counter()
    collection = SigmaCollection.from_yaml(text)
    loaded = perf_counter()
    queries = make().convert(collection)
    end = perf_counter()
    assert [query for query in queries if query]
    return end - start, end - loaded


def main() -> None:
    """Prints one line a case: milliseconds, and ratios over the official backend."""
    first = {name: run(name) for name in CASES}
    again = {name: (float("inf"), float("inf")) for name in CASES}
    for _ in range(ROUNDS):
        for name in CASES:
            whole, loaded = run(name)
            again[name] = min(again[name][0], whole), min(again[name][1], loaded)
    official = again["splunk, a plain rule"]
    print(f"{'':30}{'first':>9}{'again':>9}{'ratio':>7}{'loaded':>9}{'ratio':>7}")
    for name, (whole, loaded) in again.items():
        print(
            f"{name:30}{first[name][0] * 1000:9.1f}{whole * 1000:9.2f}{whole / official[0]:7.2f}"
            f"{loaded * 1000:9.2f}{loaded / official[1]:7.2f}"
        )


if __name__ == "__main__":
    main()
