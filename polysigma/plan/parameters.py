"""Values of a rule's parameters: the rule's own, or a site's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from polysigma.plan.faults import Fault, Place, PlanError
from polysigma.plan.typing import near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.plan.expressions import Scalar
    from polysigma.plan.metadata import ParameterModel, ParameterValue


MAX_NUMBER = 2**53


def bind(
    parameters: Mapping[str, ParameterModel], overrides: Mapping[str, ParameterValue] | None = None
) -> dict[str, Scalar | tuple[Scalar, ...]]:
    """The value of every parameter, overrides first.

    An override is of the default's type, or text that reads as it (`"40"`, and `"6667,1080"` or `"[6667, 1080]"` for a
    list), since command lines know text only. Raises PlanError for an unknown name or a value of another type.
    """
    bound: dict[str, Scalar | tuple[Scalar, ...]] = {}
    faults = []
    overrides = dict(overrides or {})
    for name, parameter in parameters.items():
        place = Place(("parameters", name, "value"))
        value = parameter.value
        if name in overrides:
            try:
                value = _like(value, overrides.pop(name))
            except ValueError as error:
                faults.append(
                    Fault("parameter-type", f"{name}: {error}", f"the rule has {_shown(parameter.value)}", place)
                )
                continue
        bound[name] = tuple(value) if isinstance(value, list) else value
        if value == []:
            hint = "name a value; one that no event has (0 as a port, none as a program) switches the list off"
            faults.append(Fault("parameter-type", f"{name}: an empty list matches nothing", hint, place))
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int | float) and not abs(item) <= MAX_NUMBER:
                message = f"{name}: {item!r} is no number that every language holds exactly"
                faults.append(Fault("parameter-type", message, f"at most {MAX_NUMBER}", place))
    for name in overrides:
        faults.append(Fault("unknown-parameter", f"there is no parameter {name!r}", near(name, parameters)))
    if faults:
        raise PlanError(*faults)
    return bound


def _shown(value: ParameterValue) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _like(default: ParameterValue, value: ParameterValue) -> ParameterValue:
    if isinstance(default, list):
        items = value if isinstance(value, list) else _items(str(value))
        first = default[0] if default else ""
        done = [_like(first, item) for item in items if item != ""]
        return [item for item in done if not isinstance(item, list)]
    if isinstance(value, list):
        raise ValueError("takes one value, not a list")
    if isinstance(default, bool):
        return _boolean(value)
    if isinstance(default, int | float):
        return _number(default, value)
    if not isinstance(value, str):
        raise ValueError(f"takes text, not {value!r}")
    if not value:
        raise ValueError("takes text, and none was given")
    return value


def _items(text: str) -> list[Scalar]:
    """The items of a list that was given as text: `a, b`, or as YAML and JSON write it, `[a, b]` and `["a,b"]`."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return [part.strip() for part in text.split(",")]
    try:
        found = json.loads(text)
    except ValueError:
        return [_unquoted(part.strip()) for part in text[1:-1].split(",")]
    if any(isinstance(item, list | dict) or item is None for item in found):
        raise ValueError(f"takes a list of values, not {text}")
    return list(found)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _boolean(value: Scalar) -> bool:
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise ValueError(f"takes true or false, not {value!r}")


def _number(default: float, value: Scalar) -> int | float:
    if isinstance(value, bool):
        raise ValueError(f"takes a number, not {value!r}")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"takes a number, not {value!r}") from None
    if not abs(number) <= MAX_NUMBER:
        raise ValueError(f"{value!r} is out of range")
    if number.is_integer():
        return int(number)
    if isinstance(default, int):
        raise ValueError(f"takes a whole number, not {value!r}")
    return number
