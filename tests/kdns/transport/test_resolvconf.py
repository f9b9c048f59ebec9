"""The search list of a resolv.conf."""

import pytest

from kdns.transport.resolvconf import search
from kdns.wire import names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("nameserver 192.0.2.1\noptions ndots:5\n", []),
        ("search example.org Example.COM. com\n", ["example.org.", "example.com.", "com."]),
        ("domain example.org\nsearch example.com\n", ["example.com."]),
        ("search example.com net\ndomain example.org more\n", ["example.org."]),
        ("search example.com\nsearch\n", []),
        ("search example.com\n  domain\n", []),
        ("search a..b example.com .\n", ["example.com.", "."]),
        ("# search example.org\n", []),
    ],
)
def test_the_last_line_that_has_one_counts(text: str, found: list[str]) -> None:
    assert [names.show(name) for name in search(text)] == found
