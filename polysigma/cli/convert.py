"""`polysigma convert`: rules to queries."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from polysigma.diagnostics import Diagnostic, PolysigmaError, Severity, as_text
from polysigma.files import write_whole, writing
from polysigma.garbage import seldom_collected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polysigma.convert import Conversion


class _Done(NamedTuple):
    """What is told of a conversion. Its plan is not kept: those of thousands of rules are millions of objects."""

    rule: str
    path: Path
    platform: str
    target: str
    queries: tuple[str, ...]
    finding: Diagnostic | None

    @classmethod
    def of(cls, result: Conversion) -> _Done:
        queries = tuple(compiled.query for compiled in result.compiled)
        return cls(result.rule, result.path, result.platform, result.target, queries, result.finding)


@click.command()
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--platform", "-p", "platforms", multiple=True, metavar="NAME", help="Only this platform; repeatable.")
@click.option("--target", "-t", metavar="NAME", help="The query language, where a platform has several.")
@click.option("--output", "-o", type=click.Path(file_okay=False, path_type=Path), help="A folder: one file a rule.")
@click.option("--method", "-c", type=click.Choice(["staged", "portable"]), default="staged", help="Correlation method.")
@click.option(
    "--option", "-O", "options", multiple=True, metavar="NAME=VALUE", help="As sigma convert: form, accept, set."
)
@click.option("--tuning", metavar="FILE", help="Values and exclusions of a site: see docs/guide/tuning.md.")
@click.option("--list", "listed", is_flag=True, help="List the platforms and their targets, and stop.")
def command(
    rules: tuple[str, ...],
    platforms: tuple[str, ...],
    target: str | None,
    output: Path | None,
    method: str,
    options: tuple[str, ...],
    tuning: str | None,
    listed: bool,  # noqa: FBT001
) -> None:
    """Convert rules to queries, for one platform or for all.

    RULE is a file, a folder, or the name of a packaged detection; all of these where none is given. Queries go to
    standard output, or with --output to one file a rule in a folder for each platform. A platform that cannot say a
    rule is reported; that is an error only where the platform was asked for by name.
    """
    from polysigma.catalog import packaged_names, read_rules
    from polysigma.convert import convert, pairs
    from polysigma.convert import platforms as known_platforms

    if listed:
        for name, targets in known_platforms().items():
            click.echo(f"{name}\t{' '.join(targets)}")
        return
    with seldom_collected():
        files, findings = read_rules(rules or packaged_names())
        wanted = pairs(platforms, target)
        gc.freeze()  # what was read is no garbage
        if not files:
            raise PolysigmaError(*findings)
        given = _options(options)
        if tuning:
            from polysigma.tuning import apply, read_tuning

            tuned = apply(files, read_tuning(tuning))
            files, given = tuned.files, tuned.options(given)
            findings += tuned.findings
        done: list[_Done] = []
        with _progress(len(wanted)) as advance:
            results = convert(files, wanted, options=given, method=method, progress=advance)
            del files  # they go as they are converted
            for result in results:
                if isinstance(result, Diagnostic):
                    findings.append(result)
                    continue
                done.append(_Done.of(result))
                if len(done) % _COLLECTED == 0:
                    gc.collect()
                    if len(done) == _COLLECTED:
                        gc.freeze()  # what was imported on the way is none, either
    converted = [result for result in done if result.queries]
    said = {result.rule for result in converted}
    for told in done:
        if told.finding:
            # What some platform can say, and one that nobody asked for by name cannot, is worth a word and no more.
            findings.append(_warning(told.finding) if told.rule in said and not platforms else told.finding)
    if output is None:
        click.echo("\n".join(query for result in converted for query in result.queries), nl=False)
    else:
        for path, text in _texts(converted, output):
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        click.echo(f"{len(converted)} queries written to {output}", err=True)
    if findings:
        click.echo(as_text(findings), err=True)
    sys.exit(1 if any(finding.severity is Severity.ERROR for finding in findings) else 0)


_COLLECTED = 500
"""After how many conversions the rules that are done with are freed."""


def _warning(finding: Diagnostic) -> Diagnostic:
    from dataclasses import replace

    return replace(finding, severity=Severity.WARNING)


def _options(texts: Iterable[str]) -> dict[str, Any]:
    """`name=value` texts; a name that comes again makes a list."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise PolysigmaError(Diagnostic("option", f"{text!r} is not of the form NAME=VALUE"))
        if name in found:
            earlier = found[name] if isinstance(found[name], list) else [found[name]]
            found[name] = [*earlier, value]
        else:
            found[name] = value
    return found


def _texts(done: list[_Done], folder: Path) -> list[tuple[Path, str]]:
    """The file and text of every query; two rules of one name would overwrite each other, so they may not."""
    from polysigma.convert import SUFFIXES

    found: dict[Path, str] = {}
    for result in done:
        for number, query in enumerate(result.queries, 1):
            suffix = f"_{number}" if len(result.queries) > 1 else ""
            stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in result.rule)[:120]
            path = folder / result.platform / f"{stem}{suffix}{SUFFIXES[result.target]}"
            if path in found:
                message = f"two rules would be written to {path}"
                raise PolysigmaError(Diagnostic("same-name", message, "give each rule a name", str(result.path)))
            found[path] = query
    return list(found.items())


class _progress:  # noqa: N801 (used as a function)
    """A progress bar on standard error, where a person looks at it and there is something to wait for."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.bar: Any = None

    def __enter__(self) -> Any:
        if not sys.stderr.isatty() or self.total < 2:
            return None
        from rich.console import Console
        from rich.progress import Progress

        self.bar = Progress(console=Console(stderr=True), transient=True)
        self.bar.start()
        task = self.bar.add_task("Converting", total=self.total)
        return lambda platform: self.bar.update(task, advance=1, description=f"Converting for {platform}")

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()
