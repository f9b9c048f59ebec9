"""acl: who may ask what."""

import pytest

from kdns.chain import Client, Reply
from kdns.errors import ConfigError, Dropped
from kdns.metrics import Metrics
from kdns.plugins import acl
from kdns.wire import codes, edns
from kdns.wire.edns import Edns
from tests.kdns.asking import args, ask

BELOW = Reply(answer=(b"\0\0\1\0\1\0\0\0\0\0\0",))
LAN = "192.168.1.7"
BLOCKED = Reply(codes.REFUSED, edns=Edns(4096, b"\0\x0f\0\2\0\x0f", edns.DO), by="acl")
FILTERED = Reply(codes.NOERROR, edns=Edns(4096, b"\0\x0f\0\2\0\x11", edns.DO), by="acl")


def outcome(directives: str, asked: str = "www.example.org. A", source: str = LAN, zones: str = "example.org") -> str:
    """What happens to a query."""
    plugin = acl.setup(args(directives, zones=zones))
    try:
        reply = ask(plugin, asked, rest=BELOW, client=Client(source, 40212))
    except Dropped:
        return "drop"
    return {BELOW: "allow", BLOCKED: "block", FILTERED: "filter"}[reply]


@pytest.mark.parametrize(
    ("line", "asked", "source", "happens"),
    [
        ("block", "www.example.org. A", LAN, "block"),
        ("filter", "www.example.org. A", LAN, "filter"),
        ("drop", "www.example.org. A", LAN, "drop"),
        ("DROP", "www.example.org. A", LAN, "drop"),
        ("allow", "www.example.org. A", LAN, "allow"),
        ("block type A", "www.example.org. A", LAN, "block"),
        ("block type A AAAA", "www.example.org. AAAA", LAN, "block"),
        ("block type A", "www.example.org. TXT", LAN, "allow"),
        ("block type * A", "www.example.org. TXT", LAN, "block"),
        ("block type * what stands behind the star", "www.example.org. TXT", LAN, "block"),
        ("block net * nor is this read", "www.example.org. A", "2001:db8::1", "block"),
        ("block type None", "www.example.org. TXT", LAN, "block"),
        ("block type Reserved", "www.example.org. TYPE65535", LAN, "block"),
        ("block type Reserved", "www.example.org. A", LAN, "allow"),
        ("block net 192.168.0.0/16", "www.example.org. A", LAN, "block"),
        ("block net 192.168.1.7", "www.example.org. A", LAN, "block"),
        ("block net 192.168.1.7/16", "www.example.org. A", "192.168.200.1", "block"),
        ("block net 10.0.0.0/8", "www.example.org. A", LAN, "allow"),
        ("block net 10.0.0.0/8 192.168.1.0/24", "www.example.org. A", LAN, "block"),
        ("block net *", "www.example.org. A", "2001:db8::1", "block"),
        ("block net 2001:db8::/32", "www.example.org. A", "2001:db8::1", "block"),
        ("block net 2001:db8::1", "www.example.org. A", "2001:db8::2", "allow"),
        ("block net fe80::/10", "www.example.org. A", "fe80::1%eth0", "block"),
        ("block type A net 192.168.0.0/16", "www.example.org. A", "10.0.0.1", "allow"),
        ("block Net 192.168.0.0/16 Type A", "www.example.org. A", LAN, "block"),
        ("block type A type TXT", "www.example.org. A", LAN, "block"),
    ],
)
def test_a_line_fits_type_and_client(line: str, asked: str, source: str, happens: str) -> None:
    assert outcome(f"acl {{\n {line}\n}}", asked, source) == happens


@pytest.mark.parametrize(
    ("directives", "happens"),
    [
        ("acl {\n allow net 192.168.0.0/16\n block\n}", "allow"),
        ("acl {\n block\n allow net 192.168.0.0/16\n}", "block"),
        ("acl {\n block type TXT\n}\nacl {\n filter\n}", "filter"),
        ("acl {\n allow\n}\nacl {\n block\n}", "allow"),  # allow ends the search
        ("acl net {\n block\n}\nacl www.example.org {\n drop\n}", "drop"),
        ("acl a.org example.org {\n block\n}", "block"),
        ("acl ample.org {\n block\n}", "allow"),
        ("acl", "allow"),
    ],
)
def test_the_first_line_that_fits_decides(directives: str, happens: str) -> None:
    assert outcome(directives) == happens


def test_without_zones_a_directive_holds_for_those_of_the_block() -> None:
    assert outcome("acl {\n block\n}", zones="example.org") == "block"
    assert outcome("acl {\n block\n}", zones="example.net") == "allow"


@pytest.mark.parametrize("source", ["", "unix", "1.2.3"])
def test_a_client_without_an_address_is_refused(source: str) -> None:
    said: list[tuple[str, str]] = []
    plugin = acl.setup(args("acl {\n allow net *\n}", log=lambda *line: said.append(line)))

    assert ask(plugin, "www.example.org. A", rest=BELOW, client=Client(source, 0)) == BLOCKED
    assert said == [("ERROR", f"Blocking request. Unable to parse source address: {source}")]


def test_counts_what_happens() -> None:
    metrics = Metrics()
    lines = "\n".join(["block type A", "filter type TXT", "drop type MX"])
    plugin = acl.setup(args(f"acl org example.org {{\n{lines}\n}}", metrics=metrics))

    for kind in ("A", "A", "TXT", "AAAA", "AAAA", "AAAA"):
        ask(plugin, f"www.example.org. {kind}", rest=BELOW, view="v")
    with pytest.raises(Dropped):
        ask(plugin, "www.example.org. MX", rest=BELOW, view="v")

    assert {
        name: metrics.family(f"acl_{name}_requests_total").values for name in ("blocked", "filtered", "dropped")
    } == {
        "blocked": {("dns://:53", "example.org.", "v"): 2},
        "filtered": {("dns://:53", "example.org.", "v"): 1},
        "dropped": {("dns://:53", "example.org.", "v"): 1},
    }
    assert metrics.family("acl_allowed_requests_total").values == {("dns://:53", "v"): 3}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("forbid", "unexpected token \"forbid\"; expect 'allow', 'block', 'filter' or 'drop'"),
        ("block A", r"unexpected token \"A\"; expect 'type \| net'"),
        ("block type", 'no token specified in "type" section'),
        ("block type net 10.0.0.0/8", 'no token specified in "type" section'),
        ("block net", 'no token specified in "net" section'),
        ("block type A net", 'no token specified in "net" section'),
        ("block type A type", 'no token specified in "type" section'),
        ("block net 10.0.0.1 net", 'no token specified in "net" section'),
        ("block net * net 10.0.0.0/33", 'illegal CIDR notation "10.0.0.0/33"'),
        ("block net fe80::1%eth0", 'illegal CIDR notation "fe80::1%eth0"'),
        ("block net 10.0.0.0/255.0.0.0", 'illegal CIDR notation "10.0.0.0/255.0.0.0"'),
        ("block type reserved", 'unexpected token "reserved"; expect legal QTYPE'),
        ("block type ABC", 'unexpected token "ABC"; expect legal QTYPE'),
        ("block type a", 'unexpected token "a"; expect legal QTYPE'),
        ("block net 10.0.0.0/33", 'illegal CIDR notation "10.0.0.0/33"'),
        ("block net example.org", 'illegal CIDR notation "example.org"'),
        ("block net 10.0.0.0/8 *x", r'illegal CIDR notation "\*x"'),
    ],
)
def test_says_what_is_wrong_in_the_corefile(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        acl.setup(args(f"acl {{\n {line}\n}}"))
