"""Runs the text of a KQL query on rows, by duckdb-kql on DuckDB.

duckdb-kql translates KQL to DuckDB's SQL and refuses what it does not know; where Microsoft documents what it does
not know yet, the functions are added here, by its tables of functions. These are internal to it, so its version is
pinned (extra `prove`), and what this module relies on is checked when it is first used.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from polysigma import schemas
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.embedded import duckdb, literal, quoted
from polysigma.engines.kql.validate import PARSER
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from duckdb import DuckDBPyConnection

VERSION = "1.1.2"
_DUCKDB_TYPES = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INTEGER: "BIGINT",
    Type.REAL: "DOUBLE",
    Type.TEXT: "VARCHAR",
    Type.ADDRESS: "VARCHAR",
    Type.TIME: "TIMESTAMP",
    Type.LIST: "VARCHAR",
}


SEARCH_KEY = "SearchKey"
"""The column of a watchlist that queries ask (learn.microsoft.com/azure/sentinel/watchlists-queries)."""

PARSER_TIME = "TimeGenerated"
"""What ASIM's parsers read themselves, whether or not a query names it."""


class Database:
    """Rows of a platform's tables, on which queries are run. Close it, or use it as a context manager."""

    def __init__(
        self, schema: str, rows: Mapping[str, Iterable[Mapping[str, Any]]], *, named: Collection[str] | None = None
    ) -> None:
        """`rows` are by table of `schema`; a table without rows is empty, and columns that a row lacks are missing.

        Text that is missing is stored as empty text, as Kusto has no other. Where the words of the queries to come are
        `named`, only tables and columns among them are made: the fewer there are, the sooner DuckDB has planned a
        query. Raises PolysigmaError where duckdb-kql is not installed, or not as this module knows it.
        """
        self.tables: dict[str, dict[str, str]] = {
            table: {
                name: _DUCKDB_TYPES[kind]
                for name, kind in columns.items()
                if named is None or name in named or (name == PARSER_TIME and table.startswith(PARSER))
            }
            or {"nothing": "VARCHAR"}
            for table, columns in schemas.load(schema).tables.items()
            if named is None or table in named
        }
        self.holders = {table: quoted(stored(table)) for table in self.tables}
        """The table in DuckDB that holds the rows of each."""
        self.translator = _translator()
        self.connection: DuckDBPyConnection = duckdb().connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'")
        _add_functions(self.connection, self.translator)
        for table, columns in self.tables.items():
            listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
            self.connection.execute(f"CREATE TABLE {self.holders[table]} ({listed})")
            self.fill(table, rows.get(table, ()))
        self.known = self.translator.engine.schema(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def run(self, text: str) -> list[dict[str, Any]]:
        """The rows that a query gives. Raises PolysigmaError for one that duckdb-kql refuses, with its reason."""
        return self.run_sql(self.sql(text))

    def run_sql(self, sql: str) -> list[dict[str, Any]]:
        """The rows that a translated query gives. Raises PolysigmaError where DuckDB refuses it."""
        try:
            result = self.connection.execute(sql)
        except duckdb().Error as error:
            message = f"DuckDB refuses what duckdb-kql made of the query: {str(error).splitlines()[0]}"
            raise PolysigmaError(Diagnostic("kql-not-run", message)) from None
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def sql(self, text: str) -> str:
        """What DuckDB runs for a query. Raises as `run`, and for a prev() where rows are in no order."""
        lines = text.splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if re.match(r"\| extend .*\bprev\(", line.lstrip()) and not before.lstrip().startswith("| sort by "):
                message = "prev() stands behind no sort, and what rows come before others is not known"
                raise PolysigmaError(Diagnostic("kql-not-run", message))
        try:
            return str(self.translator.to_sql(_by_position(text), schema=self.known, functions=self._parsers()))
        except self.translator.KqlError as error:
            raise PolysigmaError(Diagnostic("kql-not-run", str(error))) from None

    def look(self) -> None:
        """Takes note of tables and views that were added to the database."""
        self.known = self.translator.engine.schema(self.connection)

    def fill(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds rows to a table, in their order."""
        kinds = self.tables[table]
        known = [{name: row.get(name) for name in kinds} for row in rows]
        if not known:
            return
        shape = json.dumps([kinds])
        made = (
            f"coalesce(r.{quoted(name)}, '')" if kind == "VARCHAR" else f"r.{quoted(name)}"
            for name, kind in kinds.items()
        )
        self.connection.execute(
            f"INSERT INTO {self.holders[table]} SELECT {', '.join(made)} FROM "  # noqa: S608 (names are quoted)
            f"(SELECT unnest(from_json(?, {literal(shape)})) AS r)",
            [json.dumps(known, default=str)],
        )

    def _parsers(self) -> list[str]:
        """ASIM's parsers: functions over their rows."""
        return [f"function {table}{parser_of(stored(table))}" for table in self.tables if table.startswith(PARSER)]


def parser_of(rows: str) -> str:
    """The parameters and the body of a function as ASIM's parsers are: rows between two times."""
    parameters = "(starttime:datetime=datetime(null), endtime:datetime=datetime(null))"
    parts = ("where isnull(starttime) or {} >= starttime", "where isnull(endtime) or {} <= endtime")
    return f"{parameters} {{ {rows} | {' | '.join(part.format(PARSER_TIME) for part in parts)} }}"


def _by_position(text: str) -> str:
    """Arguments that a parser is given by name, by position: duckdb-kql does not know names yet. A watchlist, which is
    a function too, is the table of its name."""
    text = re.sub(r'_GetWatchlist\("(\w+)"\)', r"\1", text)
    return re.sub(rf"({PARSER}\w+)\(starttime=(.+), endtime=(.+)\)$", r"\1(\2, \3)", text, flags=re.MULTILINE)


def stored(table: str) -> str:
    """The name of the table that holds the rows of one; those of a parser, which is a function, under another."""
    return f"Rows{table}" if table.startswith(PARSER) else table


# What is added to duckdb-kql.


_IPV4 = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}"
_NUMBER = " + ".join(f"(CAST(split_part(a, '.', {part}) AS BIGINT) << {32 - 8 * part})" for part in (1, 2, 3, 4))
_MACRO = "polysigma_ipv4"
_FULL = "polysigma_ipv6"


def _in_ipv4_ranges(arguments: list[str]) -> str:
    """`ipv4_is_in_any_range`: null for what is no IPv4 address."""
    networks = [ipaddress.IPv4Network(_text(argument), strict=False) for argument in arguments[1:]]
    number = f"{_MACRO}(CAST({arguments[0]} AS VARCHAR))"
    ranges = (f"n BETWEEN {int(network[0])} AND {int(network[-1])}" for network in networks)
    return f"(SELECT {' OR '.join(ranges)} FROM (SELECT {number} AS n))"  # noqa: S608 (numbers)


def _in_ipv6_ranges(arguments: list[str]) -> str:
    """`ipv6_is_in_any_range`: null for what is no address; to it an IPv4 address is ::ffff:a.b.c.d.

    Addresses in full are as long as each other, so that their order as text is their order.
    """
    networks = [ipaddress.IPv6Network(_text(argument), strict=False) for argument in arguments[1:]]
    full = f"nullif({_FULL}(CAST({arguments[0]} AS VARCHAR)), '')"
    ranges = (f"f BETWEEN '{network[0].exploded}' AND '{network[-1].exploded}'" for network in networks)
    return f"(SELECT {' OR '.join(ranges)} FROM (SELECT {full} AS f))"  # noqa: S608 (addresses)


def _text(argument: str) -> str:
    """The value of an SQL literal; the networks of a query are constants."""
    if not (argument.startswith("'") and argument.endswith("'")):
        raise PolysigmaError(Diagnostic("kql-not-run", f"a network that is not a constant: {argument}"))
    return argument[1:-1].replace("''", "'")


_SCALARS = {
    # The argument stands once: duckdb-kql puts the text of its expression wherever a template asks for it.
    "format_ipv4": (
        "(SELECT concat_ws('.', (n >> 24) & 255, (n >> 16) & 255, (n >> 8) & 255, n & 255) FROM (SELECT {0} AS n))",
        1,
    ),
    "unixtime_seconds_todatetime": ("make_timestamp(CAST(round({0} * 1000000) AS BIGINT))", 1),
    "unixtime_milliseconds_todatetime": ("make_timestamp(CAST({0} * 1000 AS BIGINT))", 1),
    "tohex": (
        "(SELECT lpad(h, CAST(greatest(length(h), {1}) AS INTEGER), '0') FROM (SELECT printf('%x', {0}) AS h))",
        2,
    ),
    "bin_at": ("time_bucket({1}, {0}, {2})", 3),
    # Rows come in the order of the `sort` before it, which DuckDB keeps: it runs in one thread.
    "prev": ("lag({0}) OVER ()", 1),
}
_LISTS = {"ipv4_is_in_any_range": _in_ipv4_ranges, "ipv6_is_in_any_range": _in_ipv6_ranges}
_AGGREGATES = {
    "count_distinct": ("count(DISTINCT {0})", (1,)),
    "count_distinctif": ("count(DISTINCT {0}) FILTER (WHERE {1})", (2,)),
    "take_anyif": ("coalesce(any_value({0}) FILTER (WHERE {1}), any_value({0}))", (2,)),
    "make_set_if": ("to_json(coalesce(list_distinct(list({0}) FILTER (WHERE {1})), []))", (2, 3)),
}
_LIMITED = {"make_list": "({0})[1:{{1}}]", "make_set": "to_json(CAST({0} AS JSON[])[1:{{1}}])"}
_LIMITED["make_set_if"] = _LIMITED["make_set"].replace("{{1}}", "{{2}}")
"""Lists with no more items than asked for, made of those with all of them."""
_MOST_ITEMS = "1048576"
"""Items of a list without a limit (learn.microsoft.com/kusto/query/make-set-aggregation-function)."""


def _add_functions(connection: DuckDBPyConnection, translator: Any) -> None:
    """Macros for addresses. That of IPv6 is duckdb-kql's own `parse_ipv6`, taken from what it makes of a query."""
    connection.execute(f"CREATE MACRO {_MACRO}(a) AS CASE WHEN regexp_full_match(a, '{_IPV4}') THEN {_NUMBER} END")
    made = translator.to_sql('print X = parse_ipv6("@address@")')
    found = re.fullmatch(r'SELECT (.*) AS "X"', made.strip(), re.DOTALL)
    if found is None or found[1].count("'@address@'") != 1:
        raise ValueError(f"it makes of parse_ipv6: {made}")
    body = found[1].replace("'@address@'", "a")
    connection.execute(f"CREATE MACRO {_FULL}(a) AS {body}")


@cache
def _translator() -> Any:
    """duckdb-kql with the functions that it lacks. Raises PolysigmaError where it is missing, or not as expected."""
    try:
        import duckdb_kql
        import duckdb_kql.engine
        from duckdb_kql.translate import functions
    except ImportError:
        hint = "pip install 'polysigma[prove]'"
        raise PolysigmaError(Diagnostic("no-duckdb-kql", "duckdb-kql runs KQL and is not installed", hint)) from None
    try:
        _extend(functions)
        _self_test(duckdb_kql)
    except Exception as error:  # noqa: BLE001 (whatever an unknown version does, the message is the same)
        message = f"duckdb-kql is not the one that this module extends: {error}"
        raise PolysigmaError(Diagnostic("no-duckdb-kql", message, f"pip install duckdb-kql=={VERSION}")) from None
    return duckdb_kql


def _extend(functions: Any) -> None:
    for name, (template, count) in _SCALARS.items():
        functions.SCALAR_FUNCTIONS[name] = functions.FunctionSpec(name, "template", template, (count,))
    for name, render in _LISTS.items():
        functions.SCALAR_FUNCTIONS[name] = _Rendered(name, render)
    counted = functions.AGGREGATE_FUNCTIONS["countif"]
    for name, (template, arities) in _AGGREGATES.items():
        functions.AGGREGATE_FUNCTIONS[name] = replace(
            counted, name=name, template=template, arities=arities, name_ignores_args=False
        )

    class Limited(functions.AggregateSpec):  # type: ignore[misc]
        """A list of no more items than its last argument says, which may be left out."""

        def render(self, args: list[str]) -> str:
            return str(super().render([*args, _MOST_ITEMS] if len(args) < max(self.arities) else args))

    for name, template in _LIMITED.items():
        whole = functions.AGGREGATE_FUNCTIONS[name]
        functions.AGGREGATE_FUNCTIONS[name] = Limited(**{**vars(whole), "template": template.format(whole.template)})


@dataclass(frozen=True)
class _Rendered:
    """A function with any number of arguments, of the shape of duckdb-kql's FunctionSpec."""

    name: str
    render: Callable[[list[str]], str]
    kind: str = "template"
    template: str = ""
    arities: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    note: str = ""
    variadic: bool = True


def _self_test(translator: Any) -> None:
    connection = duckdb().connect()
    _add_functions(connection, translator)
    connection.execute(f"CREATE TABLE T AS SELECT {literal('::ffff:10.1.2.3')} AS A, 1 AS N")
    text = (
        'T | where coalesce(ipv4_is_in_any_range("10.1.2.3", "10.0.0.0/8", "192.0.2.0/24"), false)'
        ' | extend V4 = format_ipv4(tolong("0x0a010203")), V6 = parse_ipv6(A)'
        " | summarize D = count_distinctif(N, N > 0), A = take_anyif(V4, isnotempty(V4)),"
        " S = make_set_if(V6, isnotempty(V6), 5), E = count_distinct(V6)"
    )
    found = translator.kql(connection, text).fetchall()
    connection.close()
    expected = [(1, "10.1.2.3", '["0000:0000:0000:0000:0000:ffff:0a01:0203"]', 1)]
    if found != expected:
        raise ValueError(f"its self-test gave {found}")
