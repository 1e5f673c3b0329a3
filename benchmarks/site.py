"""The whole site of a folder of Sigma rules: how long it takes, how much it weighs, what a page transfers.

    python benchmarks/site.py FOLDER

Wants no more than 90 seconds and 250 MB for 3,000 rules, pages of at most 60 KB of HTML, and 400 KB for all that a
page loads. Wall time hangs on what else the machine does, so the processor's time of all processes is given too. A disk
counts every file and folder in blocks of 4 KB: that, too, is to be no more. Exits with 1 where a size is above.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEGABYTES, PAGE, TRANSFER, SECONDS = 250, 60_000, 400_000, 90
_LOADED = re.compile(r'<(?:script src|link rel=stylesheet href|link rel=icon href)="([^"]+)"')


def build(folder: str, site: str) -> tuple[float, float]:
    """Builds the site of some rules; seconds by the clock, and of all processors."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", site]
    environment = {**os.environ, "POLYSIGMA_SITE_RULES": str(Path(folder).resolve())}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime


def transferred(page: Path) -> int:
    """The bytes of a page and of all that it loads."""
    html = page.read_text(encoding="utf-8")
    loaded = {(page.parent / address).resolve() for address in _LOADED.findall(html)}
    return page.stat().st_size + sum(path.stat().st_size for path in loaded)


def main(folder: str) -> int:
    with tempfile.TemporaryDirectory() as site:
        clock, processor = build(folder, site)
        files = [path for path in Path(site).rglob("*") if path.is_file()]
        pages = [path for path in files if path.suffix == ".html"]
        weight = sum(path.stat().st_size for path in files) / 1e6
        disk = sum(path.stat().st_blocks * 512 for path in Path(site).rglob("*")) / 1e6
        largest = max(path.stat().st_size for path in pages)
        heaviest = max(transferred(path) for path in pages if path.name != "404.html")
        detections = sum(1 for path in Path(site, "detections").iterdir() if (path / "index.html").is_file())
    print(f"{detections:,} detections, {len(pages):,} pages, {len(files):,} files")
    print(f"{clock:.0f} s by the clock (at most {SECONDS} on an idle machine), {processor:.0f} s of processors")
    print(f"{weight:.0f} MB of files (at most {MEGABYTES}), {disk:.0f} MB as the disk counts them (the same)")
    print(f"largest page {largest / 1e3:.1f} KB (at most {PAGE / 1e3:.0f})")
    print(f"most that a page transfers {heaviest / 1e3:.0f} KB (at most {TRANSFER / 1e3:.0f})")
    return int(max(weight, disk) > MEGABYTES or largest > PAGE or heaviest > TRANSFER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
