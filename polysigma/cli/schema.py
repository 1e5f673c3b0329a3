"""`polysigma schema`: the JSON Schemas of what is written by hand."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--guide", "kind", flag_value="guide", help="Of guide.yaml.")
@click.option("--tuning", "kind", flag_value="tuning", help="Of tuning.yaml.")
@click.option("--scenarios", "kind", flag_value="scenarios", help="Of scenarios.yaml.")
def command(kind: str | None) -> None:
    """Print the JSON Schema of a Sigma document that may hold a `polysigma` map, or of another file.

    Editors check files as they are written when the first line of one names it:

    # yaml-language-server: $schema=../polysigma.schema.json
    """
    from polysigma import guide, tuning
    from polysigma.plan import metadata
    from polysigma.telemetry import scenarios

    made = {
        None: metadata.json_schema,
        "guide": guide.json_schema,
        "tuning": tuning.json_schema,
        "scenarios": scenarios.json_schema,
    }
    click.echo(json.dumps(made[kind](), indent=2))
