"""The functions and measures of the step language: names, argument types, result types, and what each means.

The table is the whole of it: the parser, the type checker and the documentation read it, and every printer has to
print each entry (or refuse it by name).
"""

from __future__ import annotations

from dataclasses import dataclass

from polysigma.plan.types import Type

NUMBER = frozenset({Type.INTEGER, Type.REAL})
TEXT = frozenset({Type.TEXT})
TEXT_LIKE = frozenset({Type.TEXT, Type.ADDRESS})
COMPARABLE = frozenset(Type) - {Type.LIST}
BOOLEAN = frozenset({Type.BOOLEAN})
TIME = frozenset({Type.TIME})


@dataclass(frozen=True, slots=True)
class Function:
    """A function of one row. `arguments` gives the accepted types of each; a `variadic` one repeats its last."""

    name: str
    arguments: tuple[frozenset[Type], ...]
    result: Type | None
    """None: the type of the first argument."""
    meaning: str
    variadic: bool = False


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("round", (NUMBER, NUMBER), Type.REAL, "x to n decimal places; for display, never to compare by"),
        Function("coalesce", (COMPARABLE, COMPARABLE), None, "the first value that is not missing", variadic=True),
        Function("lower", (TEXT,), Type.TEXT, "in lower case"),
        Function("length", (TEXT,), Type.INTEGER, "number of characters"),
        Function("digit_ratio", (TEXT,), Type.REAL, "share of characters that are digits 0 to 9; missing for no text"),
        Function(
            "vowel_ratio", (TEXT,), Type.REAL, "share of characters that are a, e, i, o or u; missing for no text"
        ),
        Function("labels", (TEXT, NUMBER), Type.TEXT, "the last n labels of a domain name"),
        Function(
            "network",
            (TEXT_LIKE, NUMBER),
            Type.TEXT,
            "the first 16 or 24 bits of an IPv4 address, twice as many of an IPv6 address: 203.0.113, 2001:db8:0",
        ),
        Function("seconds_between", (TIME, TIME), Type.REAL, "from the second time to the first; written a - b"),
        Function("minute", (TIME,), Type.INTEGER, "of the hour, 0 to 59"),
        Function("hour", (TIME,), Type.INTEGER, "of the day in UTC, 0 to 23"),
        Function("day", (TIME,), Type.INTEGER, "of the month in UTC, 1 to 31"),
        Function("week", (TIME,), Type.INTEGER, "of the year by ISO 8601, in UTC, 1 to 53"),
        Function("month", (TIME,), Type.INTEGER, "of the year in UTC, 1 to 12"),
        Function("year", (TIME,), Type.INTEGER, "of the calendar (not of the week), in UTC"),
        Function("starts_with", (TEXT, TEXT), Type.BOOLEAN, "whether a text starts with another, in any case"),
        Function("ends_with", (TEXT, TEXT), Type.BOOLEAN, "whether it ends with another"),
        Function("contains", (TEXT, TEXT), Type.BOOLEAN, "whether another stands in it"),
        # The following describe how a platform writes things down; claims use them, rules seldom need to.
        Function("address", (TEXT_LIKE,), Type.ADDRESS, "canonical spelling; ::ffff:a.b.c.d is a.b.c.d"),
        Function("base_name", (TEXT,), Type.TEXT, "what follows the last / or \\ of a path"),
        Function(
            "pipe_name", (TEXT,), Type.TEXT, "a named pipe as Sysmon has it: \\name for \\Device\\NamedPipe\\name"
        ),
        Function("registry_key", (TEXT,), Type.TEXT, "a key of the Windows kernel's as Sysmon writes it: HKLM\\..."),
        Function("registry_value", (TEXT, TEXT), Type.TEXT, "and the value's name; (Default) where it has none"),
        Function("time_from_seconds", (NUMBER,), Type.TIME, "from seconds since 1970-01-01 UTC"),
        Function("time_from_milliseconds", (NUMBER,), Type.TIME, "from milliseconds since 1970-01-01 UTC"),
        Function("time_from_text", (TEXT,), Type.TIME, "from `YYYY-MM-DD HH:MM:SS[.fff]` (UTC) or ISO 8601"),
        Function("registry_path", (TEXT, TEXT), Type.TEXT, "key and value as Sysmon has them: HKLM\\...\\value"),
        Function("registry_details", (TEXT, TEXT), Type.TEXT, "DWORD (0x...) and so on of a type and its data"),
        Function("account", (TEXT, TEXT), Type.TEXT, "domain\\name; the name alone where there is no domain"),
        Function("json_text", (TEXT, TEXT), Type.TEXT, "value at a key of the JSON object that a text holds, as text"),
        Function("event_text", (TEXT, TEXT), Type.TEXT, "the named Data of the XML of a Windows event's data"),
        Function("event_integer", (TEXT, TEXT), Type.INTEGER, "the same as a whole number; missing where it is none"),
        Function("json_integer", (TEXT, TEXT), Type.INTEGER, "the same as a whole number; missing where it is none"),
    )
}


