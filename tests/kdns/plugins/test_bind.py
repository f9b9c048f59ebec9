"""bind: which addresses are listened on."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import bind
from kdns.transport.interfaces import Held
from tests.kdns.asking import args

HELD = [
    Held("lo", "127.0.0.1"),
    Held("lo", "::1"),
    Held("eth0", "192.0.2.7"),
    Held("eth0", "2001:db8::7"),
    Held("eth0", "fe80::7%eth0"),
]


@pytest.mark.parametrize(
    ("directive", "addresses"),
    [
        ("bind 127.0.0.53", ["127.0.0.53"]),
        ("bind 127.0.0.1 ::1", ["127.0.0.1", "::1"]),
        ("bind eth0", ["192.0.2.7", "2001:db8::7", "fe80::7%eth0"]),
        ("bind lo 127.0.0.1", ["127.0.0.1", "::1"]),  # none twice
        ("bind ::ffff:127.0.0.1 127.0.0.1", ["127.0.0.1"]),
        ("bind lo\nbind 192.0.2.7", ["127.0.0.1", "::1", "192.0.2.7"]),
        ("bind lo eth0 {\n except ::1 eth0\n}", ["127.0.0.1"]),
        ("bind lo {\n except ::1\n except 127.0.0.1\n}", ["::1"]),  # a later except replaces
        ("bind lo {\n except lo\n}\nbind ::1", ["::1"]),  # it holds for its own directive
    ],
)
def test_binds_addresses_and_those_of_interfaces(directive: str, addresses: list[str]) -> None:
    assert list(bind.bound(args(directive), HELD).addresses) == addresses


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("bind", "at least one address or interface name is expected"),
        ("bind eth9", 'not a valid IP address or interface name: "eth9"'),
        ("bind 10.0.0.256", 'not a valid IP address or interface name: "10.0.0.256"'),
        ("bind fe80::1%eth0", 'not a valid IP address or interface name: "fe80::1%eth0"'),
        ("bind lo {\n except\n}", "at least one address or interface must be given to except subdirective"),
        ("bind lo {\n except eth9\n}", 'not a valid IP address or interface name: "eth9"'),
        ("bind lo {\n only ::1\n}", 'invalid option "only"'),
        ("bind lo {\n except lo\n}", "no address is left to listen on"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        bind.bound(args(directive), HELD)


def test_asks_the_machine_for_its_interfaces() -> None:
    assert "127.0.0.1" in bind.setup(args("bind lo")).addresses
