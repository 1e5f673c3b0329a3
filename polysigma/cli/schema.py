"""`polysigma schema`: the JSON Schema of rules."""

from __future__ import annotations

import json

import click


@click.command()
def command() -> None:
    """Print the JSON Schema of a Sigma document that may hold a `polysigma` map.

    Editors check rules as they are written when the first line of a file names it:

    # yaml-language-server: $schema=../polysigma.schema.json
    """
    from polysigma.plan.metadata import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
