"""From pySigma rules and correlations to query text: one compiler; the targets are its small subclasses.

pySigma rule -> pipeline -> expression -> plan on the platform's columns -> printer -> text
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from sigma.conversion.base import TextQueryBackend
from sigma.conversion.state import ConversionState
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaBackendError, SigmaError
from sigma.rule import SigmaDetection, SigmaDetections

from polysigma.refusals import RefusalCode

from .errors import unsupported
from .options import Options, read_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigma.collection import SigmaCollection
    from sigma.processing.pipeline import ProcessingPipeline
    from sigma.rule import SigmaRule

    from polysigma.plan.expressions import ListLiteral, Lookup
    from polysigma.platform import Platform

    from .compiler import Compiled
    from .printer import Printer
    from .sources import BaseRule

_EXPRESSION = "polysigma_expression"


def _copied(rule: SigmaRule) -> SigmaRule:
    """The rule with parts of its own where pipelines change it, without the correlations that refer to it."""
    copied = copy.copy(rule)
    detections = {name: _copied_detection(detection) for name, detection in rule.detection.detections.items()}
    copied.detection = SigmaDetections(detections, list(rule.detection.condition), rule.detection.source)
    copied.logsource = copy.copy(rule.logsource)
    copied.fields = list(rule.fields)
    copied.applied_processing_items = set(rule.applied_processing_items)
    return copied


def _copied_detection(detection: SigmaDetection) -> SigmaDetection:
    """What pipelines change in place, copied: items, their fields and lists of values. Values they replace."""
    copied = copy.copy(detection)
    copied.detection_items = []
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            copied.detection_items.append(_copied_detection(item))
            continue
        own = copy.copy(item)
        own.value, own.applied_processing_items = list(item.value), set(item.applied_processing_items)
        copied.detection_items.append(own)
    return copied


def _cut(condition: Any) -> None:
    """Cuts the links from the parts of a parsed condition, and of its rule's detections, to what they are parts of.

    pySigma parses a condition anew for whoever asks. One that is done with is in no circle then, and goes at once,
    where it would stay with its rule, or until the collector of garbage comes by.
    """
    parts = [condition]
    while parts:
        part = parts.pop()
        parts += getattr(part, "args", ())
        while getattr(part, "parent", None) is not None:
            part.parent, part = None, part.parent


def _name(error: SigmaError, rule: SigmaRule) -> None:
    """Puts the rule's name into the message of an error that lacks it: who converts many must know which one it is."""
    message = error.args[0] if error.args else ""
    if isinstance(message, str) and not message.startswith("rule "):
        name = " ".join(str(rule.title or rule.name or rule.id or "without a title").split())
        error.args = (f'rule "{name}": {message}', *error.args[1:])


