"""`polysigma tune`: what a rule's parameters and exclusions would do on a site's own history."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polysigma.diagnostics import Diagnostic, PolysigmaError, as_text
from polysigma.progress import progress

if TYPE_CHECKING:
    from polysigma.tune.history import Study


@click.command()
@click.argument("rule", required=False)
@click.argument("data", nargs=-1)
@click.option("--scenarios", is_flag=True, help="Instead of data: the scenarios that lie beside the rule.")
@click.option("--shape", type=click.Choice(["sysmon", "fdr"]), help="What the data is, if it is not to be recognised.")
@click.option("--tuning", metavar="FILE", help="The tuning that is in force: values and exclusions.")
@click.option("--labels", metavar="FILE", help="What is known of hits on this data: `malicious` and `benign`.")
@click.option("--parameter", "-p", "parameters", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--proposals", type=click.IntRange(0, 100), default=10, show_default=True, help="Exclusions to propose.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How.")
@click.option("--svg", type=click.Path(file_okay=False, path_type=Path), help="A folder: a picture a parameter.")
@click.option("--write", metavar="FILE", help="Add the proposals that are chosen to this tuning file.")
@click.option("--choose", multiple=True, type=click.IntRange(1), metavar="NO.", help="With --write: one; repeatable.")
@click.option("--owner", metavar="WHO", help="With --write: who answers for the exclusions.")
@click.option("--expires", metavar="DAY", help="With --write: the last day on which they hold, as 2027-06-30.")
@click.option("--reason", metavar="TEXT", help="With --write: why; what they are and remove, where it is not given.")
@click.option("--emit", metavar="DIR", help="Write --tuning as Sigma filters and options for sigma convert, and stop.")
def command(rule: str | None, data: tuple[str, ...], **options: Any) -> None:
    """Show what RULE's parameters and exclusions would do on recorded events.

    RULE is a folder, a file, or the name of a packaged detection; DATA is what `polysigma replay` takes. Shows the
    alerts a day at values around that of each parameter, who raises most of them, and what could be excluded, with
    what that would remove and whether a hit that is known to be malicious gets lost. A star marks the value in force.

    With --scenarios instead of DATA: alerts on the rule's own scenarios, and how many of the hits that they expect are
    found, which shows at which value a parameter begins to cost hits or to raise false ones.

    With --emit and --tuning: writes a folder for each detection that the tuning changes, with `filters.yml` for
    `sigma convert --filter` and `options` for its command line, and what has to be uploaded for exclusions by lookup;
    RULE and DATA are then the rules, the packaged ones by default.

    Exit status: 0; 2 for data, a rule or a tuning that cannot be read.
    """
    if options["emit"]:
        _emit([*([rule] if rule else []), *data], options)
        return
    if rule is None or bool(data) is options["scenarios"]:
        raise click.UsageError("name a rule, and the data to try it on, or --scenarios (or --emit DIR --tuning FILE)")
    if options["scenarios"] and (options["write"] or options["labels"]):
        raise click.UsageError("--write and --labels are about data, not about scenarios")
    expires = _checked(options)
    study = _study(rule, data, options)
    if options["svg"]:
        from polysigma.tune.report import write_pictures

        done = write_pictures(study.curves, options["svg"], a_day=not study.on_scenarios)
        click.echo(f"{len(done)} pictures written to {options['svg']}", err=True)
    if options["form"] == "json":
        click.echo(json.dumps(study.as_dict(), indent=2, ensure_ascii=False))
    else:
        from polysigma.tune.report import write_study

        write_study(study, sys.stdout)
    if study.findings:
        click.echo(as_text(study.findings), err=True)
    if options["write"]:
        assert expires is not None
        _write(study, options, expires)


def _checked(options: dict[str, Any]) -> date | None:
    """The day of --expires, once the options of --write are known to belong together: before anything takes long."""
    needed = ("choose", "owner", "expires")
    if not options["write"]:
        given = [name for name in (*needed, "reason") if options[name]]
        if given:
            raise click.UsageError(f"--{given[0]} needs --write FILE")
        return None
    missing = [name for name in needed if not options[name]]
    if missing:
        raise click.UsageError(f"--write needs --{' and --'.join(missing)}")
    from polysigma.tuning.model import today

    try:
        day = date.fromisoformat(options["expires"])
    except ValueError:
        raise click.BadParameter(f"{options['expires']!r} is no day, as 2027-06-30", param_hint="--expires") from None
    if day < today():
        raise click.BadParameter(
            f"{day} is past, and an exclusion that has expired is an error", param_hint="--expires"
        )
    return day


def _study(rule: str, data: tuple[str, ...], options: dict[str, Any]) -> Study:
    from polysigma.engines.embedded import duckdb
    from polysigma.tune.history import study, study_scenarios
    from polysigma.tune.labels import read_labels
    from polysigma.tuning import read_tuning

    tuning = read_tuning(options["tuning"]) if options["tuning"] else None
    labels = read_labels(options["labels"]) if options["labels"] else None
    duckdb()  # before the data is looked at: without it there is nothing to be had
    try:
        with progress() as told:
            if options["scenarios"]:
                return study_scenarios(rule, tuning=tuning, only=options["parameters"], progress=told)
            return study(
                rule,
                data,
                shape=options["shape"],
                tuning=tuning,
                labels=labels,
                only=options["parameters"],
                proposals=options["proposals"],
                progress=told,
            )
    except OSError as error:
        message = f"{error.filename or 'polysigma'}: {error.strerror or error}"
        raise PolysigmaError(Diagnostic("unreadable-data", message)) from None


def _write(study: Study, options: dict[str, Any], expires: date) -> None:
    from polysigma.tune.write import write_exclusions

    wanted = sorted(set(options["choose"]))
    if wanted[-1] > len(study.proposals):
        message = f"there is no proposal {wanted[-1]}: there are {len(study.proposals)}"
        raise PolysigmaError(Diagnostic("unknown-proposal", message))
    chosen = [study.proposals[number - 1] for number in wanted]
    path = Path(options["write"])
    write_exclusions(path, study.rule, chosen, owner=options["owner"], expires=expires, reason=options["reason"])
    plural = "exclusion" if len(chosen) == 1 else "exclusions"
    click.echo(f"{len(chosen)} {plural} added to {path}", err=True)


_UPLOAD = """\
upload {path} before the queries run:
    Falcon, LogScale   as the lookup file {file}, where the searches can read it
    Splunk             as the lookup table file {file}, shared with the app of the searches
    Sentinel, ASIM     as the watchlist {name}, with value as its SearchKey
    SQL                as the table {name}, with the text column value
    Defender           nothing: it has no such lists, and the values stand in the query"""


def _emit(rules: list[str], options: dict[str, Any]) -> None:
    from polysigma.tune.emit import emit
    from polysigma.tuning import read_tuning

    if not options["tuning"]:
        raise click.UsageError("--emit writes what --tuning FILE holds")
    done, findings = emit(read_tuning(options["tuning"]), Path(options["emit"]), rules)
    if findings:
        click.echo(as_text(findings), err=True)
    for one in done:
        arguments = [f"--filter {one.filters}"] if one.filters else []
        after = f" < {one.options}" if one.options else ""
        start = "xargs sigma convert" if one.options else "sigma convert"
        click.echo(f"{start} -t TARGET -p PLATFORM {' '.join([*arguments, 'RULE'])}{after}   # {one.detection}")
    for path in dict.fromkeys(path for one in done for path in one.lookups):
        click.echo(_UPLOAD.format(path=path, file=path.name, name=path.stem))
