"""The measures of a group, as functions of CQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.expressions import NULL, Call, Case, Column, Expression, columns
from polysigma.plan.steps import TIME_COLUMN, Measure
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .logscale_filters import field_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .logscale_values import Values


_SIMPLE = {"sum": "sum", "min": "min", "max": "max", "avg": "avg", "stdev": "stdDev"}


class Measures:
    """Prints measures for one query.

    `types` are those of its fields at each step, `labels` the columns that say for people what a hit is about, and
    `may_be_empty` tells whether a value may be an empty text.
    """

    def __init__(
        self, types: Mapping[str, Type], values: Values, labels: set[str], may_be_empty: Callable[[Expression], bool]
    ) -> None:
        self.types = types
        self.values = values
        self.labels = labels
        self.may_be_empty = may_be_empty

    def printed(self, measures: tuple[Measure, ...], taken: set[str]) -> tuple[list[str], list[str], list[str]]:
        """The steps before a group, its functions, and the renames after it. `taken` are fields that it keeps."""
        before: list[str] = []
        functions: list[str] = []
        renames: list[str] = []
        for measure in measures:
            function, output = self._measure(measure, before, taken)
            functions.append(function)
            if output != measure.name:
                renames.append(f"rename(field={field_name(output)}, as={field_name(measure.name)})")
            taken.add(output)
        return before, functions, renames

    def _measure(self, measure: Measure, before: list[str], taken: set[str]) -> tuple[str, str]:
        """A measure's function, and the field that it leaves; steps that must come first go to `before`."""
        name = field_name(measure.name)
        function, source = measure.function, None
        if measure.value is not None:
            source = self._source_field(measure, before, taken)
        match function:
            case "count":
                return f"count(as={name})", measure.name
            case "count_if":
                assert measure.condition is not None
                field, steps = self.values.temporary(measure.condition)
                before += steps
                return f"sum({field}, as={name})", measure.name
            case "distinct" | "distinct_if":
                assert source is not None
                return f"count({source}, distinct=true, as={name})", measure.name
            case "sum" | "min" | "max" | "avg" | "stdev":
                return f"{_SIMPLE[function]}({source}, as={name})", measure.name
            case "median" | "percentile":
                percent = 50 if function == "median" else measure.constant
                return f"percentile({source}, percentiles=[{percent}], as={name})", f"{measure.name}_{percent}"
            case "collect" | "any_value" | "first" | "last":
                assert source is not None
                if source in taken and source != name:
                    # These functions have no `as`: two of them over one field would overwrite each other.
                    before.append(f"{name} := {source}")
                    source = name
                if function in {"first", "last"}:
                    # The first event that has a value, not the first event: the others get no time to be chosen by.
                    time = self._time_of(source, before)
                    select = "selectFromMin" if function == "first" else "selectFromMax"
                    return f"{select}({time}, include=[{source}])", _unquoted(source)
                if function == "collect":
                    # Without the plan's limit, which is for display: past it LogScale warns, and a scheduled search
                    # that warns does not fire (documentation of collect, and of scheduled searches).
                    return f"collect([{source}])", _unquoted(source)
                return f"selectLast([{source}])", _unquoted(source)
            case _:
                raise unsupported(RefusalCode.STEP, f"the measure {function} has no counterpart in LogScale")

    def _time_of(self, source: str, before: list[str]) -> str:
        """A new field with the event's time, for events that have a value in a field."""
        self.values.temporaries += 1
        time = f"_t{self.values.temporaries}"
        before.append(f'case {{\n    ({source}=* and {source}!="") | {time} := {TIME_COLUMN};\n    *;\n  }}')
        return time

    def _source_field(self, measure: Measure, before: list[str], taken: set[str]) -> str:
        """The field that a measure reads; a new one, set by steps before, where it is no field or can be empty text.

        An empty text is missing, but a value to these functions, which coalesce() makes null of it for. Numbers are
        left alone: no source read shows an event with an empty text for one.
        """
        assert measure.value is not None
        value: Expression = measure.value
        if self._counts_empty(measure):
            value = value if isinstance(value, Call) and value.name == "coalesce" else Call("coalesce", (value,))
        if measure.condition is not None:
            value = Case(((measure.condition, value),), NULL)
        if isinstance(value, Column):
            return field_name(value.name)
        if measure.function in {"collect", "any_value"} and not {measure.name} & {*self.types, *taken}:
            # These functions name their result as the field.
            before += self.values.assign(measure.name, value)
            return field_name(measure.name)
        field, steps = self.values.temporary(value)
        before += steps
        return field

    def _counts_empty(self, measure: Measure) -> bool:
        """Whether a measure would take an empty text for a value. What is only a host's label may be none."""
        from polysigma.plan.typing import Scope, infer

        value = measure.value
        if value is None or measure.function not in {"distinct", "distinct_if", "collect", "any_value"}:
            return False
        if measure.function == "any_value" and measure.name in self.labels:
            return False
        if not set(columns(value)) <= self.types.keys():
            return False
        return infer(value, Scope(self.types, {})).type in {Type.TEXT, Type.ADDRESS} and self.may_be_empty(value)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('\\"', '"').replace("\\\\", "\\") if name.startswith('"') else name
