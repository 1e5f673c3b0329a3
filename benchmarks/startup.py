"""How long the command lines take to start, as ratios, which say the same on a slow machine as on a fast one.

    python benchmarks/startup.py

Prints `polysigma --help` over `sigma --help` (to be below one half), and `sigma list targets` with our plug-ins over
the same without them (to be at most 1.1). Each is the fastest of several runs, taken in turns.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

ROUNDS = 15
BIN = Path(sys.executable).parent

WITHOUT_OURS = """
import pkgutil
every = pkgutil.iter_modules
def others(*arguments, **options):
    return (module for module in every(*arguments, **options) if not module.name.endswith(".polysigma"))
pkgutil.iter_modules = others
"""
"""pySigma finds plug-ins by walking its namespace, so ours are not there for whoever does not see them there."""

RUN_SIGMA = "import sys; sys.argv = ['sigma', 'list', 'targets']; from sigma.cli.main import main; main()"


def fastest(*commands: list[str]) -> list[float]:
    """The shortest time of each command, in seconds; they take turns, so that a busy moment hits all of them."""
    times = [float("inf")] * len(commands)
    for _ in range(ROUNDS):
        for number, command in enumerate(commands):
            start = perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[number] = min(times[number], perf_counter() - start)
    return times


def main() -> None:
    """Measures and prints both ratios."""
    ours, sigma = fastest([str(BIN / "polysigma"), "--help"], [str(BIN / "sigma"), "--help"])
    print(f"polysigma --help     {ours:.3f} s   sigma --help {sigma:.3f} s   ratio {ours / sigma:.2f}")
    with_ours, without = fastest(
        [sys.executable, "-c", RUN_SIGMA],
        [sys.executable, "-c", WITHOUT_OURS + RUN_SIGMA],
    )
    print(f"sigma list targets   {with_ours:.3f} s   without ours {without:.3f} s   ratio {with_ours / without:.2f}")


if __name__ == "__main__":
    main()
