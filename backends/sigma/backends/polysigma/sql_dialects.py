"""What SQL dialects of ours say differently: times, lists, addresses. Everything else is sqlglot's to print."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp

Over = Callable[[exp.Expr], exp.Expr]
"""Makes an aggregate one over a window, or leaves it as it is."""

IPV4 = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}"
"""An IPv4 address as Python's ipaddress accepts it: four decimal numbers without leading zeros."""
IPV6 = "[0-9a-f]{4}(:[0-9a-f]{4}){7}"
"""An IPv6 address as `Dialect.address` spells it."""
_GROUPS = "[0-9a-f]{1,4}(:[0-9a-f]{1,4})*"

ADDRESS_STAGES = ("written", "padded", "full")
"""What the columns that lead to an address are called, behind its name."""


def call(name: str, *arguments: exp.Expr | str | int) -> exp.Expr:
    """A function under its own name."""
    return exp.Anonymous(
        this=name,
        expressions=[exp.convert(item) if not isinstance(item, exp.Expr) else item for item in arguments],
    )


def try_cast(value: exp.Expr, kind: str) -> exp.TryCast:
    """The value as another type, missing where it is none; `safe`, or Spark would get a CAST, which fails instead."""
    return exp.TryCast(this=value, to=exp.DataType.build(kind), safe=True)


def there(value: exp.Expr) -> exp.Expr:
    """`value IS NOT NULL`."""
    return exp.Is(this=value, expression=exp.Not(this=exp.null()))


def _like(text: exp.Expr, pattern: str) -> exp.Expr:
    return exp.Like(this=text, expression=exp.convert(pattern))


