"""How a pipeline names a field that a detection does not test: the keys and measures of a correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigma.exceptions import SigmaTransformationError
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaDetections, SigmaLogSource, SigmaRule
from sigma.types import SigmaExists, SigmaString

from sigma.pipelines.polysigma.items import ItemTranslator
from sigma.pipelines.polysigma.requirements import required_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sigma.processing.pipeline import ProcessingPipeline

    from polysigma.platform import Platform, Scope


class FieldProbe:
    """Asks a pipeline how it names fields in events of one base rule.

    Make it before the rule is converted, as conversion changes the rule. It only runs the pipeline over rules of its
    own, so it serves any pySigma pipeline; the pipeline's state is that of the last probe afterwards.
    """

    def __init__(self, pipeline: ProcessingPipeline, rule: SigmaRule) -> None:
        from polysigma.claims import Logsource
        from polysigma.platform import PIPELINE_VARIABLE

        self.pipeline = pipeline
        self.logsource = rule.logsource
        self.required: Mapping[str, str] = {}
        claims: Platform | None = pipeline.vars.get(PIPELINE_VARIABLE)
        if claims is not None:
            source = Logsource(
                category=self.logsource.category, product=self.logsource.product, service=self.logsource.service
            )
            category = claims.category_for(source)
            if category is not None:
                asked = {field for variant in category.variants for field in variant.requires}
                self.required = required_values(rule, asked)

    def name(self, field: str) -> str:
        """The one column that holds `field`. Raises SigmaError where the pipeline refuses it or names several."""
        return mapped_field(self.pipeline, self.logsource, field, self.required)


def mapped_field(
    pipeline: ProcessingPipeline, logsource: SigmaLogSource, field: str, required: Mapping[str, str] | None = None
) -> str:
    """How `pipeline` names `field` in events of a log source.

    `required` gives values that every event of the rule has (see FieldProbe, which finds them). Raises SigmaError
    where the pipeline refuses the field, drops it, or maps it to several columns.
    """
    items = [
        SigmaDetectionItem(name, [], [SigmaString(value)]) for name, value in (required or {}).items() if name != field
    ]
    items.append(SigmaDetectionItem(field, [], [SigmaExists(exists=True)]))
    probe = SigmaRule(
        title=f"How {field} is named",
        logsource=logsource,
        detection=SigmaDetections({"probe": SigmaDetection([*items])}, ["probe"]),
        # Twice, so that the columns of the field can be told from fields that a pipeline adds at the end.
        fields=[field, field],
    )
    pipeline.apply(probe)
    _refuse_without_column(pipeline, probe, field)
    names = probe.fields
    for count in range(1, len(names) // 2 + 1):
        if names[:count] == names[count : 2 * count]:
            names = names[:count]
            break
    if len(names) != 1:
        found = f"several columns: {', '.join(names)}" if names else "no column"
        raise SigmaTransformationError(f"the pipeline maps the field {field} to {found}")
    return names[0]


def _refuse_without_column(pipeline: ProcessingPipeline, probe: SigmaRule, field: str) -> None:
    """Our own pipelines leave a name as it is where other columns tell its value; as a key that is an error."""
    from polysigma.platform import PIPELINE_VARIABLE, SCOPE_STATE

    scope: Scope | None = pipeline.state.get(SCOPE_STATE)
    claims: Platform | None = pipeline.vars.get(PIPELINE_VARIABLE)
    if scope is None or claims is None or field not in scope.used:
        return
    claim = scope.fields[field]
    if claim.name is None:
        raise ItemTranslator(claims, scope, probe, derives=True).no_column(field)
