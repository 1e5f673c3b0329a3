"""From a detection item on a Sigma field to one, or several, on a platform's columns that mean the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from sigma.conditions import ConditionAND, ConditionOR
from sigma.rule import SigmaDetection, SigmaDetectionItem
from sigma.types import (
    SigmaBool,
    SigmaCasedString,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaType,
)

from sigma.pipelines.polysigma.item_values import (
    between_wildcards,
    distinct,
    is_any,
    is_empty_or_any,
    is_part_of_time,
    missing,
    shown,
)
from sigma.pipelines.polysigma.paths import (
    NetworkPathError,
    NoValueError,
    UnsayableValueError,
    base_name,
    device_path,
    in_name,
    is_below_drive,
)
from sigma.pipelines.polysigma.refusals import PlatformRefusalError
from sigma.pipelines.polysigma.registry import NotRecordedDataError, registry_data, registry_path

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.exceptions import SigmaRuleLocation
    from sigma.rule import SigmaRule

    from polysigma.claims import Event, FieldClaim
    from polysigma.fidelity import Loss
    from polysigma.platform import Absence, Platform, Scope

_HASH_LENGTHS = {"MD5": 32, "SHA1": 40, "SHA256": 64, "IMPHASH": 32}
_NO_DRIVE = "the platform records the volume's device, not its drive letter: a path on one drive is met on any drive"

_NO_PATTERN = "only text with wildcards can be translated"
_NO_TEXT = f"{_NO_PATTERN}, and regular expressions that begin with a backslash and the name of a folder or file"
_ALL_DEVICES = (
    "the platform records the volume's device in every path: a path on a device is met also where it has a drive letter"
)
_PLACEHOLDERS = "a pipeline with value_placeholders before this one"
_FOLDERS = (
    "only the file's name of {name} is recorded, so text that may stand anywhere in the path is looked for in the name "
    "alone: where it is in a folder's name a test fails that would hold, and an exclusion does not apply"
)


_BARE = (
    "only the file's name of {name} is recorded, so a program that has no path (System) cannot be told from one of "
    "that name in a folder"
)


class ItemTranslator:
    """Translates the detection items of one rule.

    `used` gathers the Sigma fields that it meets, `notes` the losses that their values bring, `absences` why tests are
    made as if no event held a field.
    """

    def __init__(
        self, platform: Platform, scope: Scope, rule: SigmaRule | SigmaCorrelationRule, *, derives: bool
    ) -> None:
        self.platform = platform
        self.scope = scope
        self.rule = rule
        self.derives = derives
        self.used: set[str] = set()
        self.notes: list[Loss] = []
        self.absences: dict[str, Absence] = {}

    def translate(self, item: SigmaDetectionItem) -> SigmaDetectionItem | SigmaDetection:
        """What stands for `item` on the platform. Raises PlatformRefusalError where nothing can."""
        name = item.field
        assert name is not None
        claim = self.scope.fields.get(name)
        if self._is_part_of_event_time(name, claim, item):
            return self._of_event_time(item)
        if self.derives and claim is not None and claim.absent and claim.refused:
            return self._without_field(item, name, claim)
        claim = self._claim(name)
        self.used.add(name)
        groups = [self._group(name, claim, value) for value in item.value]
        columns = {column for group in groups for column, _ in group.tests}
        whole = claim.choices is None and claim.hashes is None and all(len(group.tests) == 1 for group in groups)
        if len(columns) != 1 or not whole or any(len(group.tests[0][1]) > 1 for group in groups):
            return _joined(item, groups)
        (item.field,) = columns
        item.value = distinct([value for group in groups for value in group.tests[0][1]])
        item.disable_conversion_to_plain()
        return item

    def _group(self, name: str, claim: FieldClaim, value: SigmaType) -> _Group:
        """What one value of an item comes to."""
        try:
            if claim.choices is not None:
                return _Group(self._chosen(name, claim.choices, value, claim.reason), all_of=True)
            if claim.hashes is not None:
                return _Group(self._hash(name, claim.hashes, value), all_of=True)
            columns, values = self.columns(name, claim), self._value(name, claim, value)
        except PlatformRefusalError as error:
            unknown = isinstance(value, SigmaString) and value.contains_placeholder()
            if unknown or not (claim.absent and self.derives and error.code in {"not-recorded", "path-not-recorded"}):
                raise
            part = in_name(value) if claim.form == "base_name" and claim.column else None
            if claim.column and part is not None:
                self._note(_FOLDERS.format(name=name))
                return _Group([(claim.column, [part])], all_of=True)
            key = self._absence(absence_of(name, error.code, error.reason, error.hint, values=True))
            return _Group([(key, [value])], all_of=True)
        return _Group([(column, values) for column in columns], all_of=missing(value))

    def _is_part_of_event_time(self, name: str, claim: FieldClaim | None, item: SigmaDetectionItem) -> bool:
        """Whether an item asks for the hour or another part of the time of the event, which each platform has, though
        seldom as a column that a rule could name."""
        from polysigma.plan.steps import TIME_COLUMN

        if name != TIME_COLUMN and (name != "UtcTime" or claim is None or claim.absent):
            return False
        return self.derives and bool(item.value) and all(map(is_part_of_time, item.value))

    def _of_event_time(self, item: SigmaDetectionItem) -> SigmaDetectionItem:
        from polysigma.plan.steps import TIME_COLUMN

        if self.scope.time.loss is not None:
            self.notes.append(self.scope.time.loss)
        item.field = TIME_COLUMN
        item.disable_conversion_to_plain()
        return item

    def _without_field(self, item: SigmaDetectionItem, name: str, claim: FieldClaim) -> SigmaDetectionItem:
        """The item under a name by which the backend knows that no event holds the field. It is never dropped: an
        empty condition, or a `not` without its item, would mean something else."""
        self.used.add(name)
        item.field = self._absence(absence_of(name, str(claim.refused), str(claim.reason), claim.hint, values=False))
        item.disable_conversion_to_plain()
        return item

    def _absence(self, absence: Absence) -> str:
        """The name under which the backend finds the reason."""
        from polysigma.platform import ABSENT_PREFIX

        for key, known in self.absences.items():
            if known == absence:
                return key
        key = f"{ABSENT_PREFIX}{absence.field} {len(self.absences)}"
        self.absences[key] = absence
        return key

    def columns(self, name: str, claim: FieldClaim) -> tuple[str, ...]:
        """The columns that hold a field, at most one of them at a time. Raises PlatformRefusalError for none."""
        if claim.inside:
            return (claim.inside.column,)
        if claim.derived and not self.derives:
            if claim.recorded:
                return claim.recorded
            reason = f"it takes the derived column {claim.derived}, which this backend does not compute"
            raise self._refusal(name, "not-comparable", reason, "one of Polysigma's own targets")
        if claim.name is None:
            raise self.no_column(name)
        return (claim.name,)

    def no_column(self, name: str) -> PlatformRefusalError:
        """The error for a field that is used by name where no one column holds it."""
        claim = self._claim(name)
        why = "other columns tell its value" if claim.choices else "its parts, or what it is part of, are columns"
        return self._refusal(name, "not-comparable", f"no column holds it by itself: {why}", "another field")

    def _claim(self, name: str) -> FieldClaim:
        claim = self.scope.fields.get(name)
        if claim is None:
            close = get_close_matches(name, self.scope.fields, n=2, cutoff=0.75)
            reason = f"no claim is made about a field of that name in {self.scope.category}"
            raise self._refusal(name, "unknown-field", reason, " or ".join(close) or None)
        if claim.refused:
            raise self._refusal(name, claim.refused, f"{claim.reason} ({claim.source})", claim.hint)
        return claim

    def _refusal(self, name: str, code: str, reason: str, hint: str | None) -> PlatformRefusalError:
        what = f"{self.platform.id} cannot answer the field {name}"
        return PlatformRefusalError.of(self.rule, what, code, reason, hint=hint, field=name)

    def _bad_value(
        self, name: str, value: SigmaType, reason: str, hint: str | None, code: str = "not-comparable"
    ) -> NoReturn:
        what = f"{self.platform.id} cannot answer the value {shown(value)} of {name}"
        raise PlatformRefusalError.of(self.rule, what, code, reason, hint=hint, field=name)

    def _value(self, name: str, claim: FieldClaim, value: SigmaType) -> list[SigmaType]:
        """What stands for one value in the column of its field."""
        if isinstance(value, SigmaString):  # nearly all are, and to ask for pySigma's other types takes its time
            if claim.inside is None and is_empty_or_any(value):
                return [value]
        elif isinstance(value, SigmaExpansion):
            return [SigmaExpansion([item for part in value.values for item in self._value(name, claim, part)])]
        elif isinstance(value, SigmaFieldReference):
            return [self._reference(name, claim, value)]
        elif claim.inside is None and isinstance(value, SigmaNull | SigmaExists):
            return [value]
        if claim.inside:
            return [self._inside(name, claim.inside.prefix, value)]
        if claim.missing and self._says_missing(claim, value):
            return [SigmaNull()]
        if claim.unset is not None and isinstance(value, SigmaString) and value == claim.unset:
            return [SigmaNull(), value]
        if claim.form == "own_id":
            reason = "the column holds identifiers of the platform's own"
            self._bad_value(name, value, reason, "the field as a key of a correlation")
        if claim.form == "decimal":
            return [self._decimal(name, value)]
        if claim.values is not None:
            return [self._spelled(name, claim.values, value)]
        if claim.form in {"registry_path", "registry_data"}:
            return [self._registry(name, claim.form, value)]
        if claim.form:
            return [self._path(name, claim.form, value)]
        return [value]

    def _says_missing(self, claim: FieldClaim, value: SigmaType) -> bool:
        """Whether a value is the log's text for a missing one; in a pattern of an address it can be nothing else."""
        from polysigma import schemas
        from polysigma.plan.types import Type

        types = schemas.load(self.platform.schema_name).columns(*self.scope.tables)
        text = between_wildcards(value) if types.get(claim.column or "") is Type.ADDRESS else str(value)
        return text == claim.missing

    def _spelled(self, name: str, values: dict[str, str | int], value: SigmaType) -> SigmaType:
        if isinstance(value, SigmaNumber) and str(value.number) in {str(spelled) for spelled in values.values()}:
            return value
        text = str(value).lower() if isinstance(value, SigmaString | SigmaNumber | SigmaBool) else ""
        if text not in values or (isinstance(value, SigmaString) and value.contains_special()):
            self._bad_value(name, value, "the platform spells a closed set of values", f"one of {', '.join(values)}")
        spelled = values[text]
        return SigmaNumber(spelled) if isinstance(spelled, int) else SigmaString(spelled)

    def _decimal(self, name: str, value: SigmaType) -> SigmaType:
        if isinstance(value, SigmaNumber) or (isinstance(value, SigmaString) and str(value).isdecimal()):
            return value
        if not isinstance(value, SigmaString) or not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,16}", str(value)):
            self._bad_value(name, value, "the column holds a decimal number", "a number, such as 0x3e7 or 999")
        return SigmaString(str(int(str(value), 16)))

    def _path(self, name: str, form: str, value: SigmaType) -> SigmaType:
        if form == "nt_path" and self.scope.logsource.product in {"linux", "macos"}:
            return value
        code = "path-not-recorded" if form == "base_name" else "not-comparable"
        hint = "a value that names the file, such as |endswith: '\\name.exe'"
        if isinstance(value, SigmaRegularExpression) and form == "nt_path" and is_below_drive(value):
            return value
        if not isinstance(value, SigmaString):
            self._bad_value(name, value, _NO_TEXT if form == "nt_path" else _NO_PATTERN, hint, code)
        try:
            if form == "base_name":
                name_only = base_name(value)
                if name_only is value and isinstance(value.s[0], str):
                    self._note(_BARE.format(name=name))
                return name_only
            translated, drive_lost = device_path(value)
        except NetworkPathError as error:
            self._bad_value(name, value, str(error), None, "unverified")
        except NoValueError as error:
            self._bad_value(name, value, str(error), _PLACEHOLDERS, "placeholder")
        except UnsayableValueError as error:
            self._bad_value(name, value, str(error), hint if form == "base_name" else None, code)
        if drive_lost:
            self._note(_NO_DRIVE)
        first = value.s[0]
        if isinstance(first, str) and first.lower().startswith("\\device\\"):
            self._note(_ALL_DEVICES)
        return translated

    def _registry(self, name: str, form: str, value: SigmaType) -> SigmaType:
        try:
            return registry_path(value) if form == "registry_path" else registry_data(value)
        except NotRecordedDataError as error:
            self._bad_value(name, value, str(error), None, "not-recorded")
        except NoValueError as error:
            self._bad_value(name, value, str(error), _PLACEHOLDERS, "placeholder")
        except UnsayableValueError as error:
            self._bad_value(name, value, str(error), None)

    def _note(self, reason: str) -> None:
        from polysigma.fidelity import FidelityLevel, Loss

        self.notes.append(Loss(level=FidelityLevel.APPROXIMATE, reason=reason))

    def _reference(self, name: str, claim: FieldClaim, value: SigmaFieldReference) -> SigmaFieldReference:
        other = self._claim(value.field)
        self.used.add(value.field)
        columns = self.columns(value.field, other)
        spelled_alike = (claim.form, claim.values, claim.inside) == (other.form, other.values, other.inside)
        if not spelled_alike or len(columns) != 1:
            reason = f"{value.field} is recorded in another form, so the two cannot be compared"
            self._bad_value(name, value, reason, None)
        return SigmaFieldReference(columns[0], value.starts_with, value.ends_with)

    def _chosen(self, name: str, choices: dict[str, Event], value: SigmaType, others: str | None) -> list[_Test]:
        """The tests that tell a value; `others` says why other values are not recorded, if they are known not to be."""
        event: Event | None = None
        if is_any(value) or (isinstance(value, SigmaExists) and value.exists):
            event = _union(list(choices.values()))
        elif isinstance(value, SigmaBool | SigmaNumber | SigmaString):
            event = choices.get(str(value).lower())
        if event is None:
            code, reason = ("not-recorded", others) if others else ("not-comparable", "other columns tell its value")
            self._bad_value(name, value, reason, f"one of {', '.join(choices)}", code)
        return [(column, [self._told(text) for text in texts]) for column, texts in event.items()]

    def _told(self, text: str) -> SigmaString:
        """A value of the platform's own: with case, but for a backend of others, many of which know no case."""
        value = SigmaCasedString() if self.derives else SigmaString()
        value.s = [text]
        return value

    def _hash(self, name: str, hashes: dict[str, str], value: SigmaType) -> list[_Test]:
        hint = f"ALGORITHM=value of full length, or the fields {', '.join(hashes.values())}"
        text = between_wildcards(value)
        match = re.fullmatch(r"(?:([A-Za-z0-9]+)=)?([0-9A-Fa-f]+)", text or "")
        if not match:
            self._bad_value(name, value, "each algorithm has a column of its own", hint)
        digits = match[2]
        alike = [algorithm for algorithm in hashes if _HASH_LENGTHS.get(algorithm) == len(digits)]
        algorithm = match[1].upper() if match[1] else (alike[0] if len(alike) == 1 else "")
        if algorithm not in alike:
            self._bad_value(name, value, "it does not say which algorithm's whole value it is", hint)
        part = hashes[algorithm]
        self.used.add(part)
        return [(column, [SigmaString(digits)]) for column in self.columns(part, self._claim(part))]

    def _inside(self, name: str, prefix: str, value: SigmaType) -> SigmaString:
        length = _HASH_LENGTHS.get(prefix.rstrip("=").upper())
        text = str(value) if isinstance(value, SigmaString) and not value.contains_special() else ""
        if not re.fullmatch(r"[0-9A-Fa-f]+", text) or len(text) != length:
            self._bad_value(name, value, f"it stands inside another column, after {prefix}", "a value of full length")
        return SigmaString(f"*{prefix}{text}*")