class Dialect(ABC):
    """One SQL dialect."""

    name: ClassVar[str]
    backslash_escapes: ClassVar[bool] = False
    """Whether a backslash in a LIKE pattern escapes what follows, unless ESCAPE names another character."""

    def needs(self, withs: int) -> tuple[str, ...]:
        """What has to be set for a query with so many WITH queries, each of which reads the one before."""
        del withs
        return ()

    @abstractmethod
    def from_seconds(self, seconds: exp.Expr) -> exp.Expr:
        """A timestamp (UTC) from seconds since 1970, missing for a missing value."""

    @abstractmethod
    def from_text(self, text: exp.Expr) -> exp.Expr:
        """A timestamp (UTC) from ISO 8601 text, with a blank or a T; it is UTC where it has no offset."""

    @abstractmethod
    def microseconds(self, time: exp.Expr) -> exp.Expr:
        """Microseconds since 1970."""

    def seconds_between(self, later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
        """The seconds from one time to a later one, with their fraction."""
        difference = exp.Sub(this=self.microseconds(later), expression=self.microseconds(earlier))
        return exp.Div(this=exp.cast(exp.paren(difference), "DOUBLE"), expression=exp.convert(1_000_000))

    @abstractmethod
    def floor(self, time: exp.Expr, seconds: int) -> exp.Expr:
        """The start of the bucket of a time, aligned to 1970."""

    @abstractmethod
    def now(self) -> exp.Expr:
        """The time of the query, UTC."""

    @abstractmethod
    def collect(self, value: exp.Expr, limit: int, over: Over, *, nested: bool) -> exp.Expr:
        """Up to `limit` distinct values in order, missing where there are none; `nested` where the values are such
        lists already.
        """

    def distinct(self, value: exp.Expr, over: Over) -> exp.Expr:
        """How many different values there are."""
        return over(exp.Count(this=exp.Distinct(expressions=[value])))

    @abstractmethod
    def percentile(self, value: exp.Expr, fraction: float) -> exp.Expr:
        """The exact percentile, interpolated."""

    @abstractmethod
    def ordered(self, value: exp.Expr, time: exp.Expr, *, last: bool) -> exp.Expr:
        """The value of the earliest or latest row that has one."""

    @abstractmethod
    def regex_replace(self, text: exp.Expr, pattern: str, replacement: str) -> exp.Expr:
        """Every match replaced; the replacement says \\1 for the first group."""

    @abstractmethod
    def full_match(self, text: exp.Expr, pattern: str) -> exp.Expr:
        """Whether a pattern matches the whole text."""

    @abstractmethod
    def hex_number(self, digits: exp.Expr) -> exp.Expr:
        """The number that hexadecimal digits say."""

    def address(self, text: exp.Expr, name: str) -> list[tuple[str, exp.Expr]]:
        """An address in one spelling, as columns of which each uses the one before; the last is called `name`.

        Dotted IPv4, or IPv6 as eight groups of four digits, so that a network is a prefix. `::` stands for as many
        groups of zeros as are missing (RFC 4291, 2.2), ::ffff:a.b.c.d becomes a.b.c.d (2.5.5.2), a zone is left out.
        Other text stays, in lower case. Only text with a colon is taken apart, so that IPv4 is cheap.
        """
        written, padded, full = (exp.column(f"{name}_{part}", quoted=True) for part in ADDRESS_STAGES)

        def six(value: exp.Expr) -> exp.Expr:
            return exp.case().when(_like(written.copy(), "%:%"), value)

        zeroed = self.regex_replace(written.copy(), "(^|:)([0-9a-f]{1,4})", r"\1000\2")
        four_digits = self.regex_replace(zeroed, "(^|:)[0-9a-f]*([0-9a-f]{4})", r"\1\2")
        digits = exp.func("LENGTH", call("REPLACE", padded.copy(), ":", ""))
        missing = exp.Sub(
            this=exp.convert(8), expression=exp.cast(exp.Div(this=digits, expression=exp.convert(4)), "INT")
        )
        zeros = exp.DPipe(this=exp.convert(":"), expression=call("REPEAT", "0000:", missing))
        expanded = call("REPLACE", padded.copy(), "::", zeros)
        trimmed = self.regex_replace(expanded, "^:|:$", "")
        dotted = self.regex_replace(written.copy(), "^(0*:)+ffff:([0-9.]+)$", r"\2")
        pairs = [self.hex_number(call("SUBSTRING", full.copy(), start, 2)) for start in (31, 33, 36, 38)]
        unwrapped = call("CONCAT_WS", ".", *pairs)
        valid = exp.and_(
            self.full_match(written.copy(), f"({_GROUPS})?::({_GROUPS})?|{_GROUPS}"),
            self.full_match(full.copy(), IPV6),
        )
        final = (
            exp.case()
            .when(exp.Not(this=_like(written.copy(), "%:%")), written.copy())
            .when(self.full_match(written.copy(), f"(0*:)+ffff:{IPV4}"), dotted)
            .when(exp.Not(this=exp.paren(valid)), written.copy())
            .when(_like(full.copy(), "0000:0000:0000:0000:0000:ffff:%"), unwrapped)
            .else_(full.copy())
        )
        without_zone = self.regex_replace(exp.func("LOWER", text.copy()), "%.*$", "")
        return [
            (
                f"{name}_written",
                exp.case().when(_like(text.copy(), "%:%"), without_zone).else_(exp.func("LOWER", text.copy())),
            ),
            (f"{name}_padded", six(four_digits)),
            (f"{name}_full", six(trimmed)),
            (name, final),
        ]


class DuckDb(Dialect):
    """DuckDB 2."""

    name = "duckdb"

    def from_seconds(self, seconds: exp.Expr) -> exp.Expr:
        micros = exp.cast(call("ROUND", exp.Mul(this=exp.paren(seconds), expression=exp.convert(1_000_000))), "BIGINT")
        return call("MAKE_TIMESTAMP", micros)

    def from_text(self, text: exp.Expr) -> exp.Expr:
        # A cast to TIMESTAMP passes over an offset; one to TIMESTAMPTZ reads it, but takes the session's zone without.
        offset = call("REGEXP_MATCHES", text.copy(), "[+-][0-9]{2}:?[0-9]{2}$")
        shifted = exp.AtTimeZone(this=try_cast(text.copy(), "TIMESTAMPTZ"), zone=exp.convert("UTC"))
        plain = try_cast(text.copy(), "TIMESTAMP")
        return exp.case().when(offset, shifted).else_(plain)

    def microseconds(self, time: exp.Expr) -> exp.Expr:
        return call("EPOCH_US", time)

    def floor(self, time: exp.Expr, seconds: int) -> exp.Expr:
        width = exp.convert(seconds * 1_000_000)
        return call(
            "MAKE_TIMESTAMP",
            exp.Mul(
                this=exp.paren(exp.IntDiv(this=self.microseconds(time), expression=width)), expression=width.copy()
            ),
        )

    def now(self) -> exp.Expr:
        return exp.cast(exp.AtTimeZone(this=call("NOW"), zone=exp.convert("UTC")), "TIMESTAMP")

    def collect(self, value: exp.Expr, limit: int, over: Over, *, nested: bool) -> exp.Expr:
        # LIST takes missing values, too; without any value it is missing itself, which the others pass on.
        listed = call("LIST", value if nested else exp.Distinct(expressions=[value]))
        listed = over(exp.Filter(this=listed, expression=exp.Where(this=there(value.copy()))))
        distinct = call("LIST_DISTINCT", call("FLATTEN", listed)) if nested else listed
        return call("LIST_SLICE", call("LIST_SORT", distinct), 1, limit)

    def percentile(self, value: exp.Expr, fraction: float) -> exp.Expr:
        return call("QUANTILE_CONT", value, exp.convert(fraction))

    def ordered(self, value: exp.Expr, time: exp.Expr, *, last: bool) -> exp.Expr:
        return call("ARG_MAX" if last else "ARG_MIN", value, time)

    def regex_replace(self, text: exp.Expr, pattern: str, replacement: str) -> exp.Expr:
        return call("REGEXP_REPLACE", text, pattern, replacement, "g")

    def full_match(self, text: exp.Expr, pattern: str) -> exp.Expr:
        return call("REGEXP_FULL_MATCH", text, pattern)

    def hex_number(self, digits: exp.Expr) -> exp.Expr:
        return exp.cast(exp.DPipe(this=exp.convert("0x"), expression=digits), "INT")


class Spark(Dialect):
    """Apache Spark SQL 4; the session's time zone must be UTC."""

    name = "spark"
    backslash_escapes = True

    def needs(self, withs: int) -> tuple[str, ...]:
        # The analyzer gives up after 100 rounds, and takes about as many as there are WITH queries over each other.
        why = f"the default of 100 may be too few for {withs} WITH queries"
        return (f"needs: spark.sql.analyzer.maxIterations of {10 * withs} ({why})",) if withs > 60 else ()

    def from_seconds(self, seconds: exp.Expr) -> exp.Expr:
        return call(
            "TIMESTAMP_MICROS",
            exp.cast(call("ROUND", exp.Mul(this=exp.paren(seconds), expression=exp.convert(1_000_000))), "BIGINT"),
        )

    def from_text(self, text: exp.Expr) -> exp.Expr:
        return try_cast(text, "TIMESTAMPTZ")

    def microseconds(self, time: exp.Expr) -> exp.Expr:
        return call("UNIX_MICROS", time)

    def floor(self, time: exp.Expr, seconds: int) -> exp.Expr:
        width = exp.convert(seconds * 1_000_000)
        return call(
            "TIMESTAMP_MICROS",
            exp.Mul(
                this=exp.paren(exp.IntDiv(this=self.microseconds(time), expression=width)), expression=width.copy()
            ),
        )

    def now(self) -> exp.Expr:
        return call("CURRENT_TIMESTAMP")

    def collect(self, value: exp.Expr, limit: int, over: Over, *, nested: bool) -> exp.Expr:
        # These leave missing values out, and are empty without any.
        listed = over(call("COLLECT_LIST" if nested else "COLLECT_SET", value))
        distinct = call("ARRAY_DISTINCT", call("FLATTEN", listed)) if nested else listed
        return exp.Nullif(this=call("SLICE", call("SORT_ARRAY", distinct), 1, limit), expression=call("ARRAY"))

    def distinct(self, value: exp.Expr, over: Over) -> exp.Expr:
        # Spark refuses DISTINCT over a window (DISTINCT_WINDOW_FUNCTION_UNSUPPORTED). A set leaves missing values out.
        counted = over(exp.Count(this=exp.Distinct(expressions=[value.copy()])))
        return counted if isinstance(counted, exp.Count) else call("SIZE", over(call("COLLECT_SET", value)))

    def percentile(self, value: exp.Expr, fraction: float) -> exp.Expr:
        return call("PERCENTILE", value, exp.convert(fraction))

    def ordered(self, value: exp.Expr, time: exp.Expr, *, last: bool) -> exp.Expr:
        found = call("MAX_BY" if last else "MIN_BY", value, time)
        return exp.Filter(this=found, expression=exp.Where(this=there(value.copy())))

    def regex_replace(self, text: exp.Expr, pattern: str, replacement: str) -> exp.Expr:
        return call("REGEXP_REPLACE", text, pattern, re.sub(r"\\(\d)", r"$\1", replacement))

    def full_match(self, text: exp.Expr, pattern: str) -> exp.Expr:
        return exp.RegexpLike(this=text, expression=exp.convert(f"^(?:{pattern})$"))

    def hex_number(self, digits: exp.Expr) -> exp.Expr:
        return call("CONV", digits, 16, 10)


DIALECTS: dict[str, type[Dialect]] = {"duckdb": DuckDb, "spark": Spark}
