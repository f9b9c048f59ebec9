"""Text with placeholders where there is no reply yet; with one, *log*'s tests have it."""

import pytest

from kdns.placeholders import Seen, filled, parse_format
from tests.kdns.asking import request


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", ""),
        ("{name} {type}", "www.example.org. A"),
        ("to {/forward/upstream} for {/client}", "to - for me"),
        ("{rcode} {>rflags} {rsize} {duration}", "- - - -"),
        ("{unknown} {name", "{unknown} {name"),
    ],
)
def test_what_is_not_known_yet_is_a_dash(form: str, text: str) -> None:
    asked = request("www.example.org. A", labels={"client": "me"})

    assert filled(parse_format(form), Seen(asked, None, None)) == text
