"""Bodies: read strictly, shown in full."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import EncodedBody, Invalid, Malformed, Taken
from ipamd.http.codec import LeaseRequest, PoolRequest, RenewRequest, lease_body, problem, read, rfc3339, shown
from ipamd.model import Lease, Owner, Pool, Wish

LEAST = b'{"pool":"p","owner":{"kind":"Pod","name":"a"}}'


def test_the_least_request_for_a_lease_wishes_for_any_address() -> None:
    request = read(LEAST, None, LeaseRequest)

    assert request.wish() == Wish(pool="p")
    assert request.holder() == Owner("Pod", "a")


def test_an_address_is_wished_for_in_canonical_form() -> None:
    request = read(LEAST[:-1] + b',"address":"FD00::0001","labels":{"a":"b"},"ttl":7}', "identity", LeaseRequest)

    assert request.wish() == Wish(pool="p", address="fd00::1", labels={"a": "b"}, ttl=7)


def test_a_pool_is_read_as_it_is_written() -> None:
    body = b'{"name":"p","cidrs":["10.0.0.0/8"],"purpose":"nodes","strategy":"random","block_size":24}'

    assert read(body, None, PoolRequest).pool() == Pool("p", ("10.0.0.0/8",), "nodes", "random", block_size=24)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_body_in_any_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(EncodedBody):
        read(b"{}", encoding, RenewRequest)


@pytest.mark.parametrize("field", ["kind", "name", "namespace", "uid"])
def test_what_identifies_an_owner_has_no_line_end(field: str) -> None:
    owner = {"kind": "VM", "name": "web", field: "web\n"}

    with pytest.raises(Malformed, match=field):
        read(json.dumps({"pool": "pods", "owner": owner}).encode(), None, LeaseRequest)


def test_an_empty_body_is_told_apart_from_a_broken_one() -> None:
    with pytest.raises(Malformed, match="the body is empty"):
        read(b"", None, LeaseRequest)
    with pytest.raises(Malformed, match="truncated"):
        read(b"{", None, LeaseRequest)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(msgspec.json.encode))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    for kind in (LeaseRequest, PoolRequest, RenewRequest):
        try:
            read(body, None, kind)
        except Malformed:
            continue


@given(
    st.dictionaries(
        st.sampled_from(["pool", "owner", "address", "prefix_length", "ttl", "x"]), st.text() | st.integers()
    )
)
def test_any_object_is_a_wish_or_refused(document: dict[str, object]) -> None:
    owner = {"kind": "Pod", "name": "a"}
    try:
        read(msgspec.json.encode({"pool": "p", **document, "owner": owner}), None, LeaseRequest).wish()
    except (Malformed, Invalid):
        return


def test_a_lease_is_shown_with_times_for_people_and_numbers_as_text() -> None:
    lease = Lease(7, 9, "p", "10.0.0.1", 32, Owner("Pod", "a", "ns", "u"), 0.5, {"a": "b"}, 60, 60.5, made_pod=True)
    document = json.loads(bytes(shown(lease_body(lease), 201).body))  # type: ignore[arg-type]

    assert document == {
        "id": "7",
        "pool": "p",
        "address": "10.0.0.1",
        "prefix_length": 32,
        "labels": {"a": "b"},
        "owner": {"kind": "Pod", "name": "a", "namespace": "ns", "uid": "u"},
        "revision": "9",
        "generation": 1,
        "created": "1970-01-01T00:00:00.500Z",
        "expires": "1970-01-01T00:01:00.500Z",
        "ttl": 60,
    }


def test_a_lease_for_ever_has_no_end() -> None:
    lease = Lease(7, 9, "p", "10.0.0.1", 32, Owner("Pod", "a"), 0.0)

    assert {"ttl", "expires"}.isdisjoint(json.loads(msgspec.json.encode(lease_body(lease))))


def test_a_problem_has_the_members_of_rfc_9457_and_those_of_the_error() -> None:
    response = problem(Taken("10.0.0.1 is taken", holder={"kind": "Pod", "name": "a"}))

    assert (response.status, response.content_type) == (409, "application/problem+json")
    assert json.loads(bytes(response.body)) == {  # type: ignore[arg-type]
        "type": "about:blank",
        "title": "The address is taken",
        "status": 409,
        "detail": "10.0.0.1 is taken",
        "code": "taken",
        "holder": {"kind": "Pod", "name": "a"},
    }


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1970-01-01T00:00:00.000Z"), (1_795_409_766.397, "2026-11-23T04:56:06.397Z")]
)
def test_times_are_rfc_3339_in_utc(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text
