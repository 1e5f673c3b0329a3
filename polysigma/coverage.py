"""What the platforms answer of Sigma, category by category and field by field, as a page.

    python -m polysigma.coverage > docs/reference/coverage.md

The page is made of the claims, so that it cannot say anything else than what conversion does; a test holds it current.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from polysigma.claims import CategoryClaim, FieldClaim
    from polysigma.platform import Platform

PLATFORMS = ("falcon", "fdr", "defender", "sentinel", "asim", "splunk_sysmon", "splunk_cim")
_FORMS = {
    "nt_path": "path on a volume of any number",
    "base_name": "name of the file only",
    "decimal": "decimal",
    "own_id": "a key, equal to no value",
    "registry_path": "Sysmon's path",
    "registry_data": "text, no numbers or bytes",
}
_HEAD = """\
# Coverage: log sources and fields

Made by `python -m polysigma.coverage` from the claims in `pipelines/sigma/pipelines/polysigma/`; each claim names its
source there.

* *column* and *derived*: the field is answered, by a column of the platform or by one that the query computes.
* *choices*, *hashes*: other columns tell the field's value.
* *absent*: no event holds the field, or holds it in a form that is known. A test on it is made as on an event without
  it; the rule is refused if that leaves nothing of it, and else says what it costs. Other backends refuse the rule.
* *refused*: a rule that tests the field is refused, by the code and for the reason given.
"""


def page(platforms: Iterable[Platform]) -> str:
    """The page in Markdown."""
    parts = [_HEAD]
    for platform in platforms:
        parts.append(f"## {platform.title} (`{platform.id}`)\n")
        for name, category in platform.categories.items():
            parts.append(_category(platform, name, category))
        parts.append("### Log sources that are refused\n")
        rows = [
            (f"`{refused.logsource}`", refused.code.value, refused.reason) for refused in platform.refused_logsources
        ]
        parts.append(_table(("log source", "code", "reason"), rows))
    return "\n".join(parts)


def _category(platform: Platform, name: str, category: CategoryClaim) -> str:
    products = ", ".join(source.product or "any product" for source in category.logsources)
    events = ", ".join(f"`{table}`" for table in category.tables)
    losses = [loss for loss in (category.loss, category.count_loss) if loss]
    lines = [f"### {name}: {products}\n", f"Events: {events}\n"]
    lines += [f"*{loss.level.value}*: {loss.reason}\n" for loss in losses]
    rows = [(f"`{field}`", *_answer(platform, claim)) for field, claim in sorted(category.fields.items())]
    for variant in category.variants:
        when = " and ".join(
            [
                *([variant.product] if variant.product else []),
                *(f"{key} is {value}" for key, value in variant.requires.items()),
            ]
        )
        rows += [(f"`{field}` where {when}", *_answer(platform, claim)) for field, claim in variant.fields.items()]
    return "\n".join([*lines, _table(("field", "answer", "how"), rows)])


def _answer(platform: Platform, claim: FieldClaim) -> tuple[str, str]:
    """How a field is answered, in a word, and the rest of it."""
    if claim.refused:
        return "absent" if claim.absent else "refused", f"{claim.refused.value}: {claim.reason}"
    notes = [_FORMS[claim.form]] if claim.form else []
    if claim.values:
        notes.append("values spelled otherwise")
    if claim.absent:
        notes.append("values that cannot be answered: absent")
    if claim.loss:
        notes.append(f"*{claim.loss.level.value}*: {claim.loss.reason}")
    if claim.test_loss:
        notes.append(f"*{claim.test_loss.level.value}* where a detection tests it: {claim.test_loss.reason}")
    match claim:
        case _ if claim.column:
            kind, what = "column", f"`{claim.column}`"
        case _ if claim.derived:
            kind, what = "derived", f"`{' '.join(platform.derived[claim.derived].expression.split())}`"
        case _ if claim.choices:
            kind, what = "choices", ", ".join(claim.choices)
        case _ if claim.hashes:
            kind, what = "hashes", ", ".join(f"`{part}`" for part in claim.hashes.values())
        case _:
            assert claim.inside
            kind, what = "column", f"inside `{claim.inside.column}`"
    return kind, "; ".join([what, *notes])


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main() -> None:
    """Prints the page."""
    from sigma.pipelines.polysigma import platform

    sys.stdout.write(page(platform(name) for name in PLATFORMS))


if __name__ == "__main__":
    main()
