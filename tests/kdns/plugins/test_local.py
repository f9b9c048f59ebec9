"""local: names and addresses that mean this very host."""

import pytest

from kdns.chain import Reply
from kdns.errors import ConfigError
from kdns.metrics import Metrics
from kdns.plugins import local
from kdns.wire import codes
from tests.kdns.asking import args, ask, texts

SOA = "SOA localhost. root.localhost. 1 0 0 0 604800"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("localhost. A", "localhost. 604800 IN A 127.0.0.1"),
        ("LocalHost. A", "LocalHost. 604800 IN A 127.0.0.1"),
        ("localhost. AAAA", "localhost. 604800 IN AAAA ::1"),
        ("localhost. NS", "localhost. 604800 IN NS localhost."),
        ("localhost. SOA", f"localhost. 604800 IN {SOA}"),
        ("a.b.localhost. A", "a.b.localhost. 604800 IN A 127.0.0.1"),
        ("localhost.example.org. AAAA", "localhost.example.org. 604800 IN AAAA ::1"),
        ("127.in-addr.arpa. NS", "127.in-addr.arpa. 604800 IN NS localhost."),
        ("0.in-addr.arpa. SOA", f"0.in-addr.arpa. 604800 IN {SOA}"),
        ("1.0.0.127.IN-ADDR.arpa. PTR", "1.0.0.127.IN-ADDR.arpa. 604800 IN PTR localhost."),
    ],
)
def test_answers_for_this_host(asked: str, answer: str) -> None:
    reply = ask(local.setup(args("local")), asked)

    assert texts(reply.answer) == [answer]
    assert (reply.rcode, reply.authority, reply.flags) == (codes.NOERROR, (), 0)


@pytest.mark.parametrize(
    ("asked", "rcode", "owner"),
    [
        ("localhost. MX", codes.NOERROR, "localhost."),
        ("a.localhost. NS", codes.NOERROR, "a.localhost."),
        ("255.in-addr.arpa. A", codes.NOERROR, "255.in-addr.arpa."),
        ("127.in-addr.arpa. AAAA", codes.NOERROR, "127.in-addr.arpa."),
        ("1.0.0.127.in-addr.arpa. A", codes.NOERROR, "127.in-addr.arpa."),
        ("2.0.0.127.IN-addr.arpa. PTR", codes.NXDOMAIN, "127.IN-addr.arpa."),
        ("1.0.in-addr.arpa. PTR", codes.NXDOMAIN, "0.in-addr.arpa."),
    ],
)
def test_denies_the_rest_of_its_zones(asked: str, rcode: int, owner: str) -> None:
    reply = ask(local.setup(args("local")), asked)

    assert (reply.rcode, reply.answer) == (rcode, ())
    assert texts(reply.authority) == [f"{owner} 604800 IN {SOA}"]


@pytest.mark.parametrize(
    ("directive", "asked"),
    [
        ("local", "example.org. A"),
        ("local", "mylocalhost. A"),
        ("local", "localhosts.example.org. A"),
        ("local", "10.in-addr.arpa. PTR"),
        ("local {\n localhost_prefix off\n}", "localhost.example.org. A"),
    ],
)
def test_passes_other_names_on(directive: str, asked: str) -> None:
    below = Reply(codes.REFUSED)

    assert ask(local.setup(args(directive)), asked, rest=below) == below


def test_counts_names_below_localhost_repeats_included() -> None:
    metrics = Metrics()
    plugin = local.setup(args("local {\n localhost_prefix on\n}", metrics=metrics))

    reply = ask(plugin, "a.localhost. A")
    ask(plugin, "localhost. A")
    assert reply.keep is not None
    for tally in reply.keep.tallies:
        tally(3)

    assert metrics.family("local_localhost_requests_total").values == {(): 4}


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("local yes", "Wrong argument count or unexpected line ending after 'yes'"),
        ("local {\n ttl 5\n}", "unknown property 'ttl'"),
        ("local {\n localhost_prefix\n}", "Wrong argument count"),
        ("local {\n localhost_prefix maybe\n}", "localhost_prefix expects 'on' or 'off', got \"maybe\""),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        local.setup(args(directive))
