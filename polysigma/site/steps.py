"""The reference of the step language, made from the code that reads and types it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.plan.functions import COMPARABLE, FUNCTIONS, MEASURES, TEXT_LIKE
from polysigma.plan.metadata import (
    AlertModel,
    GroupModel,
    Metadata,
    ParameterModel,
    PreviousModel,
    ScheduleModel,
    SequenceModel,
    StepModel,
)
from polysigma.plan.parser import KEYWORDS
from polysigma.plan.types import Type
from polysigma.site.markup import Page, code, codes, heading, joined, link, paragraph, section, table, worded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from polysigma.plan.functions import MeasureFunction

_TEXTS = code("'texts'")
PATH = "reference/steps/index.html"
_MODELS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The map", Metadata),
    ("schedule", ScheduleModel),
    ("A parameter", ParameterModel),
    ("A step", StepModel),
    ("group and annotate", GroupModel),
    ("sequence", SequenceModel),
    ("previous", PreviousModel),
    ("alert", AlertModel),
)


def steps_page() -> Page:
    """The page: keys of the map, measures, functions, expressions."""
    return Page(
        "The polysigma map: steps, measures, functions",
        "Every key of the map, every step, every measure and function, with its types and meaning.",
        joined(
            paragraph(
                "Made from the code that reads the map. How to write one: "
                + link("writing a detection", "../../guide/writing-a-detection/")
                + ". The same for editors: "
                + code("polysigma schema")
                + " prints the JSON Schema."
            ),
            section("Keys", "keys", *(_model(title, model) for title, model in _MODELS)),
            section(
                "Measures",
                "measures",
                paragraph(
                    f"Of the rows of a group, in {code('group')}, {code('sequence')} and {code('annotate')}. Missing "
                    "values are left out."
                ),
                table(("Measure", "Of", "Gives", "Meaning"), map(_measure, MEASURES.values())),
            ),
            section(
                "Functions",
                "functions",
                paragraph(
                    f"Of one row, in {code('where')}, {code('derive')} and {code('score')}. "
                    f"{code('if(condition, value, other)')} chooses."
                ),
                table(
                    ("Function", "Gives", "Meaning"),
                    (
                        (
                            code(
                                f"{one.name}({', '.join(map(_types, one.arguments))}{', ...' if one.variadic else ''})"
                            ),
                            one.result.value if one.result else "the type of the first",
                            worded(one.meaning),
                        )
                        for one in FUNCTIONS.values()
                    ),
                ),
            ),
            section(
                "Expressions",
                "expressions",
                paragraph(
                    f"Words of the language: {codes(sorted(KEYWORDS))}. Columns by name, numbers, "
                    f"{_TEXTS} in single quotes, {code(':parameters')}; {codes(['+', '-', '*', '/'])}; "
                    f"{codes(['=', '!=', '<', '<=', '>', '>='])}, {code('x in (1, 2)')}, {code('x is null')}."
                ),
                paragraph(
                    "An empty text is missing, and so is a value that is not there. A comparison with something "
                    f"missing is false, and {code('not')} of it is true. Text is compared without regard to case. "
                    f"{code('a / b')} is never rounded, and missing where {code('b')} is 0."
                ),
                paragraph(f"Types: {codes(one.value for one in Type)}."),
            ),
        ),
        words="steps measures functions bucket group annotate previous where derive score select sort take sequence",
        kind="reference",
    )


def _model(title: str, model: type[BaseModel]) -> str:
    properties: dict[str, Any] = model.model_json_schema(by_alias=True)["properties"]
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    rows = (
        (code(key), worded(what.get("description", "")) + (" Required." if key in required else ""))
        for key, what in properties.items()
    )
    anchor = f"keys-{title.lower().replace(' ', '-')}"
    return joined(heading(3, title, anchor), paragraph(worded(model.__doc__ or "")), table(("Key", "Meaning"), rows))


def _measure(one: MeasureFunction) -> tuple[str, str, str, str]:
    arguments = [*(["x"] if one.argument else []), *(["condition"] if one.conditional else [])]
    arguments += [one.constant] if one.constant else []
    gives = one.result.value if one.result else "the type of x"
    return (
        code(f"{one.name}({', '.join(arguments)})"),
        _types(one.argument) if one.argument else "",
        gives,
        worded(one.meaning),
    )


def _types(types: Iterable[Type]) -> str:
    """A set of types in words, short for those that are common."""
    found = set(types)
    names = {frozenset(COMPARABLE): "any", frozenset(TEXT_LIKE): "text or address"}
    known = names.get(frozenset(found))
    if known:
        return known
    if found >= {Type.INTEGER, Type.REAL}:
        return " or ".join(["number", *sorted(one.value for one in found - {Type.INTEGER, Type.REAL})])
    return " or ".join(sorted(one.value for one in found))
