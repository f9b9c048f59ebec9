from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.chain import Client
from kdns.rewriting.options import edns0_rule
from kdns.wire import edns
from kdns.wire.edns import Edns
from tests.kdns.asking import question, request

Options = list[tuple[int, bytes]]

IPV4 = Client("192.0.2.129", 40212, "udp", "192.0.2.53", 53)
IPV6 = Client("2001:db8:ffff::1", 40212, "tcp", "::1", 53)


def sent(rule: str, before: Options | None = None, **fields: Any) -> tuple[Options, bool]:
    """The options of a query behind a rule, and whether the rule counts as applied."""
    opt = None if before is None else Edns(1232, edns.pack_options(before))
    change = edns0_rule(rule.split()).apply(request(question("Www.org. AAAA", edns=opt), **fields))
    if change is None:
        return before or [], False
    assert change.request.question.edns is not None
    assert change.request.question.edns.size == (1232 if opt else 4096)
    return list(edns.each_option(change.request.question.edns.options)), change.matched


CHANGES: Sequence[tuple[str, Options | None, Options, bool]] = [
    ("local set 0xffee 0xabcd", None, [(0xFFEE, b"\xab\xcd")], True),
    ("local set 65518 abcd", [(0xFFEE, b"x"), (9, b"")], [(0xFFEE, b"abcd"), (9, b"")], True),
    ("local append 0177756 abcd", [(0xFFEE, b"x")], [(0xFFEE, b"x"), (0xFFEE, b"abcd")], True),
    ("local replace 0xffee abcd", [(0xFFEE, b"x")], [(0xFFEE, b"abcd")], True),
    ("local replace 0xffee abcd", [(9, b"")], [(9, b"")], False),
    ("local replace 0xffee abcd", None, [], False),  # there is an OPT now all the same
    ("local unset 0xffee", [(0xFFEE, b"x"), (9, b""), (0xFFEE, b"y")], [(9, b"")], True),
    ("local set 0xffee {qname}", None, [(0xFFEE, b"Www.org.")], True),
    ("local append 0xffee {qname}", [(0xFFEE, b"x")], [(0xFFEE, b"x")], False),
    ("nsid set", None, [(3, b"")], True),
    ("nsid replace", [(3, b"x")], [(3, b"")], True),
    ("nsid unset", [(3, b"x")], [], True),
    ("subnet set 24 56", None, [(8, b"\0\1\x18\0\xc0\0\2")], True),
    ("subnet set 25 56", [(8, b"\0\1\0\0")], [(8, b"\0\1\x19\0\xc0\0\2\x80")], True),
    ("subnet append 24 56", [(8, b"\0\1\0\0")], [(8, b"\0\1\0\0")], False),
    ("subnet set 0 0", None, [(8, b"\0\1\0\0")], True),
    ("subnet unset", [(8, b"\0\1\0\0")], [], True),
]


@pytest.mark.parametrize(("rule", "before", "after", "matched"), CHANGES)
def test_options_of_the_query_are_changed(rule: str, before: Options | None, after: Options, matched: bool) -> None:
    assert sent(rule, before, client=IPV4) == (after, matched)


VARIABLES: Sequence[tuple[str, Client, bytes]] = [
    ("{qtype}", IPV4, b"\0\x1c"),
    ("{client_ip}", IPV4, b"\xc0\0\2\x81"),
    ("{client_ip}", IPV6, bytes.fromhex("20010db8ffff00000000000000000001")),
    ("{client_port}", IPV4, b"\x9d\x14"),
    ("{protocol}", IPV6, b"tcp"),
    ("{server_ip}", IPV4, b"\xc0\0\2\x35"),
    ("{server_ip}", IPV6, bytes(15) + b"\1"),
    ("{server_port}", IPV4, b"\0\x35"),
]


@pytest.mark.parametrize(("variable", "client", "data"), VARIABLES)
def test_a_variable_stands_for_what_is_known_of_the_query(variable: str, client: Client, data: bytes) -> None:
    assert sent(f"local set 0xffee {variable}", client=client) == ([(0xFFEE, data)], True)


def test_the_subnet_of_an_ipv6_client_is_sent() -> None:
    assert sent("subnet set 24 36", client=IPV6) == ([(8, bytes.fromhex("0002240020010db8f0"))], True)


@pytest.mark.parametrize(
    ("labels", "options"), [({"a/b": "c"}, [(0xFFEE, b"c")]), ({"a/b": ""}, []), ({}, []), (None, [])]
)
def test_metadata_is_sent_where_there_is_any(labels: dict[str, str] | None, options: Options) -> None:
    assert sent("local set 0xffee {a/b}", labels=labels) == (options, bool(options))


def test_an_address_of_the_other_family_is_not_sent() -> None:
    mixed = Client("192.0.2.1", 40212, "udp", "::1", 53)

    assert sent("local set 0xffee {server_ip}", client=mixed) == ([], False)


@pytest.mark.parametrize(
    ("rule", "of_packet", "local"),
    [
        ("local set 0xffee abc", True, 0xFFEE),
        ("local unset 0xffee", True, 0xFFEE),
        ("local set 0xffee {qname}", True, 0xFFEE),
        ("local set 0xffee {protocol}", False, 0xFFEE),
        ("local set 0xffee {a/b}", False, 0xFFEE),
        ("nsid set", True, None),
        ("subnet set 24 56", False, None),
        ("subnet unset", True, None),
    ],
)
def test_a_rule_says_what_it_looks_at(rule: str, of_packet: bool, local: int | None) -> None:
    read = edns0_rule(rule.split())

    assert (read.of_packet, read.local) == (of_packet, local)


@given(bits=st.integers(0, 128), address=st.ip_addresses(v=6))
def test_a_subnet_has_no_more_of_the_client_than_its_bits(bits: int, address: Any) -> None:
    ((_, data),), _ = sent(f"subnet set 0 {bits}", client=Client(str(address), 53))

    assert len(data) == 4 + (bits + 7) // 8
    assert int.from_bytes(data[4:].ljust(16, b"\0"), "big") == int(address) >> (128 - bits) << (128 - bits)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("local", "too few arguments for an EDNS0 rule"),
        ("local foo 0xffee abc", 'invalid action: "foo"'),
        ("cookie set", 'invalid rule type "cookie"'),
        ("cookie unset", 'invalid rule type "cookie"'),
        ("local set 0xffee", "EDNS0 local rules require three or four args"),
        ("local set x abc", 'strconv.ParseUint: parsing "x": invalid syntax'),
        ("local set 65536 abc", 'strconv.ParseUint: parsing "65536": value out of range'),
        ("local set 0xffee 0xabcdefg", "encoding/hex: invalid byte: U\\+0067 'g'"),
        ("local set 0xffee 0xabc", "encoding/hex: odd length hex string"),
        ("local set 0xffee {dummy}", 'unsupported variable name "{dummy}"'),
        ("local set 0xffee {/b}", 'unsupported variable name "{/b}"'),
        ("local unset 0xffee revert", "local unset action requires exactly two arguments"),
        ("nsid set junk", "EDNS0 NSID rules can accept no more than one arg"),
        ("nsid unset revert", "nsid unset action requires exactly one argument"),
        ("subnet set 24", "EDNS0 subnet rules require three or four args"),
        ("subnet set -1 56", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("subnet set 33 56", "invalid IPv4 bit mask length 33"),
        ("subnet set 24 129", "invalid IPv6 bit mask length 129"),
        ("subnet unset 24 56", "subnet unset action requires exactly one argument"),
    ],
)
def test_says_what_is_wrong_with_an_edns0_rule(rule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        edns0_rule(rule.split())