def absence_of(field: str, code: str, reason: str, hint: str | None, *, values: bool) -> Absence:
    """An Absence; the class is imported late, when a rule is converted."""
    from polysigma.platform import Absence

    return Absence(field, code, reason, hint, values)


_Test = tuple[str, list[SigmaType]]
"""A column and the values of which it must hold one."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What one value of an item comes to: all of the tests must hold, or one of them."""

    tests: list[_Test]
    all_of: bool


def _joined(item: SigmaDetectionItem, groups: list[_Group]) -> SigmaDetection:
    """The groups linked as the values of `item` were. A negated item negates the tests and swaps "and" and "or"."""

    def linking(*, all_of: bool) -> type[ConditionAND | ConditionOR]:
        return ConditionAND if all_of != item.negated else ConditionOR

    details = [
        SigmaDetection(
            [_leaf(column, values, negated=item.negated, source=item.source) for column, values in group.tests],
            source=item.source,
            item_linking=linking(all_of=group.all_of),
        )
        for group in groups
    ]
    return SigmaDetection(
        list(details), source=item.source, item_linking=linking(all_of=item.value_linking is ConditionAND)
    )


def _leaf(
    column: str, values: list[SigmaType], *, negated: bool, source: SigmaRuleLocation | None
) -> SigmaDetectionItem:
    leaf = SigmaDetectionItem(column, [], values, negated=negated, source=source)
    leaf.disable_conversion_to_plain()
    return leaf


def _union(events: list[Event]) -> Event | None:
    """One test that any of the events meets, where they all test the same one column."""
    columns = {column for event in events for column in event}
    if len(columns) != 1:
        return None
    (column,) = columns
    return {column: tuple(dict.fromkeys(text for event in events for text in event.get(column, ())))}
