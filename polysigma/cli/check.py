"""`polysigma check`: what is wrong with rules, and where."""

from __future__ import annotations

import sys

import click

from polysigma.diagnostics import FORMATS, Severity


@click.command()
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="How findings are written.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
def command(rules: tuple[str, ...], form: str, strict: bool) -> None:  # noqa: FBT001
    """Find what is wrong with rules, and say where.

    RULE is a file, a folder, or the name of a packaged detection; all of these where none is given. YAML, Sigma, the
    `polysigma` map and its expressions, ids and names, references, and the query of every platform are checked.

    Exits with 0 when nothing is wrong, 1 when something is, 2 when a rule cannot be read.
    """
    from polysigma.catalog import packaged_names
    from polysigma.check import check

    findings, files = check(rules or packaged_names())
    if findings or form != "text":
        click.echo(FORMATS[form](findings))
    elif form == "text":
        count = sum(len(file.documents) for file in files)
        click.echo(f"{count} documents in {len(files)} files: nothing wrong", err=True)
    if any(finding.code in {"unreadable-file", "no-rules"} for finding in findings):
        sys.exit(2)
    wrong = [finding for finding in findings if strict or finding.severity is Severity.ERROR]
    sys.exit(1 if wrong else 0)
