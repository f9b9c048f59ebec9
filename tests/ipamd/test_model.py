"""The nouns read themselves."""

import pytest

from ipamd.model import Lease, Owner


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (Owner("Pod", "a", "ns", "u1"), True),
        (Owner("Pod", "a", "ns"), True),  # without a uid, any incarnation is meant
        (Owner("Pod", "a", "ns", "u2"), False),
        (Owner("Pod", "a", "other", "u1"), False),
        (Owner("Pod", "b", "ns", "u1"), False),
        (Owner("Node", "a", "ns", "u1"), False),
    ],
)
def test_an_owner_is_who_it_was_by_kind_namespace_name_and_uid(other: Owner, is_same: bool) -> None:
    assert Owner("Pod", "a", "ns", "u1").is_same(other) is is_same
    assert other.is_same(Owner("Pod", "a", "ns", "u1")) is is_same


@pytest.mark.parametrize(("namespace", "text"), [("ns", "Pod ns/a"), ("", "Pod a")])
def test_an_owner_is_shown_for_people(namespace: str, text: str) -> None:
    assert str(Owner("Pod", "a", namespace)) == text


@pytest.mark.parametrize(
    ("address", "length", "text"),
    [
        ("10.0.0.1", 32, "10.0.0.1"),
        ("10.0.0.0", 24, "10.0.0.0/24"),
        ("fd00::1", 128, "fd00::1"),
        ("fd00::", 64, "fd00::/64"),
        ("fd00::", 32, "fd00::/32"),
    ],
)
def test_a_lease_is_shown_as_its_address_or_its_block(address: str, length: int, text: str) -> None:
    lease = Lease(1, 1, "p", address, length, Owner("Node", "n"), 0.0)

    assert str(lease) == text
    assert lease.is_single == ("/" not in text)
