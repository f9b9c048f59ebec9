"""`/v1/pools`, as clients see it."""

from typing import Any

import pytest

from tests.ipamd.daemon import Daemon, Reply


def test_a_pool_comes_is_used_and_goes(ipamd: Daemon) -> None:
    wanted = {"name": "lab", "cidrs": ["198.51.100.0/29"], "purpose": "any", "exclude": ["198.51.100.3"]}
    made = ipamd.request("POST", "/v1/pools", wanted)
    lease = ipamd.lease("c", "lab")

    assert (made.status, made.headers["location"], lease.body["address"]) == (201, "/v1/pools/lab", "198.51.100.2")
    assert ipamd.request("GET", "/v1/pools/lab").body == {
        "name": "lab",
        "cidrs": ["198.51.100.0/29"],
        "purpose": "any",
        "strategy": "lowest",
        "exclude": ["198.51.100.3"],
        "gateway": None,
        "block_size": None,
        "capacity": 4,
        "used": 1,
        "cooling": 0,
        "reserved": 0,
        "free": 3,
        "leases": 1,
    }
    assert ipamd.request("DELETE", "/v1/pools/lab").body["code"] == "pool-in-use"
    ipamd.request("DELETE", lease.headers["location"])
    assert ipamd.request("DELETE", "/v1/pools/lab").status == 204
    assert ipamd.request("GET", "/v1/pools/lab").body["code"] == "unknown-pool"


def test_a_full_pool_tells_its_counts(ipamd: Daemon) -> None:
    ipamd.request("POST", "/v1/pools", {"name": "one", "cidrs": ["203.0.113.7/32"]})
    ipamd.lease("first", "one")
    refused = ipamd.lease("second", "one")

    assert (refused.status, refused.body["code"]) == (409, "exhausted")
    assert (refused.body["capacity"], refused.body["used"], refused.body["free"]) == (1, 1, 0)


def test_the_pools_of_the_configuration_are_there_from_the_start(daemon: Daemon) -> None:
    pools = daemon.request("GET", "/v1/pools").body["pools"]

    assert [pool["name"] for pool in pools] == ["pods", "pods-v6", "services", "services-v6"]
    assert pools[1]["capacity"] == 2**72 - 2  # every digit of it


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "p"}, 400, "malformed"),
        ({"name": "p", "cidrs": []}, 400, "malformed"),
        ({"name": "P", "cidrs": ["192.0.2.0/24"]}, 400, "malformed"),
        ({"name": "p", "cidrs": ["192.0.2.0/24"], "purpose": "cats"}, 400, "malformed"),
        ({"name": "p", "cidrs": ["192.0.2.1/24"]}, 422, "invalid"),
        ({"name": "p", "cidrs": ["192.0.2.0/24", "2001:db8::/64"]}, 422, "invalid"),
        ({"name": "p", "cidrs": [10]}, 400, "malformed"),
        ({"name": "p", "cidrs": ["10.244.1.0/24"]}, 409, "pool-overlap"),
        ({"name": "pods", "cidrs": ["192.0.2.0/24"]}, 409, "already-exists"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(ipamd: Daemon, body: Any, status: int, code: str) -> None:
    reply = ipamd.request("POST", "/v1/pools", body)

    assert (reply.status, reply.body["code"]) == (status, code)


def test_a_pool_is_made_grown_drained_and_shrunk_by_put(ipamd: Daemon) -> None:
    owner = {"kind": "Container", "name": "c"}

    def put(**body: object) -> Reply:
        return ipamd.request("PUT", "/v1/pools/elastic", {"cidrs": ["172.31.9.0/29"], **body})

    assert (put().status, put(cooldown=5).status) == (201, 200)
    assert put(name="other").body["code"] == "invalid"
    grown = put(cidrs=["172.31.9.0/29", "172.31.9.8/29"])
    assert grown.body["capacity"] == 10
    asked = {"pool": "elastic", "address": "172.31.9.10", "owner": owner}
    lease = ipamd.request("POST", "/v1/leases", asked)
    assert put().body["code"] == "pool-in-use"
    assert put(cidrs=["172.31.9.0/29", "172.31.9.8/29"], drained=True).body["drained"] is True
    assert ipamd.request("POST", "/v1/leases", {"pool": "elastic", "owner": {"kind": "C", "name": "d"}}).status == 409
    ipamd.request("DELETE", lease.headers["location"])
    assert put().body["capacity"] == 5
