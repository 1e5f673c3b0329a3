"""SQL on Apache Spark, in this process's own session of two threads.

Slow beside DuckDB: a session takes seconds to start and every query a part of one. It is here to show that what is
printed for Spark gives the same rows.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines import lookups
from polysigma.engines.runners import Data, Result, Runner, Store, Window, no_flips
from polysigma.engines.sql_text import (
    FORM,
    TABLE,
    TIME,
    Kept,
    columns_read,
    fault,
    identifier,
    matched,
    read_query,
    spelled,
    spellings,
    with_selections,
)
from polysigma.plan.lookups import COLUMN
from polysigma.schemas import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from polysigma.engines.runners import Row

_DIALECT = "spark"


class SparkRunner(Runner):
    """Spark as it comes, in ANSI mode (the default of Spark 4), but for the session's time zone, which is UTC."""

    target = "sql"
    engine = "Spark"

    def unavailable(self) -> str | None:
        """PySpark is an extra of its own, and needs a Java."""
        if find_spec("pyspark") is None:
            return "PySpark runs SQL on Spark and is not installed: pip install 'polysigma[spark]'"
        home = os.environ.get("JAVA_HOME")
        if not shutil.which(f"{home}/bin/java" if home else "java"):
            return "Spark needs Java 17 or later, and no `java` is found: install one, or set JAVA_HOME"
        return None

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """Parsed by sqlglot, then bound by Spark to a table that has the columns of the schema."""
        try:
            query = read_query(text, _DIALECT)
            _fill([], list(load(schema).columns()))
            _upload(text, dict.fromkeys(lookups.named(lookups.words(text)), ()))
            _sql(query.text)
        except PolysigmaError as error:
            return list(error.findings)
        return []

    def store(self, data: Data, text: str) -> Store:
        known = load(data.schema).columns()
        more = sorted({name for row in data.rows[:1] for name in row} - set(known))
        names = columns_read(read_query(text, _DIALECT), (*known, *more))
        _fill(data.rows, names)
        _upload(text, data.lookups)
        return _SparkStore(text)

    def prefixes(self, text: str) -> list[str]:
        """Each WITH query, shown whole."""
        withs = read_query(text, _DIALECT).withs
        return [*(f"{text[: one.end + 1]}\nSELECT * FROM {identifier(one.name, _DIALECT)}" for one in withs), text]


class _SparkStore(Store):
    """What the query's WITH queries match, brought here once for all of its windows: it takes Spark longest."""

    def __init__(self, text: str) -> None:
        self.places = self._keep(text)

    def _keep(self, text: str) -> list[Kept]:
        places = []
        query = read_query(text, _DIALECT)
        for number, one in enumerate(matched(query)):
            frame = _sql(query.text[one.start : one.end])
            if dict(frame.dtypes).get(TIME) != "timestamp":
                raise fault("query-form", f"{one.name!r} has no TIMESTAMP called {TIME!r}", FORM)
            name = f"polysigma_matched_{number}"
            _session().createDataFrame(frame.collect(), frame.schema).createOrReplaceTempView(name)
            places.append(Kept(one, name, TIME, "TIMESTAMP"))
        return places

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window."""
        no_flips(flip)
        query = read_query(text, _DIALECT)
        withs = {one.name: one for one in query.withs}
        places = [replace(kept, query=withs[kept.query.name]) for kept in self.places if kept.query.name in withs]
        for window in windows:
            if window is None:
                yield Result(_rows(text))
                continue
            first, beyond = (f"TIMESTAMP_SECONDS({second})" for second in window)
            selection = f"SELECT * FROM {{table}} WHERE {{time}} >= {first} AND {{time}} < {beyond}"  # noqa: S608
            yield Result(_rows(with_selections(query, places, selection)))


@cache
def _session() -> SparkSession:
    """One for the process. It compiles no Java: that would take longer than the few rows of a scenario do."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        # A query with as many WITH queries as a detection in many steps has is not resolved in 100.
        "spark.sql.analyzer.maxIterations": "1000",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": f"{gettempdir()}/polysigma-spark",
    }
    builder = SparkSession.builder.master("local[2]").appName("polysigma")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _fill(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Puts rows in the place of those that were there. Every value is text, as in the files that Spark would read."""
    from pyspark.sql.types import StringType, StructField, StructType

    columns = spellings(names)
    known = [spelled(row, columns) for row in rows]
    table = [tuple(_text(row.get(found[0])) for found in columns) for row in known]
    fields = [StructField(found[0], StringType()) for found in columns]
    frame = _session().createDataFrame(table, StructType(fields or [StructField("nothing", StringType())]))
    frame.createOrReplaceTempView(TABLE)


def _upload(text: str, uploaded: Mapping[str, Sequence[str]]) -> None:
    """Makes a table of each lookup that a query names. Raises PolysigmaError for one that was not uploaded."""
    from pyspark.sql.types import StringType, StructField, StructType

    for name in lookups.named(lookups.words(text)):
        if name not in uploaded:
            raise lookups.missing(name)
        rows = [(value,) for value in uploaded[name]]
        frame = _session().createDataFrame(rows, StructType([StructField(COLUMN, StringType())]))
        frame.createOrReplaceTempView(name)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sql(text: str) -> DataFrame:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        return _session().sql(text)
    except (PySparkException, Py4JError) as failure:
        raise _refused(failure) from None


def _rows(text: str) -> list[Row]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        return [{name: _value(value) for name, value in row.asDict().items()} for row in _sql(text).collect()]
    except (PySparkException, Py4JError) as failure:
        raise _refused(failure) from None


def _refused(failure: Exception) -> PolysigmaError:
    return fault("sql-failed", f"Spark refuses the query: {str(failure).splitlines()[0]}")


def _value(value: Any) -> Any:
    """PySpark gives times in the zone of this process, without saying so; they are UTC everywhere else here."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
