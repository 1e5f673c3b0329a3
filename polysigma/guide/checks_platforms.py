"""Whether the tables and fields that a guide names are there, on the platform that it names them for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from polysigma import schemas
from polysigma.claims import Logsource
from polysigma.diagnostics import Severity
from polysigma.guide.checks_parameters import columns_of_hit
from polysigma.guide.exclusions import base_rules
from polysigma.guide.places import at_key, in_text
from polysigma.plan.typing import near

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package
    from polysigma.platform import Platform

Path = tuple[str | int, ...]
_WARNING = Severity.WARNING


def known_platforms() -> dict[str, Platform]:
    """Every platform by its id."""
    from sigma.pipelines.polysigma import pipelines, platform

    return {name: platform(name) for name in pipelines}


def check_platforms(package: Package) -> Iterator[Diagnostic]:
    """Unknown platforms, tables and fields; platforms left out; coverage queries that are not valid."""
    platforms = known_platforms()
    document, guide = package.document, package.guide
    for name in sorted(platforms.keys() - guide.platforms.keys()):
        if _records(platforms[name], package):
            message = f"nothing is said about the platform {name}, which records what the rule looks at"
            # A site may have one platform only, so that this is no error.
            yield replace(
                at_key(document, "missing-platform", message, "platforms", hint=f"{name}:"), severity=_WARNING
            )
    for name, one in guide.platforms.items():
        path: Path = ("platforms", name)
        if name not in platforms:
            yield from _unknown_platform(package, name, path, platforms)
            continue
        for part, tables in (("tables", one.tables), ("also", one.also)):
            for table in tables:
                yield from _table(package, platforms[name], table, (*path, part, table))
        yield from _coverage(package, platforms[name], one.coverage.query, (*path, "coverage", "query"))
    hit = columns_of_hit(package)
    for index, question in enumerate(guide.triage):
        path = ("triage", index)
        yield from _columns_of_hit(package, question.alert, hit, (*path, "alert"))
        for name, fields in question.focus.items():
            if name not in platforms:
                yield from _unknown_platform(package, name, (*path, "focus", name), platforms)
                continue
            for table, columns in fields.items():
                place: Path = (*path, "focus", name, table)
                yield from _fields(package, platforms[name], table, columns, place)
        if question.focus:
            for name in sorted(guide.platforms.keys() & platforms.keys() - question.focus.keys()):
                message = f"the question has a place to look on other platforms, and none on {name}"
                hint = "name its fields; where it records nothing, say so in `elsewhere` of a question of its own"
                yield at_key(document, "missing-focus", message, *path, "focus", hint=hint)
    for index, test in enumerate(guide.tests):
        if test.hits == guide.detection:
            yield from _columns_of_hit(package, test.hit, hit, ("tests", index, "hit"))
        for name, signal in test.expected.items():
            path = ("tests", index, "expected", name)
            if name not in platforms:
                yield from _unknown_platform(package, name, path, platforms)
                continue
            yield from _fields(package, platforms[name], signal.table, list(signal.values), path)


def fields_named(package: Package) -> set[str]:
    """Every field of a platform that the guide's questions name."""
    return {
        column
        for question in package.guide.triage
        for fields in question.focus.values()
        for columns in fields.values()
        for column in columns
    }


def _records(platform: Platform, package: Package) -> bool:
    """Whether the platform claims the log source of every rule that the detection looks at."""
    sources = [rule.get("logsource") for rule in base_rules(package)]
    if not sources or not all(isinstance(source, dict) for source in sources):
        return False
    keys = ("category", "product", "service")
    parts = [
        {key: str(source[key]) for key in keys if source.get(key)} for source in sources if isinstance(source, dict)
    ]
    return all(platform.category_for(Logsource(**one)) is not None for one in parts)


def _unknown_platform(
    package: Package, name: str, path: Path, platforms: Mapping[str, Platform]
) -> Iterator[Diagnostic]:
    message = f"there is no platform {name!r}"
    yield at_key(package.document, "unknown-platform", message, *path, hint=near(name, platforms))


def _table(package: Package, platform: Platform, table: str, path: Path) -> Iterator[Diagnostic]:
    schema = schemas.load(platform.schema_name)
    if table not in schema.tables:
        message = f"{platform.id} has no table {table!r} ({schema.as_of})"
        yield at_key(package.document, "unknown-table", message, *path, hint=near(table, schema.tables))


def _fields(
    package: Package, platform: Platform, table: str, columns: Iterable[str], path: Path
) -> Iterator[Diagnostic]:
    schema = schemas.load(platform.schema_name)
    if table not in schema.tables:
        yield from _table(package, platform, table, path)
        return
    for column in columns:
        if column not in schema.tables[table]:
            message = f"{table} of {platform.id} has no field {column!r} ({schema.as_of})"
            hint = near(column, schema.tables[table])
            place = _place(package, path, column)
            yield from package.document.error("unknown-field", message, *place, hint=hint).findings


def _place(package: Package, path: Path, column: str) -> Path:
    """Where a column stands below `path`: as an item of a list, or as a key of `values`."""
    value = package.document.value
    for part in path:
        value = value[part]
    if isinstance(value, list):
        return (*path, value.index(column))
    return (*path, "values", column) if isinstance(value, dict) and column in value.get("values", {}) else path


def _columns_of_hit(package: Package, names: Iterable[str], hit: set[str], path: Path) -> Iterator[Diagnostic]:
    for name in names:
        if hit and name not in hit:
            message = f"a hit has no column {name!r}"
            hint = near(name, dict.fromkeys(hit))
            yield from package.document.error("unknown-column", message, *path, hint=hint).findings


def _coverage(package: Package, platform: Platform, query: str, path: Path) -> Iterator[Diagnostic]:
    """CQL passes the linter, SQL parses; KQL and SPL are not judged here."""
    match platform.targets[0]:
        case "logscale":
            problems = _cql_problems(query)
        case "sql":
            problems = _sql_problems(query)
        case _:
            return
    lines = query.splitlines(keepends=True)
    for problem, line, column in problems:
        offset = sum(len(text) for text in lines[: line - 1]) + column - 1
        message = f"the coverage query is not valid: {problem}"
        yield in_text(package.document, "invalid-coverage", message, path, query, offset)


def _cql_problems(query: str) -> list[tuple[str, int, int]]:
    """What is wrong with a query in CQL, and at which line and column of it."""
    from polysigma.cql import lint

    errors = [one for one in lint(query) if one.severity is Severity.ERROR]
    return [
        (f"{one.code} {one.message}", one.at.line if one.at else 1, one.at.column if one.at else 1) for one in errors
    ]


def _sql_problems(query: str) -> list[tuple[str, int, int]]:
    import sqlglot

    try:
        sqlglot.parse_one(query, dialect="duckdb")
    except sqlglot.errors.ParseError as error:
        return [(str(one["description"]), int(one["line"]), int(one["col"])) for one in error.errors]
    except sqlglot.errors.SqlglotError as error:
        return [(" ".join(str(error).split()), 1, 1)]
    return []
