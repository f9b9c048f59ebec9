"""shed: a wish of plain DNS blocks; what comes of it is tested with the UDP listener."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import shed
from tests.kdns.asking import args


def test_it_takes_nothing() -> None:
    assert shed.setup(args("shed")) == shed.Shed()


@pytest.mark.parametrize(
    ("text", "zones", "words"),
    [
        ("shed extra", ".", "Wrong argument count"),
        ("shed {\n depth 10\n}", ".", "shed takes no options"),
        ("shed\nshed", ".", "once per Server Block"),
        ("shed", "tls://.", "only plain DNS server blocks"),
        ("shed", ". https://example.org", 'only plain DNS server blocks are supported; "https://example.org.:443"'),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, zones: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        shed.setup(args(text, zones=zones))
