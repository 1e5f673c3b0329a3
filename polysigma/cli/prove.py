"""`polysigma prove`: that a detection finds the same things on every platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from polysigma.diagnostics import PolysigmaError, as_text
from polysigma.progress import progress


@click.command()
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--platform", "-p", "platforms", multiple=True, metavar="NAME", help="Only this platform; repeatable.")
@click.option("--target", "-t", metavar="NAME", help="The query language, where a platform has several.")
@click.option("--dialect", type=click.Choice(["duckdb", "spark"]), help="Which SQL to run.  [default: duckdb]")
@click.option("--scenario", "-s", "scenarios", multiple=True, metavar="NAME", help="Only this scenario; repeatable.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "junit"]), default="table", show_default=True, help="How."
)
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="A folder for rows, queries and hits, to ingest."
)
@click.option("--assumptions", is_flag=True, help="Try the alternative of everything that is taken for granted.")
@click.option("--every-window", is_flag=True, help="Run long scenarios on every window of the schedule; slow.")
@click.option("--tuning", metavar="FILE", help="Values and exclusions of a site: see docs/guide/tuning.md.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes; as many as there are processors, by default.")
def command(
    rules: tuple[str, ...],
    platforms: tuple[str, ...],
    target: str | None,
    dialect: str | None,
    scenarios: tuple[str, ...],
    form: str,
    keep: Path | None,
    assumptions: bool,  # noqa: FBT001
    every_window: bool,  # noqa: FBT001
    tuning: str | None,
    jobs: int | None,
) -> None:
    """Prove that rules find the same things on every platform, by running every query.

    RULE is a file, a folder, or the name of a packaged detection; all of these where none is given. Each query is run
    on the scenarios beside its rule, rendered as its platform would hold them, and held against what they expect,
    against a naive evaluation of the rule on the same rows, and against what the other platforms find.

    Exits with 0 when nothing differs but what is declared, 1 when something does or when scenarios prove nothing, 2
    when a rule cannot be read.
    """
    from polysigma.blanks import blanks
    from polysigma.catalog import packaged_names, read_rules
    from polysigma.convert import pairs
    from polysigma.prove import prove
    from polysigma.prove.report import WRITERS
    from polysigma.tuning import read_tuning

    wanted = pairs(platforms, target)
    files, findings = read_rules(rules or packaged_names())
    found = blanks(dict.fromkeys(file.path.parent for file in files))
    findings += [one for left in found.values() for one in left if not str(one.file).endswith("guide.yaml")]
    if findings:
        raise PolysigmaError(*findings)
    with progress() as told:
        proof = prove(
            files,
            wanted,
            scenarios=scenarios,
            keep=keep,
            assumptions=assumptions,
            every_window=every_window,
            tuning=read_tuning(tuning) if tuning else None,
            dialect=dialect,
            workers=jobs or os.cpu_count() or 1,
            progress=told,
        )
    if proof.findings and form != "json":
        click.echo(as_text(proof.findings), err=True)
    WRITERS[form](proof, sys.stdout)
    sys.exit(0 if proof.holds else 1)
