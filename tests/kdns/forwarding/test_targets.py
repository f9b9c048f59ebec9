"""What the TO arguments of forward stand for."""

from pathlib import Path

import pytest

from kdns.errors import ConfigError
from kdns.forwarding.targets import read_targets
from kdns.transport.address import Address
from tests.kdns.asking import args


def targets(to: str, server_name: str = "") -> tuple[Address, ...]:
    """The addresses of TO arguments."""
    return read_targets(args(f"forward . {to}").directives[0], server_name)


def test_addresses_keep_their_order_and_count_once() -> None:
    found = targets("10.0.0.2 10.0.0.1 10.0.0.2:53 tls://10.0.0.2")

    assert [f"{address.scheme}://{address}" for address in found] == [
        "dns://10.0.0.2:53",
        "dns://10.0.0.1:53",
        "tls://10.0.0.2:853",
    ]


def test_a_file_gives_its_name_servers(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("search example.org\nnameserver 10.0.0.2\nnameserver fd00::2\n")
    (tmp_path / "empty.conf").write_text("# nameserver 10.0.0.9\n")

    found = targets(f"{tmp_path}/empty.conf {tmp_path}/resolv.conf 10.0.0.1")

    assert [str(address) for address in found] == ["10.0.0.2:53", "[fd00::2]:53", "10.0.0.1:53"]


@pytest.mark.parametrize("name", ["dns.example", "a10.0.0.1", "10.0.0.x", "dns"])
def test_a_host_name_is_left_for_later(name: str) -> None:
    (found,) = targets(f"tls://{name}:8853")

    assert found == Address("tls", name, 8853)
    assert not found.is_resolved


def test_a_certificates_name_may_stand_behind_the_address() -> None:
    assert targets("tls://10.0.0.1%dns.example 10.0.0.2%eth0") == (
        Address("tls", "10.0.0.1", 853, "dns.example"),
        Address("dns", "10.0.0.2", 53),
    )


@pytest.mark.parametrize(
    ("to", "complaint"),
    [
        (" ".join(f"10.0.0.{number}" for number in range(16)), "more than 15 TOs configured: 16"),
        ("https://10.0.0.1/dns-query", "paths are not allowed in HTTPS upstream addresses"),
        ("grpc://10.0.0.1", "'grpc' is not supported as a destination protocol in forward: grpc://10.0.0.1"),
        ("10.0.0.1:dns", "invalid port dns"),
        ("10.0.0.1:65536", "invalid port 65536"),
        ("1.2.3", 'not an IP address, file, or valid domain: "1.2.3"'),
        ("010.0.0.1", 'not an IP address, file, or valid domain: "010.0.0.1"'),
        ("0x7f000001", 'not an IP address, file, or valid domain: "0x7f000001"'),
        ("a..b", 'not an IP address, file, or valid domain: "a..b"'),
    ],
)
def test_says_what_is_wrong_with_to(to: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        targets(to)


def test_files_without_name_servers_leave_nobody_to_ask(tmp_path: Path) -> None:
    (tmp_path / "empty.conf").write_text("")
    with pytest.raises(ConfigError, match="no valid upstream addresses found"):
        targets(f"{tmp_path}/empty.conf")


def test_two_names_for_one_certificate_are_one_too_many() -> None:
    words = (
        r"both forward \('a'\) and proxy level \('b'\) TLS servernames are set for upstream proxy 'tls://10.0.0.1:853'"
    )
    with pytest.raises(ConfigError, match=words):
        targets("tls://10.0.0.1%b", server_name="a")
