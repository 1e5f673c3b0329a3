"""Polysigma's pipelines: each makes Sigma rules speak one platform's columns, from the claims in its YAML file.

`pipelines` is what pySigma discovers; how a pipeline, ours or another, names a field that a detection does not test is
said by `probe`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline, QueryPostprocessingItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.platform import Platform

# Every function in here is registered as a pipeline, so nothing else may stand in it.
__all__ = ["asim", "defender", "falcon", "fdr", "pipelines", "sentinel", "splunk_cim", "splunk_sysmon", "sysmon_json"]

PRIORITY = 20
"""pySigma's place for pipelines that map to a platform: after those that prepare rules (10, and users' own without a
priority, 0), so that they see Sigma's names, and before those of a backend (50)."""


@cache
def platform(name: str) -> Platform:
    """The claims about a platform, by its id. Raises PolysigmaError for claims that do not hold together."""
    from sigma.pipelines.polysigma.claims import load_platform

    return load_platform(Path(__file__).with_name(f"{name}.yaml"))


def _pipeline(name: str) -> ProcessingPipeline:
    # pySigma imports this module whenever `sigma` starts, and makes a pipeline only when one is asked for.
    from polysigma.platform import PIPELINE_VARIABLE
    from sigma.pipelines.polysigma.tables import TableTransformation
    from sigma.pipelines.polysigma.transformations import ClaimsTransformation

    claims = platform(name)
    tables = [QueryPostprocessingItem(TableTransformation())] if claims.targets[0] == "kql" else []
    return ProcessingPipeline(
        name=f"Polysigma: {claims.title}",
        priority=PRIORITY,
        items=[ProcessingItem(identifier=f"polysigma_{name}", transformation=ClaimsTransformation(claims))],
        postprocessing_items=tables,
        vars={PIPELINE_VARIABLE: claims},
    )


def falcon() -> ProcessingPipeline:
    """CrowdStrike Falcon Next-Gen SIEM."""
    return _pipeline("falcon")


def fdr() -> ProcessingPipeline:
    """CrowdStrike Falcon Data Replicator."""
    return _pipeline("fdr")


def splunk_cim() -> ProcessingPipeline:
    """The Common Information Model in Splunk."""
    return _pipeline("splunk_cim")


def splunk_sysmon() -> ProcessingPipeline:
    """Sysmon in Splunk, by the Splunk Add-on for Sysmon."""
    return _pipeline("splunk_sysmon")


def defender() -> ProcessingPipeline:
    """Microsoft Defender XDR, advanced hunting."""
    return _pipeline("defender")


def sentinel() -> ProcessingPipeline:
    """Microsoft Sentinel, Defender's tables."""
    return _pipeline("sentinel")


def asim() -> ProcessingPipeline:
    """Microsoft Sentinel, the parsers of the Advanced Security Information Model."""
    return _pipeline("asim")


def sysmon_json() -> ProcessingPipeline:
    """Sysmon events as JSON."""
    return _pipeline("sysmon_json")


pipelines: dict[str, Callable[[], ProcessingPipeline]] = {
    "falcon": falcon,
    "fdr": fdr,
    "splunk_cim": splunk_cim,
    "splunk_sysmon": splunk_sysmon,
    "sysmon_json": sysmon_json,
    "defender": defender,
    "sentinel": sentinel,
    "asim": asim,
}
