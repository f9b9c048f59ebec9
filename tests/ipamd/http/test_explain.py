"""`/v1/explain`: what a lease would get, and why not from another pool; nothing is changed by it."""

from tests.ipamd.daemon import Daemon

OWNER = {"kind": "Container", "name": "c"}


def test_the_pool_and_address_that_would_be_given_and_why_not_another(ipamd: Daemon) -> None:
    for pool in (
        {"name": "lb-shop", "cidrs": ["198.51.100.0/30"], "purpose": "lb", "namespaces": ["shop"]},
        {"name": "lb-full", "cidrs": ["198.51.100.4/32"], "purpose": "lb", "drained": True},
        {"name": "lb-open", "cidrs": ["198.51.100.8/30"], "purpose": "lb"},
    ):
        assert ipamd.request("POST", "/v1/pools", pool).status == 201

    told = ipamd.request("POST", "/v1/explain", {"purpose": "lb", "owner": OWNER}).body

    assert (told["pool"], told["would_give"]) == ("lb-open", "198.51.100.8")
    reasons = {each["pool"]: each.get("problem", {}).get("code") for each in told["pools"]}
    assert reasons == {"lb-shop": "not-admitted", "lb-full": "drained", "lb-open": None}
    assert ipamd.request("GET", "/v1/pools/lb-open").body["used"] == 0
    lease = ipamd.request("POST", "/v1/leases", {"purpose": "lb", "owner": OWNER}).body
    assert lease["address"] == told["would_give"]


def test_what_nobody_would_give_is_told_with_every_reason(ipamd: Daemon) -> None:
    told = ipamd.request("POST", "/v1/explain", {"pool": "pods", "address": "10.9.9.9", "owner": OWNER}).body
    assert told["would_give"] == told["pool"] == ""
    assert told["pools"][0]["problem"]["code"] == "outside-pool"


def test_a_pool_that_is_not_there_is_an_error(ipamd: Daemon) -> None:
    assert ipamd.request("POST", "/v1/explain", {"pool": "nope", "owner": OWNER}).body["code"] == "unknown-pool"
    assert ipamd.request("POST", "/v1/explain", {"owner": OWNER}).body["code"] == "invalid"
