"""Names of files as names of zones."""

import re

import pytest

from kdns.errors import WireError
from kdns.wire import names
from kdns.zone.origins import origin_of


@pytest.mark.parametrize(
    ("file", "pattern", "template", "origin"),
    [
        ("db.example.org", r"db\.(.*)", "{1}", "example.org."),
        ("db.Example.org", r"db\.(.*)", "${1}", "example.org."),
        ("example.zone", r"(?P<what>.*)\.zone", "{what}.org", "example.org."),
        ("a_b", r"(\w)_(\w)", "$2.$1", "b.a."),
        ("xab", r"ab?(c)?", "{0}{1}.x", "ab.x."),
        ("notes.txt", r"db\.(.*)", "{1}", None),
    ],
)
def test_a_template_makes_the_origin(file: str, pattern: str, template: str, origin: str | None) -> None:
    found = origin_of(file, re.search(pattern, file), template)
    assert found == (names.parse(origin) if origin else None)


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(WireError):
        origin_of("db.a..b", re.search(r"db\.(.*)", "db.a..b"), "{1}")
