"""`/v1/leases`, as clients see it."""

import subprocess
from typing import Any

import pytest

from tests.ipamd.daemon import Daemon


def test_the_command_of_the_readme_leases_an_address(daemon: Daemon) -> None:
    body = '{"pool":"pods","owner":{"kind":"Pod","namespace":"default","name":"web-0"}}'
    curl = subprocess.run(
        ["curl", "-s", "-w", "%{http_code}", f"{daemon.url}/v1/leases", "-d", body], capture_output=True, text=True
    )

    assert '"address":"10.244.0.2"' in curl.stdout
    assert curl.stdout.endswith("201")


def test_a_new_lease_is_shown_whole_and_again_with_200(ipamd: Daemon) -> None:
    wish = {"labels": {"app": "web"}, "ttl": 3600}
    made = ipamd.lease("whole", "pods", **wish)
    again = ipamd.lease("whole", "pods")

    assert (made.status, again.status) == (201, 200)
    assert made.headers["location"] == again.headers["location"] == f"/v1/leases/{made.body['id']}"
    assert made.body == again.body == ipamd.request("GET", made.headers["location"]).body
    assert set(made.body) == {
        *(
            "id",
            "pool",
            "address",
            "prefix_length",
            "owner",
            "labels",
            "created",
            "revision",
            "generation",
            "ttl",
            "expires",
        ),
    }
    assert made.body["owner"] == {"kind": "Container", "name": "whole", "namespace": "", "uid": ""}
    assert made.body["expires"].endswith("Z")


def test_an_address_or_a_block_may_be_asked_for(ipamd: Daemon) -> None:
    block = ipamd.lease("block", "pods-v6", prefix_length=64)
    exact = ipamd.lease("exact", "pods-v6", address="FD00:10:244:1::AB")

    assert (block.body["address"], block.body["prefix_length"]) == ("fd00:10:244::", 64)
    assert (exact.body["address"], exact.body["prefix_length"]) == ("fd00:10:244:1::ab", 128)


def test_a_released_lease_is_gone(ipamd: Daemon) -> None:
    path = ipamd.lease("short").headers["location"]

    assert ipamd.request("DELETE", path).status == 204
    assert ipamd.request("DELETE", path).body["code"] == "unknown-lease"
    assert ipamd.request("GET", path).status == 404


def test_a_lease_is_renewed_with_and_without_a_body(ipamd: Daemon) -> None:
    path = ipamd.lease("renewed", ttl=60).headers["location"]

    assert ipamd.request("POST", f"{path}/renew", {"ttl": 90}).body["ttl"] == 90
    assert ipamd.request("POST", f"{path}/renew").body["ttl"] == 90
    assert ipamd.request("POST", f"{path}/renew", {"ttl": 0}).body["code"] == "malformed"


def test_leases_are_listed_in_pages(ipamd: Daemon) -> None:
    for number in range(5):
        ipamd.lease(f"page-{number}", labels={"test": "pages"})
    names, query = [], "/v1/leases?label=test=pages&limit=2"
    page = ipamd.request("GET", query).body
    while True:
        names += [lease["owner"]["name"] for lease in page["leases"]]
        if "continue" not in page:
            break
        page = ipamd.request("GET", f"{query}&continue={page['continue']}").body

    assert names == [f"page-{number}" for number in range(5)]
    assert ipamd.request("GET", "/v1/leases?name=page-3&kind=Container&namespace=").body["leases"][0]["labels"]


def test_the_holder_of_an_address_is_told(ipamd: Daemon) -> None:
    ipamd.lease("holder", address="10.244.77.1")
    refused = ipamd.lease("latecomer", address="10.244.77.1")

    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.body["holder"]["name"] == "holder"
    assert (refused.status, refused.body["status"], refused.body["code"]) == (409, 409, "taken")
    assert ipamd.request("GET", "/v1/leases?address=10.244.77.1").body["leases"][0]["owner"]["name"] == "holder"


