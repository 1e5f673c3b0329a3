"""Mutants of printed queries: one small fault each, of the kinds that a printer, or a hand, could make.

They are made from the text of a query and know neither plans nor printers. The kinds: `threshold` (a number, one
up or down), `network` (a prefix, one longer or shorter), `bound` (`<` for `<=`), `negation` (left out, or put in),
`junction` (`or` for `and`), `part` (one side of a junction left out: a network, a null guard, a threshold), `term`
(of a search), `precedence` (parentheses left out), `item` (a value of a list, a column left out), `key` (of a
grouping), `bucket` (twice as long), `measure` (another one), `case` (letters compared as they are), `guard` (what
a missing value becomes), `text` (another way to compare one), `line` (a measure, a derived column, a case of a
score left out), `step` (left out), `join`, `order` and `limit`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pipeline_mutants import of_pipeline
from sql_mutants import of_sql


@dataclass(frozen=True)
class Mutant:
    """A changed query, the kind of the fault, and what was changed, with its surroundings."""

    kind: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}"


def mutants(target: str, text: str) -> list[Mutant]:
    """Every mutant of a query, each text once, in its order; the second of one description ends in `(2)`."""
    made = of_sql(text) if target == "sql" else of_pipeline(target, text)
    different = {changed: (kind, about) for kind, about, changed in made if changed != text}
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for changed, described in different.items():
        seen[described] += 1
        kind, about = described
        found.append(Mutant(kind, f"{about} ({seen[described]})" if seen[described] > 1 else about, changed))
    return found
