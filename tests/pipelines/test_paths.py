"""Path translations: a value holds of the path as the platform writes it where it held of Sigma's, and only there."""

from __future__ import annotations

import re
from string import ascii_lowercase

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sigma.exceptions import SigmaRegularExpressionError
from sigma.types import (
    Placeholder,
    SigmaCasedString,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

from sigma.pipelines.polysigma.paths import (
    DIGITS,
    DevicePath,
    UnsayableValueError,
    base_name,
    device_path,
    in_name,
    is_below_drive,
)

# Few letters, so that patterns and paths meet; those of the device's own name, so that they can meet there by mistake.
LETTERS = "deivc1x."
NAMES = st.text(LETTERS, min_size=1, max_size=4)
FOLDERS = st.lists(NAMES, max_size=3)
DRIVES = st.sampled_from(["C:", "D:", "c:"])
PIECES = st.one_of(
    NAMES,
    st.just("C:"),
    st.sampled_from(["*", "?", "\\", "\\\\", "C:\\", ":\\", ":", "c", "\\*", "\\device\\", "volume", "volume1\\x"]),
)
WILDCARDS: dict[str, SpecialChars] = {"*": SpecialChars.WILDCARD_MULTI, "?": SpecialChars.WILDCARD_SINGLE}
VOLUMES = st.sampled_from(["1", "3", "12", "105"])


def sigma(text: str, kind: type[SigmaString] = SigmaString) -> SigmaString:
    """The value in which every `*` and `?` of `text` is a wildcard, and a backslash is no more than itself."""
    value = kind()
    value.s = [WILDCARDS.get(part, part) for part in re.split(r"([*?])", text) if part]
    return value


@st.composite
def patterns(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "*", "C:\\", "*\\", "*:\\", "?:\\"])) + "".join(draw(st.lists(PIECES, max_size=4)))


@st.composite
def paths(draw: st.DrawFn) -> tuple[str, str]:
    """The drive of a path and what follows it."""
    return draw(DRIVES), "".join("\\" + part for part in [*draw(FOLDERS), draw(NAMES)])


def matches(value: SigmaString | DevicePath, text: str) -> bool:
    """Sigma's own meaning of a value."""
    if isinstance(value, DevicePath):
        flags = re.IGNORECASE if SigmaRegularExpressionFlag.IGNORECASE in value.flags else 0
        return re.search(str(value.regexp), text, flags) is not None
    wildcards = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    pattern = "".join(wildcards[part] if isinstance(part, SpecialChars) else re.escape(part) for part in value.s)
    flags = 0 if isinstance(value, SigmaCasedString) else re.IGNORECASE
    return re.fullmatch(pattern, text, flags | re.DOTALL) is not None


@example("*C:*", ("C:", "\\x"), "1")
@example("*C:", ("C:", "\\x"), "1")
@example("*D:?x", ("C:", "\\x"), "12")
@given(patterns(), paths(), VOLUMES)
def test_a_translated_path_holds_exactly_where_the_path_did(pattern, path, volume):
    drive, rest = path
    value = sigma(pattern)
    try:
        translated, drive_lost = device_path(value)
    except UnsayableValueError:
        return
    # A drive letter that the value names is not recorded: it stands for any drive, and the translation says so.
    drives = [f"{letter}:" for letter in ascii_lowercase] if drive_lost else [drive]
    before = any(matches(value, each + rest) for each in drives)
    assert matches(translated, f"\\Device\\HarddiskVolume{volume}{rest}") == before


@given(patterns(), paths())
def test_a_translated_base_name_holds_exactly_where_the_path_did(pattern, path):
    drive, rest = path
    value = sigma(pattern)
    # A bare name is what Sigma has for a process without a path, such as System; it is kept as it is.
    assume("\\" in pattern or pattern.startswith("*"))
    try:
        translated = base_name(value)
    except UnsayableValueError:
        return
    assert matches(translated, rest.rsplit("\\", 1)[1]) == matches(value, drive + rest)


@example("*\\x*", ("C:", "\\x"))
@example("*\\x*", ("C:", "\\x\\e"))
@example("*x?", ("C:", "\\xx"))
@given(patterns(), paths())
def test_what_is_looked_for_in_the_name_alone_is_found_in_the_path(pattern, path):
    drive, rest = path
    value = sigma(pattern)
    part = in_name(value)
    if part is not None and matches(part, rest.rsplit("\\", 1)[1]):
        assert matches(value, drive + rest)


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("*x*", "*x*"),
        ("*\\x*", "x*"),
        ("*\\x*.exe", "x*.exe"),
        ("*x*y", "*x*y"),
        ("*\\x\\*", None),
        ("*\\*", None),
        ("*x\\y*", None),
        ("C:*x", None),
        ("x*", None),
    ],
)
def test_a_pattern_without_folders_has_a_part_for_the_name(pattern, part):
    found = in_name(sigma(pattern))
    assert (found and found.s) == (part and sigma(part).s)


@given(patterns(), paths(), VOLUMES)
def test_the_pattern_and_the_regular_expression_of_a_device_path_say_the_same(pattern, path, volume):
    try:
        translated, _ = device_path(sigma(pattern))
    except UnsayableValueError:
        return
    if isinstance(translated, DevicePath):
        filled = SigmaString()
        filled.s = [volume if isinstance(part, Placeholder) else part for part in translated.pattern.s]
        text = f"\\Device\\HarddiskVolume{volume}{path[1]}"
        assert matches(filled, text) == matches(translated, text)


@pytest.mark.parametrize("volume", ["1", "9", "10", "123"])
def test_a_volume_may_have_any_number(volume):
    translated, _ = device_path(sigma("C:\\Windows\\explorer.exe"))
    assert matches(translated, f"\\Device\\HarddiskVolume{volume}\\Windows\\Explorer.EXE")


