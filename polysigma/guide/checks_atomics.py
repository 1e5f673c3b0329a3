"""Whether the tests of a detection can fire at all, and whether the guide speaks of each."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from polysigma.guide.exclusions import base_rules
from polysigma.guide.places import in_text
from polysigma.plan.typing import near

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polysigma.diagnostics import Diagnostic
    from polysigma.guide.files import Package

_ADDRESS = re.compile(r"(?<![\w.:/])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?![\w.:/*])")
_LOCAL_NAME = re.compile(r"\blocalhost\b", re.IGNORECASE)
_NEGATED = re.compile(r"\bnot\s+(\w+)")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_atomics(package: Package) -> Iterator[Diagnostic]:
    """Tests that shoot at addresses which the rule leaves out, tests without words, and words without a test."""
    excluded = list(excluded_networks(package))
    for one in package.atomics:
        for index, test in enumerate(one.model.atomic_tests):
            path = ("atomic_tests", index)
            for name, argument in test.input_arguments.items():
                place = (*path, "input_arguments", name, "default")
                for address, network in _hit(str(argument.default), excluded):
                    message = f"the rule leaves {address} out ({network}): this test cannot be found"
                    hint = "a public address of the tester's own; 203.0.113.10 stands for one"
                    yield from one.document.error("test-cannot-hit", message, *place, hint=hint).findings
            for address, network in _hit(test.executor.command, excluded):
                message = f"the rule leaves {address} out ({network}): this test cannot be found"
                hint = "let the tester name the address, in an input argument"
                command = test.executor.command
                where = (*path, "executor", "command")
                at = command.lower().find(address if address in command else "localhost")
                yield in_text(one.document, "test-cannot-hit", message, where, command, at, hint)
    yield from _mentioned(package)


def excluded_networks(package: Package) -> Iterator[Network]:
    """The networks of destinations that the base rules leave out: selections that their condition negates."""
    for rule in base_rules(package):
        detection: Mapping[str, Any] = rule["detection"] if isinstance(rule.get("detection"), dict) else {}
        for name in _NEGATED.findall(str(detection.get("condition", ""))):
            selection = detection.get(name)
            for part in selection if isinstance(selection, list) else [selection]:
                for key, values in part.items() if isinstance(part, dict) else ():
                    if key.partition("|")[0] == "DestinationIp" and "cidr" in key:
                        yield from _networks(values if isinstance(values, list) else [values])


def _networks(values: list[Any]) -> Iterator[Network]:
    for value in values:
        try:
            yield ipaddress.ip_network(str(value), strict=False)
        except ValueError:
            continue  # pySigma says that it is no network


def _hit(text: str, networks: list[Network]) -> Iterator[tuple[str, Network]]:
    """The addresses in a text that lie in one of the networks."""
    found = [*_ADDRESS.findall(text), *("127.0.0.1" for _ in _LOCAL_NAME.findall(text))]
    for word in dict.fromkeys(found):
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            continue
        network = next((one for one in networks if address.version == one.version and address in one), None)
        if network is not None:
            yield word, network


def _mentioned(package: Package) -> Iterator[Diagnostic]:
    ours = {
        (one.model.attack_technique, test.name): test.input_arguments
        for one in package.atomics
        for test in one.model.atomic_tests
    }
    named = {(test.technique, test.name) for test in package.guide.tests if test.guid is None}
    for index, test in enumerate(package.guide.tests):
        path = ("tests", index)
        if test.guid is None and (test.technique, test.name) not in ours:
            names = {name: None for technique, name in ours if technique == test.technique}
            message = f"there is no test {test.name!r} of {test.technique} in atomics/"
            hint = near(test.name, names) if names else "a test of Atomic Red Team's own needs its guid"
            yield from package.document.error("missing-test", message, *path, "name", hint=hint).findings
            continue
        arguments = ours.get((test.technique, test.name), {})
        for platform, signal in test.expected.items():
            for column, value in signal.values.items():
                for argument in re.findall(r"#{(.*?)}", str(value)) if test.guid is None else ():
                    if argument not in arguments:
                        message = f"the test has no argument {argument!r}"
                        place = (*path, "expected", platform, "values", column)
                        hint = near(argument, arguments)
                        yield from package.document.error("missing-argument", message, *place, hint=hint).findings
    for one in package.atomics:
        for index, atomic in enumerate(one.model.atomic_tests):
            if (one.model.attack_technique, atomic.name) not in named:
                message = f"the guide does not say what the test {atomic.name!r} leaves behind"
                hint = "tests: - technique, name, hits, expected"
                error = one.document.error("test-without-words", message, "atomic_tests", index, "name", hint=hint)
                yield from error.findings
