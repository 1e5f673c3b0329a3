"""The whole of a folder of Sigma rules, end to end: ours, and the official backend in the same run.

    python benchmarks/corpus.py FOLDER [logscale|kql|spl]

Each command is a process of its own, three times in turns; the least processor time of each counts, as other work on
the machine can only add to it. Memory is the most that the process held. The official backend runs twice: by the fewest
lines that convert a folder with pySigma, which `polysigma convert` is held against, and in `sigma convert`, which
`sigma convert` with ours is held against. Needs the official backend (pysigma-backend-crowdstrike, -kusto or -splunk).
For LogScale also tells the share of the tests of a field that need a regular expression, of each.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

ROUNDS = 3
OFFICIAL = "the official backend"
SIGMA_OFFICIAL = "sigma convert, official"
BIN = Path(sys.executable).parent
_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_REGEX = re.compile(r"(?:!?=|[^\w\"]regex\()\s*/(?:[^/\\\n]|\\.)+/")
_TEST = re.compile(r"(?<![:<>!=])!?=(?!=)|[<>]=?|\b(?:in|cidr|test|text:\w+)\(")


TARGETS = {
    "logscale": ("falcon", "crowdstrike", "LogScaleBackend", "crowdstrike", "crowdstrike_falcon_pipeline"),
    "kql": ("defender", "kusto", "KustoBackend", "microsoftxdr", "microsoft_xdr_pipeline"),
    "spl": ("splunk_sysmon", "splunk", "SplunkBackend", "splunk", "splunk_windows_pipeline"),
}
"""For each target our pipeline, and where the official backend and its pipeline are."""
NAMES = {
    "logscale": ("log_scale", "crowdstrike_falcon"),
    "kql": ("kusto", "microsoft_xdr"),
    "spl": ("splunk", "splunk_windows"),
}
"""What `sigma convert` calls them."""


def official(folder: str, target: str) -> None:
    """The fewest lines that convert a folder with the official backend.

    Some of its errors are none of pySigma's, and would end the whole run.
    """
    from sigma.collection import SigmaCollection

    _, backends, backend_name, pipelines, pipeline_name = TARGETS[target]
    backend_class = getattr(import_module(f"sigma.backends.{backends}"), backend_name)
    pipeline = getattr(import_module(f"sigma.pipelines.{pipelines}"), pipeline_name)
    rules = SigmaCollection.load_ruleset([folder], collect_errors=True)
    backend = backend_class(pipeline(), collect_errors=True)
    backend.init_processing_pipeline("default")
    queries = []
    for rule in rules:
        with contextlib.suppress(Exception):
            queries += backend.convert_rule(rule, "default")
    print("\n".join(map(str, queries)))


def official_in_sigma(folder: str, target: str) -> None:
    """`sigma convert -s` with the official backend, whose errors that are none of pySigma's are skipped like others."""
    from sigma.cli.main import main as sigma
    from sigma.exceptions import SigmaError

    _, backends, backend_name, _, _ = TARGETS[target]
    backend_class = getattr(import_module(f"sigma.backends.{backends}"), backend_name)
    convert_rule = backend_class.convert_rule

    def skipping(self: Any, rule: Any, *arguments: Any) -> Any:
        try:
            return convert_rule(self, rule, *arguments)
        except SigmaError:
            raise
        except Exception as error:  # noqa: BLE001 - that is what it is for
            self.errors.append((rule, SigmaError(str(error))))
            return []

    backend_class.convert_rule = skipping
    name, pipeline = NAMES[target]
    sys.argv = ["sigma", "convert", "-s", "-p", pipeline, "-t", name, folder]
    sigma()


def run(command: list[str]) -> tuple[float, float, str]:
    """Processor seconds, megabytes, and what the command prints."""
    with tempfile.TemporaryFile() as output, Path(os.devnull).open("w") as errors:
        pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
            ],
        )
        _, _, usage = os.wait4(pid, 0)
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode()


def shape(text: str) -> str:
    """How many rules have an event type, and how many tests of a field need a regular expression."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("//")]
    code = "\n".join(lines)
    regexes = len(_REGEX.findall(code))
    rest = _TEXT.sub('""', _REGEX.sub(" ", code))
    rest = re.sub(r"#event_simpleName\s*=|(?:values|subnet|ignoreCase|field|with|as|flags|string|substring)=", "", rest)
    tests = regexes + len(_TEST.findall(rest))
    return f"{regexes:,} of {tests:,} tests of a field are regular expressions ({regexes / max(tests, 1):.0%})"


def main(folder: str, target: str = "logscale") -> None:
    """Measures, and prints one line a command."""
    pipeline = TARGETS[target][0]
    commands = {
        "polysigma convert": [str(BIN / "polysigma"), "convert", "-p", pipeline, "-t", target, folder],
        "sigma convert, ours": [str(BIN / "sigma"), "convert", "-s", "-p", pipeline, "-t", target, folder],
        OFFICIAL: [sys.executable, __file__, "--official", folder, target],
        SIGMA_OFFICIAL: [sys.executable, __file__, "--official-in-sigma", folder, target],
    }
    best: dict[str, tuple[float, float]] = {}
    printed: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            seconds, memory, printed[name] = run(command)
            least = best.get(name, (seconds, memory))
            best[name] = (min(seconds, least[0]), min(memory, least[1]))
    for name, (seconds, memory) in best.items():
        slowest, largest = best[SIGMA_OFFICIAL if name.startswith("sigma convert") else OFFICIAL]
        ratio = f"{slowest / seconds:.2f} times as fast, {memory / largest:.0%} of the memory"
        print(f"{name:24} {seconds:6.2f} s {memory:5.0f} MB   {ratio}")
        if target == "logscale":
            print(f"{'':24} {shape(printed[name])}")


if __name__ == "__main__":
    modes = {"--official": official, "--official-in-sigma": official_in_sigma}
    modes[sys.argv[1]](*sys.argv[2:]) if sys.argv[1] in modes else main(*sys.argv[1:])
