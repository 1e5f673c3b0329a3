"""pySigma finds our pipelines beside the official ones, and loading them costs next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys

from sigma.plugins import InstalledSigmaPlugins
from sigma.processing.pipeline import ProcessingPipeline

from sigma.pipelines import polysigma


def test_pysigma_registers_exactly_our_pipelines():
    found = InstalledSigmaPlugins.autodiscover().pipelines
    ours = {name for name, make in found.items() if getattr(make, "__module__", "").startswith(polysigma.__name__)}
    assert ours == set(polysigma.pipelines) >= {"falcon", "fdr", "splunk_cim", "splunk_sysmon", "sysmon_json"}
    assert {"splunk_windows", "microsoft_xdr", "sentinel_asim"} <= found.keys()


def test_every_pipeline_resolves():
    resolver = InstalledSigmaPlugins.autodiscover().get_pipeline_resolver()
    assert all(isinstance(resolver.resolve_pipeline(name), ProcessingPipeline) for name in polysigma.pipelines)


def test_loading_the_plug_in_imports_pysigma_and_the_standard_library_only():
    script = (
        "import sys, json, sigma.processing.pipeline, sigma.correlations; before = set(sys.modules)\n"
        "import sigma.pipelines.polysigma\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(json.loads(result.stdout)) <= {"sigma", *sys.stdlib_module_names}