NETWORKS = {16: 2, 24: 3}
"""How many parts of an address `network` keeps, by its second argument: numbers of IPv4, groups of digits of IPv6."""


SHARES = {"digit_ratio": "0-9", "vowel_ratio": "aeiouAEIOU"}
"""What the ratios count, as a class of characters in every regular expression language."""


TIME_PARTS = ("minute", "hour", "day", "week", "month", "year")
"""The parts of a time, as Sigma's modifiers call them; all of them in UTC."""


@dataclass(frozen=True, slots=True)
class MeasureFunction:
    """A function of the rows of a group. Missing values are left out; `count` counts rows (by their weight)."""

    name: str
    argument: frozenset[Type] | None
    """The accepted types of the measured value; None where there is none."""
    result: Type | None
    """None: the type of the argument."""
    meaning: str
    conditional: bool = False
    """Whether the last argument is a condition that a row must meet."""
    constant: str | None = None
    """The name of a constant second argument (`percentile(x, 95)`, `collect(x, 10)`)."""
    ordered: bool = False
    """Whether it needs the time of each row."""


MEASURES: dict[str, MeasureFunction] = {
    measure.name: measure
    for measure in (
        MeasureFunction("count", None, Type.INTEGER, "rows; events, where a row has a weight"),
        MeasureFunction("count_if", None, Type.INTEGER, "rows that meet the condition", conditional=True),
        MeasureFunction("distinct", COMPARABLE, Type.INTEGER, "different values, exactly"),
        MeasureFunction(
            "distinct_if", COMPARABLE, Type.INTEGER, "different values in rows that meet", conditional=True
        ),
        MeasureFunction("sum", NUMBER, None, "sum of the values"),
        MeasureFunction("min", NUMBER | {Type.TIME}, None, "least value"),
        MeasureFunction("max", NUMBER | {Type.TIME}, None, "greatest value"),
        MeasureFunction("avg", NUMBER, Type.REAL, "mean of the values"),
        MeasureFunction("stdev", NUMBER, Type.REAL, "standard deviation of the sample; missing for fewer than two"),
        MeasureFunction("median", NUMBER, Type.REAL, "middle value; may be an estimate, as the fidelity says"),
        MeasureFunction("percentile", NUMBER, Type.REAL, "p-th percentile; may be an estimate", constant="p"),
        MeasureFunction("collect", COMPARABLE | {Type.LIST}, Type.LIST, "up to n values, for display", constant="n"),
        MeasureFunction("first", COMPARABLE, None, "value of the earliest row that has one", ordered=True),
        MeasureFunction("last", COMPARABLE, None, "value of the latest row that has one", ordered=True),
        MeasureFunction(
            "any_value", COMPARABLE, None, "one of the values, whichever; for display, never to compare by"
        ),
    )
}
