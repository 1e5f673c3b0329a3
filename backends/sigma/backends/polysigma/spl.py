"""SPL, the search language of Splunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma import schemas
from polysigma.fidelity import approximately
from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import (
    TRUE,
    Call,
    Case,
    Column,
    Comparison,
    Constant,
    Exists,
    Expression,
    In,
    InNetwork,
    ListLiteral,
    Not,
    Or,
    Regex,
    TextMatch,
    columns,
    conjunction,
    conjuncts,
    disjunction,
    walk,
)
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import RULE_COLUMN, Annotate, Chain, Group, Plan, Source, all_steps, is_rule, widest_bucket
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .emptiness import filled
from .errors import unsupported
from .ordering import closure
from .printer import HUNTS, Job, Printer, one_line
from .spl_lookups import lookups
from .spl_search import Search
from .spl_steps import WIDTH, Steps, where
from .spl_text import escaped_text, eval_name, eval_string, search_name
from .spl_tstats import Staged, stage_one
from .spl_values import Values, parts_of_dates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polysigma.fidelity import Loss
    from polysigma.plan.steps import Branch

    from .printer import Form

DATA_MODEL = "datamodel"
"""The column by which claims name a data set of the Common Information Model."""
_PREFIX = "XmlWinEventLog:"
MACROS = {
    f"{_PREFIX}Microsoft-Windows-Sysmon/Operational": "sysmon",
    "Syslog:Linux-Sysmon/Operational": "sysmon",
    f"{_PREFIX}Microsoft-Windows-PowerShell/Operational": "powershell",
    f"{_PREFIX}PowerShellCore/Operational": "powershell",
    f"{_PREFIX}Security": "wineventlog_security",
    f"{_PREFIX}System": "wineventlog_system",
}
"""The macros by which Splunk's own content (ESCU) names where a site keeps the events of a source."""
ONE_CASE = frozenset({"action", "direction", "source", "Channel", "EventType"})
"""Columns with prescribed values in one case (CIM, "expected values"), or which events are found by."""
_ANCHORS = ((86400, "d"), (3600, "h"), (60, "m"))


class SplPrinter(Printer):
    """Prints plans as SPL, one command a line."""

    def __init__(self, index_macro: str | None = None) -> None:
        self.index_macro = index_macro

    @property
    def settings(self) -> tuple[str | None, ...]:
        return (self.index_macro,)

    def print(self, job: Job) -> str:
        return self.head(job.header) + _Query(job.plan, job.form, self.index_macro).text()

    def head(self, lines: Iterable[str]) -> str:
        """The head comment. Three backticks would end it, so none is left in its text."""
        return "".join(f"``` {one_line(line.replace('`', chr(39)))} ```\n" for line in lines)

    def losses(self, plan: Plan) -> tuple[Loss, ...]:
        found = []
        if any(isinstance(step, Annotate) for step in all_steps(plan.steps)):
            reason = (
                "eventstats holds its rows in memory and leaves its numbers out of those beyond max_mem_usage_mb "
                "(limits.conf, 200 MB)"
            )
            found.append(approximately(reason, "it takes 200 MB of rows in one window"))
        for step in all_steps(plan.steps):
            if isinstance(step, Group | Annotate):
                found += [
                    approximately(
                        f"{measure.name} is Splunk's percentile: a value of the data, not one between two of them"
                    )
                    for measure in step.measures
                    if measure.function in {"median", "percentile"}
                ]
        dates = parts_of_dates(plan)
        if dates:
            reason = (
                f"what is asked of dates ({', '.join(dates)}) is that of UTC where the time zone of the search lies "
                "between UTC-10 and UTC+13:59; elsewhere it can be that of the day before or after"
            )
            found.append(approximately(reason, "the time zone is a setting of whoever searches; here it is UTC"))
        chains = [step for step in all_steps(plan.steps) if isinstance(step, Chain)]
        if chains:
            reason = "append takes at most 50,000 rows of a further search, and waits 60 seconds for it"
            found.append(approximately(reason, "it takes more than 50,000 hits of a part of the rule in one window"))
        together = [len(branch.rules) for chain in chains for branch in chain.branches] or [len(plan.sources)]
        if max(together) > 1:
            reason = "mvexpand cuts off a batch of rows beyond max_mem_usage_mb (limits.conf, 500 MB), and says so"
            found.append(approximately(reason, "it takes 500 MB of rows in one window"))
        widest = widest_bucket(plan.steps)
        if widest and widest >= 86400:
            reason = "a hunt ends at midnight where Splunk is, and the days it counts are those of UTC"
            found.append(approximately(reason, HUNTS))
        elif widest and widest not in {60, 3600}:
            width = format_duration(widest)
            reason = f"a hunt can end inside a bucket of {width}, which then counts only its part"
            found.append(approximately(reason, HUNTS))
        return tuple(found)


