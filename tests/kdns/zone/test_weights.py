"""Weight files of the loadbalance plugin."""

import pytest

from kdns.wire import names
from kdns.zone import weights


def test_each_domain_has_the_weights_under_it() -> None:
    found = weights.parse(
        """
        # the shop
        WWW.example.org
        192.0.2.1 3
        192.0.2.2 255

        mail.example.org.
        fd00::1 1
        """,
        "weights",
    )

    assert found == {
        names.parse("www.example.org"): {b"\xc0\0\2\1": 3, b"\xc0\0\2\2": 255},
        names.parse("mail.example.org"): {b"\xfd" + bytes(14) + b"\1": 1},
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("192.0.2.1", 'wrong domain name:"192.0.2.1" in weight file w'),
        ("a..b", "in weight file w"),
        ("192.0.2.1 3", "missing domain name in weight file w"),
        ("a\n192.0.2.300 3", 'wrong IP address:"192.0.2.300" in weight file w'),
        ("a\n192.0.2.1 0", 'wrong weight value:"0" in weight file w'),
        ("a\n192.0.2.1 256", 'wrong weight value:"256" in weight file w'),
        ("a\n192.0.2.1 x", 'wrong weight value:"x" in weight file w'),
        ("a\n192.0.2.1 1 2", 'could not parse weight line:"192.0.2.1 1 2" in weight file w'),
    ],
)
def test_a_line_that_says_nothing_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        weights.parse(text, "w")
