"""Hits in one spelling."""

from polysigma.plan.types import Type
from polysigma.prove.hits import read


def test_addresses_in_a_list_are_compared_in_one_spelling():
    mine = read(["2001:0db8:0066:0000:0000:0000:0000:0010", "203.0.113.1"], Type.LIST)
    assert mine == read(["203.0.113.1", "2001:db8:66:0:0:0:0:10"], Type.LIST)
    assert read(["C:\\a.exe", "a:b"], Type.LIST) == ("C:\\a.exe", "a:b")


def test_an_address_among_texts_is_compared_in_one_spelling():
    """A key that is a command in one rule and an address in another is a text."""
    assert read("0064:ff9b:0000:ffff:ffff:ffff:ffff:ffff", Type.TEXT) == read(
        "64:ff9b:0:ffff:ffff:ffff:ffff:ffff", Type.TEXT
    )
    assert read("schtasks /create: a", Type.TEXT) == "schtasks /create: a"
