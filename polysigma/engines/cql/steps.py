"""Steps on single events: filters, assignments, case, match, and the functions that change an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.engines.cql import arrays
from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.calls import regex_of
from polysigma.engines.cql.context import refuse
from polysigma.engines.cql.expressions import computation, evaluator, predicate
from polysigma.engines.cql.filters import filter_test, literal, on_field, pattern_text
from polysigma.engines.cql.patterns import equals
from polysigma.engines.cql.regexes import Pattern, fill, search_test
from polysigma.engines.cql.values import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polysigma.engines.cql.context import Context
    from polysigma.engines.cql.values import Evaluator, Row, Test

Run = Callable[["Row"], bool]


@dataclass(frozen=True, slots=True)
class Op:
    """One step: `run` changes a row in place and tells whether it passes."""

    run: Run
    mutates: bool = False
    filters: bool = True


def compile_step(context: Context, step: tree.Step) -> Iterator[Op]:
    """The operations of a step that is no aggregate. Refuses what is not implemented."""
    match step:
        case tree.And(operands=operands):
            # "The above implies the pipe": operands of `and` are steps in a row (data-analysis/syntax-filters.html).
            for operand in operands:
                if isinstance(operand, tree.Call | tree.Bind):
                    context.compiled.add("call-as-operand")
                yield from compile_step(context, operand)
        case tree.Compare(field=field, op="=" | "like", value=tree.Regex() as regex):
            pattern = literal(context, regex, may_extract=True)
            yield _extraction(context, field.name, pattern, strict=True)
        case tree.Assign(field=field, value=value):
            yield _assign(context, field, value)
        case tree.Call():
            yield from _call(context, step, None)
        case tree.Bind(field=field, call=call, negated=False):
            yield from _call(context, call, field)
        case tree.Case(branches=branches):
            yield _branches([compile_ops(context, branch.steps) for branch in branches])
        case tree.Match(branches=matches):
            guards = [Op(_guard(context, step.field, branch.guard)) for branch in matches]
            rest = [compile_ops(context, branch.pipeline.steps) for branch in matches]
            yield _branches([[guard, *ops] for guard, ops in zip(guards, rest, strict=True)])
        case tree.FreeText(pattern=tree.Bare(value="*")):
            return
        case tree.Stats():
            refuse(step, "an aggregate cannot stand here")
        case _:
            yield Op(filter_test(context, step))


def compile_ops(context: Context, steps: Sequence[tree.Step]) -> list[Op]:
    """The operations of the steps of a branch."""
    return [op for step in steps for op in compile_step(context, step)]


def run_all(ops: Sequence[Op]) -> Run:
    """The operations one after the other, up to the first that a row does not pass."""
    runs = [op.run for op in ops]
    if len(runs) == 1:
        return runs[0]
    if len(runs) == 2:
        first, second = runs
        return lambda row: first(row) and second(row)

    def run(row: Row) -> bool:
        for one in runs:  # noqa: SIM110  (measurably faster than all() with a generator)
            if not one(row):
                return False
        return True

    return run


# case and match


def _branches(branches: list[list[Op]]) -> Op:
    """The first branch that a row passes; none: the row is dropped (data-analysis/syntax-conditional.html)."""
    runs = [_branch(ops) for ops in branches]

    def run(row: Row) -> bool:
        return any(branch(row) for branch in runs)

    mutates = any(op.mutates for ops in branches for op in ops)
    return Op(run, mutates=mutates)


def _branch(ops: list[Op]) -> Run:
    """A branch that a row does not pass leaves the row as it was."""
    changed = False
    careful = False
    for op in ops:
        careful = careful or (changed and op.filters)
        changed = changed or op.mutates
    run = run_all(ops)
    if not careful and not any(op.mutates and op.filters for op in ops):
        return run

    def attempt(row: Row) -> bool:
        copy = dict(row)
        if not run(copy):
            return False
        row.clear()
        row.update(copy)
        return True

    return attempt


def _guard(context: Context, field: tree.Field, guard: tree.Guard) -> Test:
    """ "In the match the guards * and true are equivalent and match everything"; "*" and ** ask for the field."""
    match guard:
        case tree.Bare(value="*" | "true"):
            return lambda _: True
        case tree.Regex():
            return search_test(context, field.name, literal(context, guard, may_extract=False))
        case tree.Call():
            return predicate(context, guard, field).test
        case _:
            return on_field(field.name, equals(context, pattern_text(guard), "equals-numeric"))


# Changes


def _assign(context: Context, field: tree.Field, value: tree.Value) -> Op:
    """`field := expression`; assigning null leaves the field as it is (data-analysis/syntax-expressions.html)."""
    target = field.name
    if isinstance(value, tree.Call):
        if function_name(value) == "rename":
            return _rename([(Arguments(value, "field").field("field"), target)])
        if any(argument.name == "as" for argument in value.arguments):
            refuse(value, f"{value.function}() has as= beside :=")
        if function_name(value) == "parseTimestamp":
            named = tree.Argument(value.at, "as", tree.Quoted(field.at, target))
            return next(_call(context, tree.Call(value.at, value.function, (*value.arguments, named)), None))
    return _setter(target, evaluator(context, value))


def _setter(target: str, value: Evaluator) -> Op:
    def run(row: Row) -> bool:
        found = value(row)
        if found is not None:
            row[target] = found
        return True

    return Op(run, mutates=True, filters=False)


def _call(context: Context, call: tree.Call, bound: tree.Field | None) -> Iterator[Op]:
    match function_name(call):
        case "regex":
            field, pattern, strict = regex_of(context, call, bound)
            yield _extraction(context, field, pattern, strict=strict)
        case "eval":
            for argument in call.arguments:
                if argument.name is not None:
                    yield _setter(argument.name, evaluator(context, argument.value))
                elif isinstance(argument.value, tree.Assign):
                    yield _setter(argument.value.field.name, evaluator(context, argument.value.value))
                else:
                    refuse(argument, "eval() has an argument that assigns nothing")
        case "rename":
            yield _rename(_pairs(call, bound))
        case "drop":
            names = Arguments(call, "fields").fields("fields")
            yield _drop(names)
        case "select":
            yield _select(frozenset(Arguments(call, "fields").fields("fields")))
        case "array:append":
            yield Op(arrays.appended(context, call), mutates=True, filters=False)
        case "default":
            yield _default(Arguments(call, "field value replaceEmpty", bound))
        case _:
            found = computation(context, call, bound)
            if found is None:
                yield Op(predicate(context, call, bound).test)
            elif found.target is None:
                refuse(call, f"{call.function}() needs as=, or a field and := before it")
            else:
                yield _setter(found.target, found.value)


def _extraction(context: Context, field: str, pattern: Pattern, *, strict: bool) -> Op:
    """A regular expression as a step: it filters unless strict=false, and its named groups become fields."""
    if not pattern.fields:
        test = search_test(context, field, pattern)
        return Op(test) if strict else Op(lambda _: True, filters=False)

    def run(row: Row) -> bool:
        value = row.get(field)
        found = None if value is None else pattern.search(context, text(value))
        if found is None:
            return not strict
        fill(context, pattern, found, row)
        return True

    return Op(run, mutates=True, filters=strict)


def _pairs(call: tree.Call, bound: tree.Field | None) -> list[tuple[str, str]]:
    """Old and new names: `rename(field=a, as=b)` or `rename([[a, b], [c, d]])`."""
    arguments = Arguments(call, "field as", bound)
    if "as" in arguments:
        return [(arguments.field("field"), arguments.field("as"))]
    node = arguments.node("field")
    pairs = []
    for item in node.items if isinstance(node, tree.Array) else ():
        names = (
            [part.value for part in item.items if isinstance(part, tree.Bare | tree.Quoted)]
            if isinstance(item, tree.Array)
            else []
        )
        if len(names) != 2:
            refuse(item, "rename() takes pairs of an old and a new name")
        pairs.append((names[0], names[1]))
    if not pairs:
        refuse(call, "rename() needs as=, or a list of pairs")
    return pairs


def _rename(pairs: list[tuple[str, str]]) -> Op:
    """An existing field of the new name is overwritten (data-analysis/functions-rename.html)."""

    def run(row: Row) -> bool:
        for old, new in pairs:
            if old in row:
                row[new] = row.pop(old)
        return True

    return Op(run, mutates=True, filters=False)


def _drop(names: list[str]) -> Op:
    """These fields go (data-analysis/functions-drop.html)."""

    def run(row: Row) -> bool:
        for name in names:
            row.pop(name, None)
        return True

    return Op(run, mutates=True, filters=False)


def _select(names: frozenset[str]) -> Op:
    """Only these fields stay (data-analysis/functions-select.html)."""

    def run(row: Row) -> bool:
        for name in [name for name in row if name not in names]:
            del row[name]
        return True

    return Op(run, mutates=True, filters=False)


def _default(arguments: Arguments) -> Op:
    """A value for fields that are missing, with replaceEmpty for empty ones (data-analysis/functions-default.html)."""
    fields, value = arguments.fields("field"), arguments.text("value")
    replace_empty = arguments.flag("replaceEmpty", default=False)

    def run(row: Row) -> bool:
        for field in fields:
            if field not in row or (replace_empty and row[field] == ""):
                row[field] = value
        return True

    return Op(run, mutates=True, filters=False)