@pytest.mark.parametrize(
    "path",
    [
        "\\Device\\HarddiskVolume\\Windows\\explorer.exe",
        "\\Device\\HarddiskVolumeX\\Windows\\explorer.exe",
        "\\Device\\HarddiskVolume1\\sub\\Windows\\explorer.exe",
        "\\Device\\HarddiskVolume1\\Windows\\explorer.exe.bak",
        "\\\\server\\Device\\HarddiskVolume1\\Windows\\explorer.exe",
    ],
)
def test_a_path_is_anchored_to_its_volume(path):
    translated, _ = device_path(sigma("C:\\Windows\\explorer.exe"))
    assert not matches(translated, path)


@pytest.mark.parametrize(
    "value", ["*\\cmd.exe", "*\\Temp\\*", "*.exe", "*", "", "/usr/bin/dd", "/tmp/*", "System", "*/python3*", "-"]
)
def test_a_value_without_a_drive_stays_text(value):
    translated, drive_lost = device_path(sigma(value))
    assert translated == sigma(value)
    assert not drive_lost


@pytest.mark.parametrize("value", ["*:\\Windows\\*", "?:\\Windows\\*"])
def test_any_drive_is_any_volume(value):
    translated, drive_lost = device_path(sigma(value))
    assert isinstance(translated, DevicePath)
    assert translated.pattern.s == [
        "\\Device\\HarddiskVolume",
        Placeholder(DIGITS),
        "\\Windows\\",
        SpecialChars.WILDCARD_MULTI,
    ]
    assert not drive_lost


def test_text_that_the_device_has_by_itself_is_looked_for_after_it():
    translated, _ = device_path(sigma("*device*"))
    assert not matches(translated, "\\Device\\HarddiskVolume1\\Windows\\x.exe")
    assert matches(translated, "\\Device\\HarddiskVolume1\\tools\\device.exe")


def test_case_counts_where_it_did():
    translated, _ = device_path(sigma("C:\\Windows\\x.exe", SigmaCasedString))
    assert isinstance(translated, DevicePath)
    assert translated.cased
    assert not matches(translated, "\\Device\\HarddiskVolume1\\WINDOWS\\x.exe")
    assert isinstance(base_name(sigma("*\\x.exe", SigmaCasedString)), SigmaCasedString)


@pytest.mark.parametrize(
    "value", ["\\\\server\\share\\*", "*\\\\wsl.localhost*", "C*", "?*", "*c*", "\\*", "\\dev*", "*ab:\\*"]
)
def test_what_a_device_path_cannot_say_is_refused(value):
    with pytest.raises(UnsayableValueError):
        device_path(sigma(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("*\\cmd.exe", "cmd.exe"), ("*/bash", "bash"), ("*cmd.exe", "*cmd.exe"), ("cmd.exe", "cmd.exe"), ("*", "*")],
)
def test_a_base_name_answers_a_file_name(value, expected):
    assert base_name(sigma(value)) == sigma(expected)


@pytest.mark.parametrize(
    "value",
    [
        "C:\\Windows\\cmd.exe",
        "*\\System32\\cmd.exe",
        "*cmd*",
        "*\\cmd*",
        "*\\cmd?exe",
        "/tmp/*",
        "cmd*",
        "*\\",
        "*:\\x\\*",
    ],
)
def test_a_base_name_does_not_answer_a_folder(value):
    with pytest.raises(UnsayableValueError):
        base_name(sigma(value))


@pytest.mark.parametrize("translate", [base_name, device_path])
def test_a_placeholder_without_a_value_is_refused(translate):
    with pytest.raises(UnsayableValueError, match="%tools%"):
        translate(SigmaString("*%tools%").insert_placeholders())


STARTS = [
    "\\\\",
    "\\\\d",
    "\\\\de",
    "\\\\x",
    "\\\\h",
    "\\\\users",
    "(?i)\\\\x",
    "\\\\users?",
    "x",
    "",
    "\\\\v1",
    "\\\\x|",
    "\\\\harddiskvolume1",
    "[x]",
]
RESTS = ["", "[a-z]{1,3}", "\\.", "\\\\", "(?:x|d)", "|c", ".*", "+", "{2}", "e$", "\\w+\\.x$", "\\d", "?"]


@given(st.sampled_from(STARTS), st.lists(st.sampled_from(RESTS), max_size=3), paths(), VOLUMES)
def test_a_regular_expression_that_is_taken_as_it_is_finds_the_same_below_a_device(start, rests, path, volume):
    pattern = start + "".join(rests)
    try:
        value = SigmaRegularExpression(pattern)
    except SigmaRegularExpressionError:
        return
    drive, rest = path
    if is_below_drive(value):
        on_drive = re.search(pattern, drive + rest, re.IGNORECASE) is not None
        assert on_drive is (re.search(pattern, f"\\Device\\HarddiskVolume{volume}{rest}", re.IGNORECASE) is not None)


@pytest.mark.parametrize(
    "pattern", [r"(?i)\\users\\[^\\]+\\appdata\\", r"\\System32\\[a-z]{8}\.tmp$", r"\\resume_\S{8}$"]
)
def test_a_regular_expression_that_begins_with_a_folder_is_taken_as_it_is(pattern):
    assert is_below_drive(SigmaRegularExpression(pattern))


@pytest.mark.parametrize("pattern", [r"\\[a-z]+$", r"^C:\\", r"\\d", r"\\users|x", r"\\users?", r"\\device\\x"])
def test_a_regular_expression_that_may_find_the_drive_or_the_device_is_not(pattern):
    assert not is_below_drive(SigmaRegularExpression(pattern))
