"""SPL text to a tree: the commands that Polysigma prints, as Splunk's Search Reference gives their syntax."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.engines.spl.expressions import Reader, is_truth
from polysigma.engines.spl.functions import STATS, TSTATS
from polysigma.engines.spl.lexer import tokens
from polysigma.engines.spl.tree import (
    Aggregate,
    Append,
    Command,
    Eval,
    Expression,
    Fieldformat,
    Head,
    Lookup,
    Mvexpand,
    Name,
    Query,
    Rename,
    Search,
    SearchAnd,
    SearchExpression,
    Sort,
    Stats,
    Streamstats,
    Table,
    Term,
    Tstats,
    Where,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_BOUNDS = ("earliest", "latest")
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse(text: str) -> Query:
    """The tree of a query. Raises SplError, with line and column, for what is no SPL or is not known here."""
    reader = _Commands(text, tokens(text))
    return reader.query()


class _Commands(Reader):
    def query(self) -> Query:
        """The whole text."""
        found = self._pipeline()
        if self.token.kind != "end":
            self.fail(f"{self.token.text!r} is too much")
        return found

    def _pipeline(self) -> Query:
        commands: list[Command] = []
        if self.is_symbol("|"):
            self.take()
            commands.append(self._tstats())
        else:
            commands.append(self._search())
        while self.is_symbol("|"):
            self.take()
            commands.append(self._command())
        return Query(tuple(commands))

    def _command(self) -> Command:
        known: dict[str, Callable[[], Command]] = {
            "where": self._where,
            "eval": self._eval,
            "stats": self._stats,
            "eventstats": self._stats,
            "streamstats": self._streamstats,
            "sort": self._sort,
            "head": self._head,
            "table": self._table,
            "fieldformat": self._fieldformat,
            "rename": self._rename,
            "mvexpand": self._mvexpand,
            "lookup": self._lookup,
            "append": self._append,
        }
        if self.token.kind != "word" or self.token.text not in known:
            self.fail(f"the command {self.token.text!r} is not known here, or not at this place")
        return known[self.token.text]()

    def _search(self) -> Search:
        at = self.token.at
        if self.token.is_word("search"):
            self.take()
        expression, bounds = self._bounded(self.search())
        if expression is None:
            self.fail("a search without a condition would find everything")
        return Search(expression, *bounds, at=at)

    def _bounded(self, found: SearchExpression) -> tuple[SearchExpression | None, tuple[str | None, str | None]]:
        """The bounds in time, which stand among the terms of the outermost level, and the other terms."""
        items = found.items if isinstance(found, SearchAnd) else (found,)
        bounds: dict[str, str] = {}
        rest = []
        for item in items:
            if isinstance(item, Term) and item.field in _BOUNDS and item.operator == "=":
                bounds[item.field] = item.value
            else:
                rest.append(item)
        kept = None if not rest else rest[0] if len(rest) == 1 else SearchAnd(tuple(rest), at=found.at)
        return kept, (bounds.get("earliest"), bounds.get("latest"))

    def _tstats(self) -> Tstats:
        at = self.word("tstats").at
        aggregates = [self._aggregate(TSTATS)]
        while not self.token.is_word("from"):
            aggregates.append(self._aggregate(TSTATS))
        self.word("from")
        self.word("datamodel")
        self.expect("=")
        model = self.field()
        where: SearchExpression | None = None
        bounds: tuple[str | None, str | None] = (None, None)
        if self.token.is_word("where"):
            self.take()
            where, bounds = self._bounded(self.search())
        by: list[str] = []
        span = None
        if self.token.is_word("by"):
            self.take()
            by.append(self.field())
            while self.is_symbol(","):
                self.take()
                by.append(self.field())
            if self.token.is_word("span"):
                span = self._span()
        return Tstats(tuple(aggregates), model, where, tuple(by), span, *bounds, at=at)

    def _span(self) -> int:
        self.word("span")
        self.expect("=")
        token = self.take()
        found = re.fullmatch(r"(\d+)([smhd])", token.text)
        if found is None:
            self.fail(f"{token.text!r} is no span of time", token)
        return int(found[1]) * _SPANS[found[2]]

    def _where(self) -> Where:
        at = self.take().at
        return Where(self.condition(), at=at)

    def _eval(self) -> Eval:
        at = self.take().at
        assignments = [self._assignment()]
        while self.is_symbol(","):
            self.take()
            assignments.append(self._assignment())
        return Eval(tuple(assignments), at=at)

    def _assignment(self) -> tuple[str, Expression]:
        token = self.take()
        if token.kind not in {"word", "quoted"}:
            self.fail(f"a field expected, not {token.text!r}", token)
        self.expect("=")
        value = self.expression()
        if is_truth(value):
            self.fail("no field can hold a condition", token)
        return token.text, value

    def _stats(self) -> Stats:
        token = self.take()
        aggregates = [self._aggregate(STATS)]
        while self.is_symbol(","):
            self.take()
            aggregates.append(self._aggregate(STATS))
        by: list[str] = []
        if self.token.is_word("by"):
            self.take()
            by = self._fields()
        return Stats(tuple(aggregates), tuple(by), adds=token.text == "eventstats", at=token.at)

    def _streamstats(self) -> Streamstats:
        """The value in the row before of the same key, which is the one form that is known here."""
        at = self.take().at
        for option, value in (("current", "f"), ("window", "1"), ("global", "f")):
            self.word(option)
            self.expect("=")
            token = self.take()
            if token.text != value:
                self.fail(f"{option}={token.text} is not known here", token)
        self.word("last")
        self.expect("(")
        field = self.field()
        self.expect(")")
        self.word("as")
        name = self.field()
        self.word("by")
        return Streamstats(field, name, tuple(self._fields()), at=at)

    def _aggregate(self, known: frozenset[str]) -> Aggregate:
        token = self.take()
        found = re.fullmatch(r"([a-z]+)(\d*)", token.text) if token.kind == "word" else None
        percent = float(found[2]) if found and found[2] else None
        if found and percent is not None and self.is_symbol(".") and self.token.glued:
            self.take()
            percent = float(f"{found[2]}.{self.take().text}")
        if found is None or found[1] not in known or (percent is not None) != (found[1] == "exactperc"):
            self.fail(f"the function {token.text!r} is not known here", token)
        argument: Expression | None = None
        if self.is_symbol("("):
            self.take()
            argument = self._measured(found[1])
            self.expect(")")
        elif found[1] != "count":
            self.fail(f"{found[1]} needs a field")
        self.word("as")
        return Aggregate(found[1], argument, self.field(), percent, at=token.at)

    def _measured(self, function: str) -> Expression:
        token = self.token
        if token.is_word("eval") and self.tokens[self.index + 1].text == "(":
            self.take()
            self.expect("(")
            value = self.expression()
            self.expect(")")
            if is_truth(value) != (function == "count"):
                self.fail("count takes a condition, every other function a value", token)
            return value
        return Name(self.field(), at=token.at)

    def _sort(self) -> Sort:
        at = self.take().at
        limit = self.integer()
        keys = [self._key()]
        while self.is_symbol(","):
            self.take()
            keys.append(self._key())
        return Sort(tuple(keys), limit, at=at)

    def _key(self) -> tuple[str, bool]:
        down = self.is_symbol("-")
        if self.is_symbol("-", "+"):
            self.take()
        return self.field(), down

    def _head(self) -> Head:
        at = self.take().at
        return Head(self.integer(), at=at)

    def _fields(self) -> list[str]:
        fields = [self.field()]
        while self.is_symbol(","):
            self.take()
            fields.append(self.field())
        return fields

    def _table(self) -> Table:
        at = self.take().at
        return Table(tuple(self._fields()), at=at)

    def _fieldformat(self) -> Fieldformat:
        at = self.take().at
        field, shown = self._assignment()
        return Fieldformat(field, shown, at=at)

    def _rename(self) -> Rename:
        at = self.take().at
        prefix = self.field()
        self.expect(".")
        self.expect("*")
        self.word("as")
        self.expect("*")
        return Rename(prefix, at=at)

    def _append(self) -> Append:
        """A subsearch, which begins with a command that finds events (Search Reference, "append")."""
        at = self.take().at
        self.expect("[")
        if not self.is_symbol("|") and not self.token.is_word("search"):
            self.fail("a subsearch begins with search or a pipe")
        query = self._pipeline()
        self.expect("]")
        return Append(query, at=at)

    def _lookup(self) -> Lookup:
        """One field to look for, and one to take (Search Reference, "lookup")."""
        at = self.take().at
        table = self.field()
        column = self.field()
        self.word("as")
        key = self.field()
        self.word("output")
        shown = self.field()
        self.word("as")
        return Lookup(table, column, key, shown, self.field(), at=at)

    def _mvexpand(self) -> Mvexpand:
        at = self.take().at
        return Mvexpand(self.field(), at=at)
