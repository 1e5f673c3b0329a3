"""The functions that are known here: how many arguments each takes. Source: Splunk Search Reference, "Evaluation
functions" and "Statistical and charting functions".
"""

from __future__ import annotations

MANY = 1_000

EVAL: dict[str, tuple[int, int]] = {
    "case": (2, MANY),
    "cidrmatch": (2, 2),
    "coalesce": (1, MANY),
    "false": (0, 0),
    "floor": (1, 1),
    "if": (3, 3),
    "isnotnull": (1, 1),
    "isnull": (1, 1),
    "len": (1, 1),
    "like": (2, 2),
    "lower": (1, 1),
    "match": (2, 2),
    "mvappend": (1, MANY),
    "mvfind": (2, 2),
    "mvindex": (2, 3),
    "null": (0, 0),
    "nullif": (2, 2),
    "replace": (3, 3),
    "round": (1, 2),
    "split": (2, 2),
    "strftime": (2, 2),
    "substr": (2, 3),
    "tonumber": (1, 2),
    "true": (0, 0),
    "urldecode": (1, 1),
}

BOOLEAN = frozenset({"cidrmatch", "false", "isnotnull", "isnull", "like", "match", "true"})
"""Functions whose result is a truth value, which no field can hold."""

STATS = frozenset(
    {"avg", "count", "dc", "earliest", "exactperc", "latest", "list", "max", "median", "min", "stdev", "sum", "values"}
)
"""`exactperc` is followed by the percentage."""

TSTATS = frozenset({"count", "max", "min", "sum", "values"})