class _Query:
    """One query in the making."""

    def __init__(self, plan: Plan, form: Form, index_macro: str | None) -> None:
        self.plan = plan
        self.whole = plan
        """The plan whose window it is; in a branch of a chain that of the chain."""
        self.form = form
        self.index_macro = index_macro
        self.values = Values()

    def text(self) -> str:
        plan = self.plan
        lines = self._commands()
        if plan.window is not None:
            shown = list(dict.fromkeys(column for output in plan.outputs for column in output.columns))
            lines.append("table " + ", ".join(search_name(self.values.name(name)) for name in shown))
            times = (name for output in plan.outputs if output.type is Type.TIME for name in output.columns)
            for name in map(eval_name, map(self.values.name, dict.fromkeys(times))):
                lines.append(f'fieldformat {name}=strftime({name}, "%Y-%m-%d %H:%M:%S %z")')
        return "\n".join(f"| {line}" if number else line for number, line in enumerate(lines)) + "\n"

    def _commands(self) -> list[str]:
        """The commands from the events to the last step."""
        plan = self.plan
        if plan.steps and isinstance(plan.steps[0], Chain):
            return self._chain(plan.steps[0]) + Steps(self.values).commands(plan.steps[1:])
        staged = stage_one(plan, self._times(), ONE_CASE) if self.index_macro is None else None
        if staged is not None:
            lines, counted = staged.commands, staged.counted
            lines[0] = f"| {lines[0]}"
            lines += self._staged_source(plan.sources[0], staged)
        else:
            counted = None
            lines = self._source(plan.sources[0]) if len(plan.sources) == 1 else self._sources(plan.sources)
        return lines + Steps(self.values, counted).commands(plan.steps)

    def _chain(self, step: Chain) -> list[str]:
        """A search for the first branch, and one that is appended for each of the others."""
        lines: list[str] = []
        present: set[str] | None = None
        types: dict[str, Type] = {}
        # Events come first: what is appended is limited, and hits are few.
        for branch in sorted(step.branches, key=_makes_hits):
            inner = _Query(self.plan.part(branch), self.form, self.index_macro)
            inner.whole = self.whole
            commands = inner._commands()
            values = inner.values
            renamed = [name for name in step.columns if name in values.aliases]
            assigned = [f"{RULE_COLUMN}={eval_string(branch.rule)}"]
            assigned += [f"{eval_name(name)}={eval_name(values.aliases[name])}" for name in renamed]
            commands.append("eval " + ", ".join(assigned))
            commands.append("table " + ", ".join(search_name(name) for name in (*step.columns, RULE_COLUMN)))
            present = values.present if present is None else present & values.present
            types |= {name: kind for name, kind in values.types.items() if name in step.columns}
            if lines:
                first = commands[0] if commands[0].startswith("|") else f"search {commands[0]}"
                nested = "\n| ".join([first, *commands[1:]]).replace("\n", "\n    ")
                lines.append(f"append [\n    {nested}]")
            else:
                lines = commands
        self.values.types |= {**types, RULE_COLUMN: Type.TEXT}
        self.values.present |= {RULE_COLUMN, *(name for name in step.columns if name in (present or ()))}
        return lines

    # The time.

    def _times(self) -> str:
        """The window in the first search, on the edge of a bucket; empty where the scheduler sets it."""
        window = self.plan.window
        if window is None or self.form != "hunt":
            return ""
        every = self.whole.edge
        anchor = next((unit for size, unit in _ANCHORS if every % size == 0 and window % size == 0), "s")
        return f"earliest=-{format_duration(window)}@{anchor} latest=@{anchor}"

    # The searches.

    def _source(self, source: Source) -> list[str]:
        """Search terms first; derived columns; what `search` cannot say; the rest of the derived columns."""
        self._columns(source)
        search = Search(self._searchable(source), exact=ONE_CASE)
        terms, rest = _divided(search, source.condition)
        lines = [_search_line([*self._event(source), self._times(), *terms])]
        return lines + self._computed(source, rest)

    def _staged_source(self, source: Source, staged: Staged) -> list[str]:
        self._columns(source)
        self.values.present |= set(staged.keys)
        self.values.recorded -= set(staged.carried)
        return self._computed(source, staged.rest)

    def _computed(self, source: Source, rest: tuple[Expression, ...]) -> list[str]:
        derived = dict(source.derived)
        early = closure({column for part in rest for column in columns(part)}, derived)
        lines = self._derived([item for item in source.derived if item[0] in early])
        lines += where(self.values, tuple(sorted(rest, key=_cost)))
        self.values.filled = filled(conjuncts(source.condition))
        if self.plan.window is not None:  # a branch of a chain may have no steps, and still be read
            lines += self._derived([item for item in source.derived if item[0] not in early])
        return lines

    def _columns(self, source: Source) -> None:
        """Takes the columns of the events into account."""
        self.values.types.update(source.types)
        self.values.recorded |= set(source.types) - {"_time"}
        self.values.present.add("_time")
        for name, expression in source.derived:
            match expression:
                case Call(name="time_from_seconds", arguments=(Column(name=column),)):
                    self.values.aliases[name] = column
                    self.values.types[name] = Type.TIME
                    self.values.present.add(name)
                case _:
                    pass

    def _derived(self, items: list[tuple[str, Expression]]) -> list[str]:
        steps = Steps(self.values)
        lines = []
        for name, expression in items:
            if name in self.values.aliases:
                continue
            lines += steps.derive(name, expression)
            if isinstance(expression, Call) and expression.name in {"lower", "address"}:
                self.values.lowered.add(name)
        return lines

    def _searchable(self, source: Source) -> dict[str, Type]:
        made = {name for name, _ in source.derived}
        return {name: kind for name, kind in source.types.items() if name not in made and name != "_time"}

    def _event(self, source: Source) -> list[str]:
        """The event filter as terms: the macro that says where events are, then what tells these from others."""
        terms = []
        for part in source.event:
            match part:
                case In(item=Column(name="datamodel"), choices=ListLiteral(items=(str() as table,))):
                    terms += self._data_model(table)
                case In(item=Column(name="source"), choices=ListLiteral(items=names)):
                    terms.append(self._place([str(name) for name in names]))
                case _:
                    types = self._event_types(source)
                    text = Search(types, exact=frozenset(types)).terms(part, inner=True)
                    if text is None:
                        raise unsupported(RefusalCode.STEP, f"the event filter {part!r} cannot be searched for")
                    terms.append(text)
        return terms

    def _place(self, sources: list[str]) -> str:
        """Where events are: by the site's macro, by the usual one of their sources, or by the sources themselves."""
        usual = {MACROS.get(source) for source in sources}
        macro = self.index_macro
        if macro is None and len(usual) == 1:
            (macro,) = usual
        listed = ", ".join(map(escaped_text, sources))
        literal = f"source={listed}" if len(sources) == 1 else f"source IN ({listed})"
        return f"`{macro}`" if macro else literal

    def _event_types(self, source: Source) -> dict[str, Type]:
        return {column: source.types.get(column, Type.TEXT) for part in source.event for column in columns(part)}

    def _data_model(self, table: str) -> list[str]:
        model = table.partition(".")[0]
        macro = self.index_macro if self.index_macro is not None else f"cim_{model}_indexes"
        tags = [f"tag={tag}" for tag in schemas.load("splunk_cim").tags[table]]
        return [*([f"`{macro}`"] if macro else []), *tags]

    # Several searches in one.

    def _sources(self, sources: tuple[Source, ...]) -> list[str]:
        """One search for all; each row then says which rules it matched, once for each of them."""
        searches, tests = [], []
        for source in sources:
            self._columns(source)
            terms, _ = _divided(Search(self._searchable(source), exact=ONE_CASE), source.condition)
            searches.append(f"({' '.join([*self._event(source), *terms])})")
        lines = [_search_line([f"({(chr(10) + '    OR ').join(searches)})", self._times()])]
        needed = {column for source in sources for part in conjuncts(source.condition) for column in columns(part)}
        shared, own = _shared(sources)
        early = closure(needed, shared)
        if needed & own.keys():
            raise unsupported(
                RefusalCode.DIFFERING_COLUMNS,
                f"{', '.join(sorted(needed & own.keys()))} is computed differently in each of the rules",
            )
        lines += self._derived([(name, shared[name]) for name in shared if name in early])
        lines += lookups(self.values, [source.condition for source in sources])
        for source in sources:
            test = conjunction(*(part for part in source.event if not _is_place(part)), source.condition)
            tagged = [tag for part in source.event for tag in self._tag_tests(part)]
            text = self.values.tests.text(simplify(test)) if test != TRUE else "true()"
            text = " AND ".join([*tagged, f"({text})"]) if tagged else text
            tests.append(f"if({text}, {eval_string(source.rule)}, null())")
        lines.append(f"eval {RULE_COLUMN}=mvappend(" + ",\n    ".join(tests) + ")")
        lines.append(f"where isnotnull({RULE_COLUMN})")
        lines.append(f"mvexpand {RULE_COLUMN}")
        self.values.types[RULE_COLUMN] = Type.TEXT
        self.values.present.add(RULE_COLUMN)
        self.values.filled = set.intersection(*(filled(conjuncts(source.condition)) for source in sources))
        lines += self._derived([(name, shared[name]) for name in shared if name not in early])
        for name, branches in own.items():
            cases = tuple((is_rule(rule), expression) for rule, expression in branches.items())
            lines += self._derived([(name, Case(cases, Constant(None)))])
        return lines

    def _tag_tests(self, part: Expression) -> list[str]:
        match part:
            case In(item=Column(name="datamodel"), choices=ListLiteral(items=(str() as table,))):
                tags = schemas.load("splunk_cim").tags[table]
                return [f"isnotnull(mvfind({eval_name('tag')}, {escaped_text(f'^{tag}$')}))" for tag in tags]
            case _:
                return []