class PolysigmaBackend(TextQueryBackend):
    """What the four targets share. Converts plain rules and correlations, with or without a `polysigma` map."""

    requires_pipeline: ClassVar[bool] = True
    formats: ClassVar[dict[str, str]] = {"default": "Plain query"}
    correlation_methods: ClassVar[dict[str, str] | None] = {
        "staged": "The steps of the rule's `polysigma` map; the plain Sigma correlation where it has none",
        "portable": "The plain Sigma correlation, without the `polysigma` map",
    }
    default_correlation_method: ClassVar[str] = "staged"
    dialects: ClassVar[tuple[str, ...]] = ()
    takes_index_macro: ClassVar[bool] = False
    """Whether its option `index_macro` names the macro that says where events are."""

    def __init__(
        self,
        processing_pipeline: ProcessingPipeline | None = None,
        collect_errors: bool = False,  # noqa: FBT001, FBT002 (pySigma's signature)
        **backend_options: Any,
    ) -> None:
        self.options: Options = read_options(backend_options, dialects=self.dialects, macro=self.takes_index_macro)
        super().__init__(processing_pipeline, collect_errors)
        self._untouched: dict[int, SigmaRule] = {}
        """Rules as they were before a pipeline changed them, where a correlation may want them read otherwise."""
        self.compiled: dict[int, list[Compiled]] | None = None
        """For whoever puts a dict here before converting: what became of each rule, by the rule's identity
        (`id(rule)`), one for each condition. The plans of thousands of rules take memory, and pySigma asks for none."""
        self.filtered: dict[str, tuple[str, ...]] = {}
        """What there is to say of the filters on a base rule, by the rule's name."""
        self.lookups: dict[str, tuple[str, ...]] = {}
        """What the filters name and a site uploads, by name."""

    def printer(self) -> Printer:
        """The language's printer."""
        raise NotImplementedError

    def init_processing_pipeline(self, output_format: str | None = None) -> None:
        """As pySigma's; and tells our pipelines that event filters and derived columns are printed here."""
        from polysigma.platform import BACKEND_VARIABLE

        super().init_processing_pipeline(output_format)
        self.last_processing_pipeline.vars[BACKEND_VARIABLE] = self.identifier

    identifier: ClassVar[str] = "polysigma"

    def convert(
        self,
        rule_collection: SigmaCollection,
        output_format: str | None = None,
        correlation_method: str | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> Any:
        """As pySigma's, once the overrides of parameters are known to be meant for rules that are here."""
        from .filtered import applied_filters, lookups_in

        self._check_overrides(rule_collection)
        self.filtered = applied_filters(rule_collection)
        self.lookups = lookups_in(rule_collection)
        if self.compiled is not None:
            self.compiled.clear()
        self._untouched.clear()
        return super().convert(rule_collection, output_format, correlation_method, callback)

    def convert_rule(
        self, rule: SigmaRule, output_format: str | None = None, callback: Callable[..., Any] | None = None
    ) -> list[Any]:
        """As pySigma's; a rule that correlations refer to is kept as it was, too."""
        if rule._backreferences:  # noqa: SLF001 (pySigma has no public name for it)
            self._untouched[id(rule)] = _copied(rule)
        before = len(self.errors)
        try:
            return super().convert_rule(rule, output_format, callback)
        except SigmaError as error:
            _name(error, rule)
            raise
        finally:
            for _, collected in self.errors[before:]:
                _name(collected, rule)
                # A traceback holds on to everything that was at hand when the error was raised.
                collected.with_traceback(None)
                collected.__context__ = collected.__cause__ = None

    def convert_condition(self, cond: Any, state: ConversionState) -> Any:
        """The condition as an expression, kept in the state for correlations; text is made when it is finished."""
        from polysigma.plan.types import Type

        from .absent import folded, losses
        from .conditions import expression_of
        from .sources import column_types, scope_filter

        if cond is None:
            raise unsupported(RefusalCode.EMPTY_CONDITION, "the condition is empty: the pipeline dropped all of it")
        platform, scope = self._claims()
        types = column_types(platform, scope.tables)

        def type_of(column: str) -> Type:
            return types.get(column, Type.TEXT)

        expression = expression_of(cond, type_of, platform.raw, self._choices(platform))
        expression = folded(expression, cond, scope, scope_filter(scope, types))
        lost = losses(cond, scope)
        if lost:
            scope = replace(scope, notes=tuple(dict.fromkeys((*scope.notes, *lost))))
        kept = cast("dict[str, Any]", state.processing_state)
        kept[_EXPRESSION] = (expression, platform, scope)
        _cut(cond)
        return expression

    def _choices(self, platform: Platform) -> dict[str, Lookup | ListLiteral]:
        """What stands for the placeholder of each lookup: its name, or its values where queries cannot read any."""
        from polysigma.plan.expressions import ListLiteral, Lookup

        return {
            name: Lookup(name, items) if platform.lookups else ListLiteral(items)
            for name, items in self.lookups.items()
        }

    def finish_query(self, rule: SigmaRule | SigmaCorrelationRule, query: Any, state: ConversionState) -> Any:
        """The query's text; nothing for a rule that only a correlation asks for, which may be all that can be said."""
        if isinstance(rule, SigmaCorrelationRule):
            return query
        if rule._backreferences and not rule._output:  # noqa: SLF001 (pySigma has no public name for it)
            return ""
        base = self._base_rule(rule, state)
        if not rule._backreferences:  # noqa: SLF001
            cast("dict[str, Any]", state.processing_state).pop(_EXPRESSION)  # pySigma keeps the state with the rule
        return self._print(rule, base, None)

    def convert_correlation_rule(
        self,
        rule: SigmaCorrelationRule,
        output_format: str | None = None,
        method: str | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> list[Any]:
        """The correlation's query, in a list; an empty list where only another correlation asks for it.

        The pipeline is not applied to the correlation: names are mapped where the plan is lowered, which also works
        where a pipeline changes the log source.
        """
        method = method or self.default_correlation_method
        output_format = output_format or self.default_format
        try:
            if self.correlation_methods is None or method not in self.correlation_methods:
                raise SigmaBackendError(f"there is no correlation method {method!r}")
            state = ConversionState()
            query = self._print(rule, None, method) if rule._output else None  # noqa: SLF001
            if callback is not None:
                query = callback(rule, output_format, 0, query, query)
            queries = [] if query is None else [self.finalize_query(rule, query, 0, state, output_format)]
            rule.set_conversion_result(queries)
            rule.set_conversion_states([state])
        except SigmaError as error:
            if not self.collect_errors:
                raise
            self.errors.append((rule, error))  # type: ignore[arg-type]
            return []
        return queries

    def finalize_query(
        self,
        rule: Any,
        query: Any,
        index: int,  # noqa: ARG002 (pySigma's signature)
        state: ConversionState,  # noqa: ARG002
        output_format: str,
    ) -> Any:
        """The text as it is, but for a postprocessing that the user's own pipeline asks for."""
        if output_format not in self.formats:
            raise SigmaBackendError(f"there is no output format {output_format!r}; known: {', '.join(self.formats)}")
        return self.last_processing_pipeline.postprocess_query(rule, query)

    def base_rules(self, rule: SigmaRule, *, counting: bool = False) -> list[BaseRule]:
        """A converted base rule's conditions on the platform's columns, one for each condition.

        `counting` reads the rule by the claims that hold where events are counted.
        """
        states = self._counting_states(rule) if counting else rule.get_conversion_states()
        return [self._base_rule(rule, state) for state in states]

    def _counting_states(self, rule: SigmaRule) -> list[ConversionState]:
        """The rule converted once more, from what it was before."""
        from polysigma.platform import COUNTING_VARIABLE

        pipeline, again = self.last_processing_pipeline, _copied(self._untouched[id(rule)])
        pipeline.vars[COUNTING_VARIABLE] = True
        try:
            pipeline.apply(again)
        finally:
            del pipeline.vars[COUNTING_VARIABLE]
        states = []
        for condition in again.detection.parsed_condition:
            state = ConversionState(processing_state=dict(pipeline.state))
            self.convert_condition(condition.parsed, state)
            states.append(state)
        return states

    def _base_rule(self, rule: SigmaRule, state: ConversionState) -> BaseRule:
        from .sources import BaseRule

        expression, platform, scope = state.processing_state[_EXPRESSION]
        return BaseRule(rule.name or str(rule.id or rule.title), expression, platform, scope)

    def _print(self, rule: SigmaRule | SigmaCorrelationRule, base: BaseRule | None, method: str | None) -> str:
        from .compiler import Compiler

        compiler = Compiler(self)
        compiled = compiler.plain(rule, base) if base is not None else compiler.correlation(rule, method)  # type: ignore[arg-type]
        if self.compiled is not None:
            self.compiled.setdefault(id(rule), []).append(compiled)
        return compiled.query

    def _claims(self) -> Any:
        from polysigma.platform import PIPELINE_VARIABLE, SCOPE_STATE

        pipeline = self.last_processing_pipeline
        platform, scope = pipeline.vars.get(PIPELINE_VARIABLE), pipeline.state.get(SCOPE_STATE)
        if platform is None or scope is None:
            raise unsupported(
                RefusalCode.NO_PIPELINE,
                "no pipeline of Polysigma's took part, so neither event filter nor schema is known: "
                f"add one of ours (sigma list pipelines), such as -p {self.example_pipeline}",
            )
        if self.identifier not in platform.targets:
            raise unsupported(
                RefusalCode.WRONG_TARGET,
                f"the pipeline {platform.id} serves {' and '.join(platform.targets)}, not {self.identifier}",
            )
        return platform, scope

    example_pipeline: ClassVar[str] = "falcon"

    def _check_overrides(self, collection: SigmaCollection) -> None:
        """An override must be meant for a rule that is here, and a bare name for one rule only."""
        if not self.options.overrides:
            return
        from .canonical import parameters_of

        parameters = {rule.name or str(rule.id): parameters_of(rule) for rule in collection.rules}
        for rule_name, settings in self.options.overrides.items():
            for name in settings:
                owners = [owner for owner, names in parameters.items() if name in names and rule_name in {"", owner}]
                wanted = f"{rule_name}.{name}" if rule_name else name
                if not owners:
                    raise SigmaBackendError(f"set={wanted}: no rule here has this parameter")
                if len(owners) > 1:
                    raise SigmaBackendError(f"set={wanted}: several rules have it ({', '.join(owners)}); name the rule")
