"""The body of a batch is read as any other, only faster."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import EncodedBody, Malformed
from ipamd.http.batch_body import read_batch
from ipamd.http.codec import BatchRequest, read

texts = st.one_of(
    st.sampled_from(
        ["", "a", "Container", "pods", "a b", "a\n", "\n", "-a", "é", "x" * 63, "x" * 64, "y" * 254, "a.b"]
    ),
    st.text(alphabet="aZ0 -.\n\t!~é", max_size=4),
)
owners = st.fixed_dictionaries({"kind": texts, "name": texts}, optional={"namespace": texts, "uid": texts})
wanted = st.fixed_dictionaries({"owner": owners}, optional={"pool": texts, "node": texts, "purpose": texts})


def plain(name: str = "c", **more: object) -> dict[str, Any]:
    return {"pool": "pods", "owner": {"kind": "Container", "name": name}, **more}


def outcome(reading: Any, body: bytes) -> object:
    try:
        return msgspec.to_builtins(reading(body))
    except Malformed as refused:
        return refused.detail


@pytest.mark.parametrize(
    "lease",
    [
        plain("x    pods\nContainer y"),  # as if it were two
        plain("x "),
        {**plain(), "pool": ""},
        {**plain(), "pool": "/"},
        {**plain(), "pool": None, "purpose": "pods"},
        plain(node="a b"),
        {"pool": "pods", "owner": {"kind": "", "name": "a"}},
        {"pool": "pods", "owner": {"kind": "A", "name": ""}},
        {"pool": "pods", "owner": {"kind": "A", "name": "a", "namespace": "b c"}},
        {"pool": "pods", "owner": {"kind": "A", "name": "a", "uid": "b "}},
    ],
)
def test_a_lease_of_a_batch_is_taken_or_refused_in_the_same_words(lease: Any) -> None:
    body = json.dumps({"leases": [plain(), lease]}).encode()

    assert outcome(lambda body: read_batch(body, None), body) == outcome(
        lambda body: read(body, "identity", BatchRequest), body
    )


@given(
    st.lists(st.one_of(wanted, st.just(plain()), st.just(plain(node="n1", tags=["a b"]))), max_size=4), st.booleans()
)
def test_a_batch_is_taken_or_refused_in_the_same_words(leases: list[Any], atomic: bool) -> None:
    body = json.dumps({"leases": leases, "atomic": atomic}).encode()

    assert outcome(lambda body: read_batch(body, None), body) == outcome(
        lambda body: read(body, "identity", BatchRequest), body
    )


@pytest.mark.parametrize("body", [b"", b"[]", b'{"leases":[]}', b"\xff", b'{"leases":[{"x":1}]}'])
def test_what_is_no_batch_is_refused_in_the_same_words(body: bytes) -> None:
    said = outcome(lambda body: read_batch(body, None), body)
    assert isinstance(said, str)
    assert said == outcome(lambda body: read(body, None, BatchRequest), body)


def test_a_batch_that_is_compressed_is_refused() -> None:
    with pytest.raises(EncodedBody):
        read_batch(b"", "gzip")


def test_as_many_leases_are_read_as_a_batch_may_have() -> None:
    body = json.dumps({"leases": [plain(f"c{number}") for number in range(10_000)]}).encode()
    assert [each.owner.name for each in read_batch(body, None).leases[::9999]] == ["c0", "c9999"]
    with pytest.raises(Malformed):
        read_batch(body.replace(b'"c9"', b'"c 9"'), None)
