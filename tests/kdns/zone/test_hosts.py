"""Hosts files as tables."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, names
from kdns.zone import hosts
from kdns.zone.hosts import Table

ROOT = (names.ROOT,)
FILE = """
127.0.0.1 localhost localhost.localdomain # the machine itself
::1       localhost
10.0.0.1  www.example.org WWW.example.org
10.0.0.2  www.example.org
::ffff:10.0.0.3 mapped.example.org
fe80::1%eth0 link.example.org
10.0.0.4  *.apps.example.org
fd00::4   *.apps.example.org
10.0.0.5  exact.apps.example.org
nonsense  bad.example.org
10.0.0.256 bad.example.org
10.0.0.6
10.0.0.7  broken..example.org fine.example.org
"""


def addresses(table: Table, name: str, qtype: int) -> list[str]:
    """The addresses of a name as text."""
    return [str(ip_address(packed)) for packed in hosts.lookup((table,), names.parse(name).lower(), qtype)]


@pytest.mark.parametrize(
    ("name", "v4", "v6"),
    [
        ("localhost", ["127.0.0.1"], ["::1"]),
        ("localhost.localdomain", ["127.0.0.1"], []),
        ("www.example.org", ["10.0.0.1", "10.0.0.1", "10.0.0.2"], []),
        ("mapped.example.org", ["10.0.0.3"], []),
        ("link.example.org", [], ["fe80::1"]),
        ("any.apps.example.org", ["10.0.0.4"], ["fd00::4"]),
        ("exact.apps.example.org", ["10.0.0.5"], ["fd00::4"]),  # the exact name wins in its own family only
        ("deeper.any.apps.example.org", [], []),
        ("apps.example.org", [], []),
        ("bad.example.org", [], []),
        ("fine.example.org", ["10.0.0.7"], []),
    ],
)
def test_names_have_the_addresses_of_the_file(name: str, v4: list[str], v6: list[str]) -> None:
    table = hosts.parse(FILE, ROOT)

    assert addresses(table, name, codes.A) == v4
    assert addresses(table, name, codes.AAAA) == v6


def test_names_outside_the_zones_are_left_out() -> None:
    table = hosts.parse(FILE, (names.parse("example.org"),))

    assert addresses(table, "www.example.org", codes.A)
    assert not addresses(table, "localhost", codes.A)


def test_addresses_have_names_but_for_wildcards() -> None:
    table = hosts.parse(FILE, ROOT)

    assert hosts.owners((table,), ip_address("127.0.0.1")) == (
        names.parse("localhost"),
        names.parse("localhost.localdomain"),
    )
    assert hosts.owners((table,), ip_address("10.0.0.4")) == ()
    assert not hosts.parse(FILE, ROOT, reverse=False).names


def test_the_first_tables_addresses_come_first() -> None:
    first, second = hosts.parse("10.0.0.1 a", ROOT), hosts.parse("10.0.0.2 a", ROOT)

    assert hosts.lookup((first, second), names.parse("a"), codes.A) == (b"\n\0\0\1", b"\n\0\0\2")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("1.0.0.127.in-addr.arpa", "127.0.0.1"),
        ("b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa", "4321:0:1:2:3:4:567:89ab"),
    ],
)
def test_a_reverse_name_stands_for_an_address(name: str, address: str) -> None:
    key = names.parse(name)

    assert hosts.address_of_reverse(key) == ip_address(address)
    assert hosts.reverse_of(ip_address(address)) == key


@pytest.mark.parametrize(
    "name",
    [".", "arpa", "0.0.127.in-addr.arpa", "0.1.0.0.127.in-addr.arpa", "x.0.0.127.in-addr.arpa", "1.ip6.arpa",
     "01.0.0.127.in-addr.arpa", "xx.0" + ".0" * 30 + ".ip6.arpa", "www.example.org"],
)  # fmt: skip
def test_other_names_stand_for_none(name: str) -> None:
    assert hosts.address_of_reverse(names.parse(name)) is None


LINES = st.lists(
    st.tuples(
        st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "x"]), st.sampled_from(["a", "b", "*.b", "c.b", "A"])
    ),
    max_size=8,
)


def as_text(lines: list[tuple[str, str]]) -> str:
    """Lines of a hosts file."""
    return "\n".join(" ".join(line) for line in lines)


@given(LINES, LINES)
def test_whatever_a_new_reading_changes_is_told(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> None:
    old, new = hosts.parse(as_text(before), ROOT), hosts.parse(as_text(after), ROOT)
    told = set(hosts.changed(old, new))

    for key in map(names.parse, ("a", "b", "c.b", "d.b", "e")):
        for qtype in (codes.A, codes.AAAA):
            if hosts.lookup((old,), key, qtype) != hosts.lookup((new,), key, qtype):
                assert told & {key, hosts.wildcard(key)}
    for address in map(ip_address, ("10.0.0.1", "10.0.0.2", "fd00::1")):
        if hosts.owners((old,), address) != hosts.owners((new,), address):
            assert hosts.reverse_of(address) in told


@given(st.text())
def test_no_text_whatever_is_refused(text: str) -> None:
    table = hosts.parse(text, ROOT)

    assert table.entries == sum(map(len, table.addresses.values())) + sum(map(len, table.names.values()))


@given(LINES)
def test_a_table_says_what_the_lines_say(lines: list[tuple[str, str]]) -> None:
    table = hosts.parse(as_text(lines), ROOT)

    for name in ("a", "b"):
        said = [address for address, owner in lines if owner.lower() == name and address != "x"]
        assert [*addresses(table, name, codes.A), *addresses(table, name, codes.AAAA)] == sorted(
            said, key=lambda a: ":" in a
        )