OWNER = {"kind": "Container", "name": "x"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b'"\\ud800"', 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        ({"pool": "pods"}, 400, "malformed"),
        ({"pool": "pods", "owner": OWNER, "adress": "10.244.0.9"}, 400, "malformed"),
        ({"pool": "pods", "owner": OWNER, "address": False}, 400, "malformed"),
        ({"pool": "pods", "owner": OWNER, "prefix_length": 200}, 400, "malformed"),
        ({"pool": "pods", "owner": OWNER, "ttl": 0}, 400, "malformed"),
        ({"pool": "pods", "owner": {"kind": "Container", "name": "a b"}}, 400, "malformed"),
        ({"pool": "pods", "owner": {"kind": "", "name": "a"}}, 400, "malformed"),
        ({"pool": "pods", "owner": {"kind": "Container", "name": "é"}}, 400, "malformed"),
        ({"pool": "pods", "owner": OWNER, "address": "10.244.0.09"}, 422, "invalid"),
        ({"pool": "pods", "owner": OWNER, "prefix_length": 4}, 422, "invalid"),
        ({"pool": "pods", "owner": OWNER, "labels": {"a b": ""}}, 422, "invalid"),
        ({"pool": "pods", "owner": {"kind": "Pod", "name": "A"}}, 422, "invalid"),
        ({"pool": "pods", "owner": OWNER, "address": "192.0.2.1"}, 422, "outside-pool"),
        ({"pool": "pods", "owner": OWNER, "address": "10.244.0.1"}, 422, "withheld"),
        ({"pool": "nope", "owner": OWNER}, 404, "unknown-pool"),
        (b" " * (4 << 20), 413, "too-large"),
    ],
)
def test_a_refusal_is_problem_json_with_a_stable_code(ipamd: Daemon, body: Any, status: int, code: str) -> None:
    reply = ipamd.request("POST", "/v1/leases", body)

    assert (reply.status, reply.body["status"], reply.body["code"]) == (status, status, code)
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_compressed_body_is_refused_unread(ipamd: Daemon) -> None:
    reply = ipamd.request("POST", "/v1/leases", b"\x1f\x8b\x08", {"Content-Encoding": "gzip"})

    assert (reply.status, reply.body["code"]) == (415, "encoded-body")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("within=10.20.0.0/16", ["four", "block", "timed"]),
        ("within=10.20.0.0/30", ["four"]),
        ("within=10.20.0.0/24", ["four"]),
        ("within=10.20.2.0/23", ["block"]),
        ("within=10.20.2.0/25", []),  # the block does not lie in it
        ("within=10.20.2.5/32", []),
        ("within=fd20::/64", ["six"]),
        ("within=::/0", ["six"]),
        ("within=0.0.0.0/0", ["four", "block", "timed"]),
        ("node=n1", ["six", "timed"]),
        ("state=permanent", ["four", "six", "block"]),
        ("state=expiring", ["timed"]),
        ("state=expiring&node=n2", []),
        ("node=n1&within=10.0.0.0/8&pool=four", ["timed"]),
        ("address=10.20.2.77&within=10.20.2.0/24", ["block"]),
        ("address=10.20.2.77&within=10.20.3.0/24", []),
    ],
)
def test_leases_are_found_by_where_they_lie_their_node_and_whether_they_end(
    found_by: Daemon, query: str, names: list[str]
) -> None:
    leases = found_by.request("GET", f"/v1/leases?kind=Found&{query}").body["leases"]

    assert [each["owner"]["name"] for each in leases] == names


@pytest.fixture(scope="module")
def found_by(ipamd: Daemon) -> Daemon:
    """With leases that differ in what they can be found by."""
    for pool, cidr in (("four", "10.20.0.0/16"), ("six", "fd20::/64")):
        assert ipamd.request("PUT", f"/v1/pools/{pool}", {"cidrs": [cidr]}).status == 201
    ipamd.lease("four", "four", "Found", address="10.20.0.3")
    ipamd.lease("six", "six", "Found", node="n1")
    ipamd.lease("block", "four", "Found", address="10.20.2.0", prefix_length=24)
    ipamd.lease("timed", "four", "Found", address="10.20.9.9", node="n1", ttl=9999)
    return ipamd


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/leases/abc", 404, "unknown-lease"),
        ("GET", "/v1/leases/99999999999999999999", 404, "unknown-lease"),
        ("GET", "/v1/leases/999999", 404, "unknown-lease"),
        ("POST", "/v1/leases/999999/renew", 404, "unknown-lease"),
        ("GET", "/v1/leases?pool=nope", 404, "unknown-pool"),
        ("GET", "/v1/leases?pol=pods", 400, "malformed"),
        ("GET", "/v1/leases?label=a", 400, "malformed"),
        ("GET", "/v1/leases?state=leased", 400, "malformed"),
        ("GET", "/v1/leases?within=10.0.0.1", 422, "invalid"),
        ("GET", "/v1/leases?within=10.0.0.1/8", 422, "invalid"),
        ("GET", "/v1/leases?limit=0", 400, "malformed"),
        ("GET", "/v1/leases?limit=99999", 400, "malformed"),
        ("GET", "/v1/leases?continue=-1", 400, "malformed"),
        ("GET", "/v1/leases?address=nope", 422, "invalid"),
        ("PUT", "/v1/leases", 405, "method-not-allowed"),
        ("GET", "/v1/nope", 404, "not-found"),
        ("GET", "/nope", 404, "not-found"),
    ],
)
def test_a_path_or_query_that_is_wrong_is_told(ipamd: Daemon, method: str, path: str, status: int, code: str) -> None:
    reply = ipamd.request(method, path)

    assert (reply.status, reply.body["code"]) == (status, code)


def test_an_address_that_is_held_already_is_asked_for_by_its_name(ipamd: Daemon) -> None:
    assert ipamd.lease("holds", address="10.244.78.1", held=True).body["address"] == "10.244.78.1"
    assert ipamd.lease("other", address="10.244.78.1", held=True).body["code"] == "taken"
    refused = ipamd.lease("other", held=True)
    assert (refused.body["code"], refused.body["detail"]) == ("invalid", "name the address that is held")
