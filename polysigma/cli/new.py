"""`polysigma new`: the folder of a new detection."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where detections are: the folder is made in it. The current folder by default.",
)
@click.option(
    "--category",
    "-c",
    type=click.Choice(["network_connection", "dns_query", "process_creation"]),
    default="network_connection",
    show_default=True,
    help="What kind of events it looks at.",
)
@click.option("--platform", "-p", "platforms", multiple=True, metavar="NAME", help="Only this platform; repeatable.")
def command(name: str, folder: Path, category: str, platforms: tuple[str, ...]) -> None:
    """Make the folder of a new detection: rule, scenarios, guide.

    What only its author can say is a blank, `<<What goes here>>`. `polysigma check` names each that is left; once all
    are filled, the detection passes `check` and `prove`, and can be changed from there.
    """
    from polysigma.blanks import blanks
    from polysigma.new import create

    paths = create(name, folder, platforms, category)
    count = sum(len(found) for found in blanks([paths[0].parent]).values())
    for path in paths:
        click.echo(path)
    click.echo(f"{count} blanks to fill in: polysigma check {paths[0].parent} names them", err=True)
