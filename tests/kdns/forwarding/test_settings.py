"""The forward directive as values."""

import ssl
from pathlib import Path

import pytest

from kdns.corefile import Args
from kdns.errors import ConfigError
from kdns.forwarding.settings import Settings, read
from kdns.transport.address import parse
from kdns.transport.upstream import Health
from kdns.wire import codes, names
from tests.kdns.asking import args
from tests.kdns.transport import certificates


def settings(body: str = "", head: str = "forward . 10.0.0.1", **around: object) -> Settings:
    """The settings of a directive with this block."""
    made: Args = args(f"{head} {{\n{body}\n}}", **around)  # type: ignore[arg-type]
    return read(made, made.directives[0])


def test_the_defaults_are_coredns_own() -> None:
    made = args("forward . 10.0.0.1")

    assert read(made, made.directives[0]) == Settings(addresses=(parse("10.0.0.1"),))


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ("except Example.ORG 10.0.0.0/8", "excepted", (names.parse("example.org"), names.parse("10.in-addr.arpa"))),
        ("except a..b", "excepted", ()),
        ("policy round_robin", "policy", "round_robin"),
        ("force_tcp", "force_tcp", True),
        ("prefer_udp", "prefer_udp", True),
        ("next NXDOMAIN servfail", "next_rcodes", {codes.NXDOMAIN, codes.SERVFAIL}),
        ("next_on_nodata", "next_on_nodata", True),
        ("failover ServFail\nfailover REFUSED", "failover", {codes.SERVFAIL, codes.REFUSED}),
        ("failfast_all_unhealthy_upstreams", "failfast", True),
        ("max_fails 0", "max_fails", 0),
        ("max_connect_attempts 0", "attempts", 0),
        ("max_concurrent 1000", "max_concurrent", 1000),
        ("read_timeout 500ms", "read_timeout", 0.5),
        ("resolver 10.0.0.2 10.0.0.3:5353 ::1", "resolvers", ("10.0.0.2", "10.0.0.3:5353", "::1")),
    ],
)
def test_a_property_says_one_thing(body: str, field: str, value: object) -> None:
    assert getattr(settings(body), field) == value


@pytest.mark.parametrize(
    ("body", "health"),
    [
        ("health_check 0.5s", Health()),
        ("health_check 1s no_rec", Health(1.0, recursion=False)),
        ("health_check 1s domain Example.ORG.", Health(1.0, names.parse("example.org"))),
        ("health_check 1s no_rec domain .", Health(1.0, recursion=False)),
        ("force_tcp", Health(tcp=True)),
    ],
)
def test_the_probe_can_be_chosen(body: str, health: Health) -> None:
    assert settings(body).manner.health == health


def test_connections_have_limits() -> None:
    limits = settings("expire 20s\nmax_age 1m\nmax_idle_conns 3").manner.limits

    assert (limits.expire, limits.max_age, limits.max_idle) == (20.0, 60.0, 3)


def test_the_source_address_and_method_are_the_manners() -> None:
    manner = settings("source_address 10.0.0.9\ndoh_method GET").manner

    assert (manner.source, manner.method) == ("10.0.0.9", "GET")


def test_a_cidr_that_is_several_zones_counts_as_its_first() -> None:
    said: list[tuple[str, str]] = []

    made = settings(head="forward 10.9.3.0/23 10.0.0.1", log=lambda level, text: said.append((level, text)))

    assert made.origin == names.parse("2.9.10.in-addr.arpa")
    words = "Unsupported CIDR notation: '10.9.3.0/23' expands to multiple zones. Using only '2.9.10.in-addr.arpa.'."
    assert said == [("WARNING", words)]


def test_tls_upstreams_get_a_context_and_plain_ones_none() -> None:
    assert settings().manner.tls is None
    tls = settings(head="forward . tls://10.0.0.1").manner.tls
    assert isinstance(tls, ssl.SSLContext)
    assert tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("files", ["tls", "tls {file}", "tls {file} {file}", "tls {file} {file} {file}"])
def test_certificates_are_read_from_files(files: str, tmp_path: Path) -> None:
    certificates.make(tmp_path)

    made = settings(files.replace("{file}", "certificate.pem"), "forward . tls://10.0.0.1", directory=tmp_path)

    assert made.manner.tls is not None


def test_the_name_of_the_certificate_goes_to_all_encrypted_upstreams() -> None:
    made = settings("tls_servername dns.example", "forward . tls://10.0.0.1 10.0.0.2 https://10.0.0.3")

    assert [address.server_name for address in made.addresses] == ["dns.example", "", "dns.example"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("other", "unknown property 'other'"),
        ("except", "Wrong argument count or unexpected line ending after 'except'"),
        ("source_address fe80::1%eth0", "invalid IP address: fe80::1%eth0"),
        ("max_fails 1 or so", "unknown property 'or'"),
        ("force_tcp yes", "Wrong argument count"),
        ("policy best", "unknown policy 'best'"),
        ("next MAYBE", "MAYBE is not a valid rcode"),
        ("failover NOERROR", "NoError cannot be used in failover"),
        ("failover", "Wrong argument count"),
        ("max_fails -1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("max_connect_attempts many", "invalid syntax"),
        ("max_concurrent -4", "max_concurrent can't be negative: -4"),
        ("max_idle_conns many", 'strconv.Atoi: parsing "many": invalid syntax'),
        ("health_check no_rec", 'time: invalid duration "no_rec"'),
        ("health_check -1s", "health_check can't be negative"),
        ("health_check 1s rec", "health_check: unknown option rec"),
        ("health_check 1s domain", "Wrong argument count or unexpected line ending after 'domain'"),
        ("health_check 1s domain a..b", r"health_check: invalid domain name a\.\.b"),
        ("read_timeout 0s", "read_timeout must be positive: 0s"),
        ("expire -1s", "expire can't be negative: -1s"),
        ("expire 30s\nmax_age 10s", r"max_age \(10s\) must not be less than expire \(30s\)"),
        ("source_address here", "invalid IP address: here"),
        ("resolver dns.example", 'resolver must be an IP address or IP:port: "dns.example"'),
        ("doh_method PUT", "doh_method must be either POST or GET"),
        ("tls a b c d", "Wrong argument count"),
        ("tls gone.pem", "No such file"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(body: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        settings(body)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("forward", "Wrong argument count"),
        ("forward .", "Wrong argument count"),
        (f"forward {'x' * 64} 10.0.0.1", "unable to normalize 'xxx"),
    ],
)
def test_says_what_is_wrong_with_from(head: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        settings(head=head)
