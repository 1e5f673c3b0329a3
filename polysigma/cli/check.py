"""`polysigma check`: what is wrong with rules, and where."""

from __future__ import annotations

import sys

import click

from polysigma.diagnostics import FORMATS, Severity


@click.command()
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="How findings are written.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--tuning", metavar="FILE", help="Check a site's tuning against the rules, too.")
@click.option("--write-lock", is_flag=True, help="Lock what each version of the detections means, before checking.")
@click.option("--again", is_flag=True, help="With --write-lock: also where that version is locked as something else.")
def command(
    rules: tuple[str, ...],
    form: str,
    strict: bool,  # noqa: FBT001
    tuning: str | None,
    write_lock: bool,  # noqa: FBT001
    again: bool,  # noqa: FBT001
) -> None:
    """Find what is wrong with rules, and say where.

    RULE is a file, a folder, or the name of a packaged detection; all of these where none is given. YAML, Sigma, the
    `polysigma` map and its expressions, ids and names, references, and the query of every platform are checked.

    With --tuning, whether the entries fit the rules, leave out no more than a /16 without naming a process, and hide
    no hit that scenarios expect. --write-lock adds the version in each guide to the lock.json beside its folder, so
    that a rule whose meaning changes without a new version is a finding from then on.

    Exits with 0 when nothing is wrong, 1 when something is, 2 when a rule cannot be read.
    """
    from polysigma.catalog import packaged_names, read_rules
    from polysigma.check import check
    from polysigma.tuning import read_tuning

    if again and not write_lock:
        raise click.UsageError("--again needs --write-lock")
    site = read_tuning(tuning) if tuning else None
    asked = rules or packaged_names()
    if write_lock:
        from polysigma.guide.lock import write_locks

        locks, _ = write_locks(read_rules(asked)[0], again=again)  # the check says what is wrong
        click.echo("\n".join(f"written: {path}" for path in locks) or "no guide, so nothing to lock", err=True)
    findings, files = check(asked, tuning=site)
    if findings or form != "text":
        click.echo(FORMATS[form](findings))
    elif form == "text":
        count = sum(len(file.documents) for file in files)
        click.echo(f"{count} documents in {len(files)} files: nothing wrong", err=True)
    if any(finding.code in {"unreadable-file", "no-rules"} for finding in findings):
        sys.exit(2)
    wrong = [finding for finding in findings if strict or finding.severity is Severity.ERROR]
    sys.exit(1 if wrong else 0)