def _makes_hits(branch: Branch) -> bool:
    """Whether rows of a branch are fewer than its events, as those of a group are."""
    return any(isinstance(step, Group) for step in branch.steps)


def _divided(search: Search, condition: Expression) -> tuple[list[str], tuple[Expression, ...]]:
    """A condition as search terms, and what has to be tested once more after them."""
    terms: list[str] = []
    rest: list[Expression] = []
    for part in sorted(_parts(search, condition), key=_cost):
        term = search.terms(part)
        if term is None:
            terms += search.hints(part)
            rest.append(part)
        elif term:
            terms.append(term)
    return list(dict.fromkeys(terms)), tuple(rest)


def _parts(search: Search, condition: Expression) -> list[Expression]:
    """What must hold, part by part; of what must not, what `search` can say apart from what it cannot."""
    found: list[Expression] = []
    for part in conjuncts(simplify(condition)):
        match part:
            case Not(item=Or(items=items)) if search.terms(part) is None:
                said = [item for item in items if search.terms(Not(item)) is not None]
                found += [Not(disjunction(*said))] if said else []
                found += [Not(item) for item in items if item not in said]
            case _:
                found.append(part)
    return found


def _search_line(terms: list[str]) -> str:
    """The first search, over several lines where it is long."""
    lines = [""]
    for term in terms:
        if not term:
            continue
        if lines[-1] and len(lines[-1]) + len(term) > WIDTH:
            lines.append("")
        lines[-1] += f" {term}" if lines[-1] else term
    return "\n    ".join(lines)


def _shared(sources: tuple[Source, ...]) -> tuple[dict[str, Expression], dict[str, dict[str, Expression]]]:
    """The derived columns that all sources which have them compute alike, and those that differ, by rule."""
    found: dict[str, dict[str, Expression]] = {}
    for source in sources:
        for name, expression in source.derived:
            found.setdefault(name, {})[source.rule] = expression
    alike = {name: next(iter(rules.values())) for name, rules in found.items() if len(set(rules.values())) == 1}
    return alike, {name: rules for name, rules in found.items() if name not in alike}


def _is_place(part: Expression) -> bool:
    """Whether a part of the event filter only says where events are, which the search has seen to."""
    return set(columns(part)) <= {"source", DATA_MODEL}


def _cost(part: Expression) -> int:
    """The order of conditions: whether a value is there, comparisons, lists, texts, networks, regular expressions."""
    if isinstance(part, Exists):
        return 0
    costs = {Comparison: 1, In: 2, TextMatch: 3, InNetwork: 4, Regex: 5}
    found = max((costs.get(type(node), 0) for node in walk(part)), default=0)
    return found + 10 * isinstance(part, Not)
