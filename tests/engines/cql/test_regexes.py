r"""LogScale's regular expressions in Python's: what each construct matches, and what is refused.

Sources: https://library.humio.com/data-analysis/, syntax-regex-flags.html, -syntax.html and -diffs.html.
"""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.cql import run_cql


def matches(literal, text, **options):
    return bool(run_cql(f"a={literal}", [{"a": text}], **options).rows)


@pytest.mark.parametrize(
    ("literal", "text", "expected"),
    [
        ("/b/", "abc", True),
        ("/^b/", "a\nb", False),
        ("/^b/m", "a\nb", True),
        ("/a$/", "a\nb", False),
        ("/a$/", "a\n", False),
        ("/a$/m", "a\nb", True),
        (r"/\Ab/m", "a\nb", False),
        (r"/a\z/m", "a\nb", False),
        ("/a.b/", "a\nb", False),
        ("/a.b/d", "a\nb", True),
        ("/A/", "a", False),
        ("/A/i", "a", True),
        ("/É/i", "é", True),
        ("/(?i)A/", "a", True),
        ("/(?i:a)b/", "Ab", True),
        ("/(?i:a)b/", "AB", False),
        (r"/^\d$/", "٣", False),  # classes are ASCII
        (r"/^\w$/", "é", False),
        (r"/^\W$/", "é", True),
        (r"/^\s$/", "\u00a0", False),
        (r"/^[\w]$/", "é", False),
        (r"/^[^\w]$/", "é", True),
        (r"/^[\W]$/", "-", True),
        (r"/\bé/", "é", False),
        (r"/a\/b/", "a/b", True),
        (r"/\\/", "\\", True),
        (r"/\x41\x{1F600}/", "A😀", True),
        ("/[]a]/", "]", True),
        ("/[[]/", "[", True),
        (r"/[\]\\-]/", "-", True),
        ("/[a-c]/", "b", True),
        ("/[a&&b]/", "&", True),
        ("/^(?:ab|c){2}$/", "abc", True),
        ("/^(ab)?c*d+e{1,2}$/", "dee", True),
        ("/a*?b/", "aab", True),
        ("/a(?=b)/", "ab", True),
        ("/a(?!b)/", "ab", False),
        ("/a{b/", "a{b", True),
        ("/a/F", "a", True),
        ("/a/g", "a", True),
    ],
)
def test_a_regular_expression_matches_what_the_documentation_says(literal, text, expected):
    assert matches(literal, text) is expected


@pytest.mark.parametrize(
    "literal",
    [
        r"/(a)\1/",
        "/(?<=a)b/",
        "/(?<!a)b/",
        "/(?>a)b/",
        "/(?P<x>a)/",
        r"/\p{L}/",
        "/a++/",
        "/a+?/",
        "/[[:alpha:]]/",
        "/a(?i)b/",
        "/*a/",
        "/(a/",
        "/[a/",
        "/a/s",
        r"/\Qa\E/",
        r"/[\b]/",
    ],
)
def test_what_the_engine_of_logscale_lacks_is_refused(literal):
    with pytest.raises(PolysigmaError):
        matches(literal, "a")


def test_the_ends_of_lines_are_those_of_regex_by_its_table_of_parameters():
    # assumption regex-function-flags
    rows = [{"a": "x\nb"}]
    assert run_cql('regex("^b", field=a)', rows).rows == rows
    assert run_cql('regex("^b", field=a, flags="")', rows).rows == []
    assert run_cql('regex("^b", field=a)', rows, flip=frozenset({"regex-function-flags"})).rows == []
