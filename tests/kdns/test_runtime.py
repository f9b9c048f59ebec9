"""What the process says of itself."""

import pytest

from kdns.runtime import network

NETSTAT = """\
TcpExt: SyncookiesSent SyncookiesRecv
TcpExt: 1 2
IpExt: InNoRoutes InOctets OutOctets
IpExt: 0 1234 567
"""


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (NETSTAT, {"receive": 1234.0, "transmit": 567.0}),
        ("IpExt: InOctets\nIpExt: 7\n", {"receive": 7.0}),
        ("TcpExt: a\nTcpExt: 1\n", {}),
        ("", {}),
    ],
)
def test_the_network_s_octets_are_read_from_what_the_kernel_counts(text: str, octets: dict[str, float]) -> None:
    assert network(text) == octets
