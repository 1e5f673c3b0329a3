"""KQL, judged and run offline: Microsoft's own parser and binder, and duckdb-kql on DuckDB.

Both take the TEXT of a query and what vendors document about their tables (`polysigma.schemas`); neither knows how the
text was made.
"""
