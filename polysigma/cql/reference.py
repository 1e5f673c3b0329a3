"""The reference page of the lint codes, made from `codes.toml`: `python -m polysigma.cql.reference`."""

from __future__ import annotations

from polysigma.cql.codes import codes


def as_markdown() -> str:
    """The reference page of the codes; `docs/reference/lint-codes.md` is this text."""
    lines = [
        "# Lint codes",
        "",
        "What `polysigma lint` finds in CQL, the language of CrowdStrike LogScale and Falcon Next-Gen SIEM. The page",
        "is made by `python -m polysigma.cql.reference > docs/reference/lint-codes.md`; a test lints all its examples.",
        "",
        "An error is what LogScale would reject or misread, by its documentation; a warning is what runs and hurts.",
        "Silence a code with a comment on its line, or alone on the line above: `// polysigma: ignore[code, code]`.",
        "",
        "| code | severity | |",
        "|---|---|---|",
    ]
    lines += [f"| [{code.code}](#{code.code}) | {code.severity} | {code.title} |" for code in codes().values()]
    for code in codes().values():
        lines += ["", f"## {code.code}", "", f"**{code.severity.capitalize()}.** {code.title}.", "", code.why]
        if code.context:
            lines += ["", f"Only with `--context {code.context}`."]
        lines += ["", "Bad:", "", "```logscale", code.bad, "```", "", "Good:", "", "```logscale", code.good, "```"]
        if code.source:
            lines += ["", f"Source: <{code.source}>"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201  (the page goes to standard output)
