"""The arguments of a call, read as what its function takes; what is not known or not implemented is refused."""

from __future__ import annotations

from polysigma.cql import tree
from polysigma.cql.functions import function_facts
from polysigma.engines.cql.context import refuse


def function_name(call: tree.Call) -> str:
    """The documented name of a call's function; its case does not count."""
    facts = function_facts(call.function)
    return facts.name if facts else call.function


class Arguments:
    """The arguments of one call. `allowed` are the parameters that the engine implements."""

    def __init__(self, call: tree.Call, allowed: str, bound: tree.Field | None = None) -> None:
        self.call = call
        self.name = function_name(call)
        self.given: dict[str, tree.Value] = {}
        facts = function_facts(call.function)
        if bound is not None:
            self.given["field"] = bound
        for argument in call.arguments:
            name = argument.name or (facts.unnamed if facts else None)
            if name is None or name not in allowed.split():
                refuse(argument, f"{self.name}({argument.name or '...'}) is not implemented")
            if name in self.given:
                refuse(argument, f"{self.name}() gets {name} twice")
            self.given[name] = argument.value

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def node(self, name: str) -> tree.Value:
        """An argument as it stands. Refuses a call without it."""
        if name not in self.given:
            refuse(self.call, f"{self.name}() needs {name}=")
        return self.given[name]

    def field(self, name: str, default: str | None = None) -> str:
        """The name of a field."""
        if name not in self.given and default is not None:
            return default
        return self._field(self.node(name))

    def fields(self, name: str, default: str | None = None) -> list[str]:
        """One name or a list of names."""
        if name not in self.given and default is not None:
            return [default]
        node = self.node(name)
        return [self._field(item) for item in (node.items if isinstance(node, tree.Array) else (node,))]

    def _field(self, node: tree.Value) -> str:
        match node:
            case tree.Field(name=name):
                return name
            case tree.Bare(value=name) | tree.Quoted(value=name):
                return name
            case tree.Number(text=text):
                return text
            case _:
                refuse(node, f"{self.name}() takes the name of a field here")

    def text(self, name: str, default: str | None = None) -> str:
        """A text, a keyword, or a number as it is written."""
        if name not in self.given and default is not None:
            return default
        return self._text(self.node(name))

    def texts(self, name: str, default: str | None = None) -> list[str]:
        """One text or a list of them."""
        if name not in self.given and default is not None:
            return [default]
        node = self.node(name)
        return [self._text(item) for item in (node.items if isinstance(node, tree.Array) else (node,))]

    def _text(self, node: tree.Value) -> str:
        match node:
            case tree.Quoted(value=value) | tree.Bare(value=value):
                return value
            case tree.Number(text=text):
                return text
            case tree.Boolean(value=value):
                return "true" if value else "false"
            case _:
                refuse(node, f"{self.name}() takes a text here")

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.text(name, "true" if default else "false")
        if value not in {"true", "false"}:
            refuse(self.node(name), f"{name} of {self.name}() is true or false")
        return value == "true"

    def keyword(self, name: str, default: str, choices: str) -> str:
        """One of some words."""
        value = self.text(name, default)
        if value not in choices.split():
            refuse(self.node(name), f"{name}={value} of {self.name}() is not implemented")
        return value

    def limit(self, name: str, default: int) -> tuple[int, bool]:
        """A limit, and whether it was written as a number of the author's choice; `max` is the documented maximum."""
        facts = function_facts(self.call.function)
        maximum = facts.parameters[name].maximum if facts and name in facts.parameters else None
        if name not in self.given:
            return default, False
        value = self.text(name)
        if value == "max" and maximum is not None:
            return maximum, False
        if not value.isdigit() or int(value) < 1 or (maximum is not None and int(value) > maximum):
            refuse(self.node(name), f"{name}={value} of {self.name}() is no limit that is documented")
        return int(value), int(value) != maximum
