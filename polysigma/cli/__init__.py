"""The command line. Each verb is a module of its own, imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys

import click

VERBS = {
    "convert": "Rules to queries: CQL, SQL, for one platform or all.",
    "check": "Find what is wrong with rules, and say where.",
    "lint": "Check CQL, without a server.",
    "prove": "Show, by running them, that queries find the same everywhere.",
    "replay": "Run a detection on data: JSON lines, CSV, Parquet, ...",
    "tune": "Try values and exclusions on a site's own history.",
    "new": "Make the folder of a new detection, with blanks to fill in.",
    "schema": "Print the JSON Schema of rules, for editors.",
    "demo": "Three days of a small network, one detection, its hits.",
}
"""The verbs in the order of the help, with the line that it shows for each."""


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"polysigma.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polysigma")
def cli() -> None:
    """Author a detection once, in Sigma; run it on every SIEM; prove that it finds the same things everywhere.

    Exit codes: 0 clean, 1 findings, 2 usage or tool failure.
    """


def main() -> None:
    """The entry point. Bad input ends with its findings and exit code 2, never with a traceback.

    A fault of our own ends so, too, in one line; POLYSIGMA_TRACEBACK=1 shows where it came from.
    """
    from polysigma.diagnostics import PolysigmaError, as_text

    try:
        cli()
    except PolysigmaError as error:
        click.echo(as_text(error.findings), err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(2)
    except Exception as error:
        if os.environ.get("POLYSIGMA_TRACEBACK"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        click.echo(f"polysigma failed: {text[:500]}", err=True)
        click.echo("This is a fault of polysigma's; POLYSIGMA_TRACEBACK=1 shows where. Please report it.", err=True)
        sys.exit(2)
