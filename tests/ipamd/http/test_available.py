"""What is free in a pool, as NetBox shows it, and leases on the next of it."""

from tests.ipamd.daemon import Daemon


def owners(count: int, **more: object) -> dict[str, object]:
    return {"leases": [{"owner": {"kind": "Container", "name": f"c{number}"}, **more} for number in range(count)]}


def test_the_next_free_addresses_are_listed_and_leased_all_or_none(ipamd: Daemon) -> None:
    ipamd.request("POST", "/v1/pools", {"name": "net", "cidrs": ["172.24.0.0/29"], "exclude": ["172.24.0.3"]})
    path = "/v1/pools/net/available-ips"
    free = ["172.24.0.2/32", "172.24.0.4/32", "172.24.0.5/32", "172.24.0.6/32"]

    assert ipamd.request("GET", path).body == {"available": free}
    assert ipamd.request("GET", f"{path}?limit=2").body == {"available": free[:2]}
    assert ipamd.request("POST", path, owners(5)).body["code"] == "exhausted"
    assert ipamd.request("GET", path).body == {"available": free}
    made = ipamd.request("POST", path, owners(3))
    assert (made.status, [each["lease"]["address"] for each in made.body["leases"]]) == (
        201,
        ["172.24.0.2", "172.24.0.4", "172.24.0.5"],
    )
    assert ipamd.request("GET", path).body == {"available": free[3:]}
    assert ipamd.request("POST", path, owners(1, prefix_length=30)).body["code"] == "invalid"


def test_the_largest_free_blocks_are_listed_and_leased(ipamd: Daemon) -> None:
    pool = {"name": "blocks", "cidrs": ["172.25.0.0/24"], "edges": "all", "exclude": ["172.25.0.64/26"]}
    ipamd.request("POST", "/v1/pools", pool)
    path = "/v1/pools/blocks/available-prefixes"

    assert ipamd.request("GET", path).body == {"available": ["172.25.0.0/26", "172.25.0.128/25"]}
    made = ipamd.request("POST", path, owners(2, prefix_length=27))
    assert [each["lease"]["address"] for each in made.body["leases"]] == ["172.25.0.0", "172.25.0.32"]
    assert ipamd.request("GET", path).body == {"available": ["172.25.0.128/25"]}
    assert ipamd.request("POST", path, owners(1)).body["code"] == "invalid"


def test_an_ipv6_pool_tells_its_largest_blocks(ipamd: Daemon) -> None:
    ipamd.request("POST", "/v1/pools", {"name": "six", "cidrs": ["2001:db8:5::/64"], "edges": "all"})
    lease = {"pool": "six", "address": "2001:db8:5::", "owner": {"kind": "C", "name": "c"}}
    assert ipamd.request("POST", "/v1/leases", lease).status == 201
    found = ipamd.request("GET", "/v1/pools/six/available-prefixes?limit=3").body["available"]
    assert found == ["2001:db8:5::1/128", "2001:db8:5::2/127", "2001:db8:5::4/126"]
    assert ipamd.request("GET", "/v1/pools/six/available-prefixes?limit=0").body["code"] == "malformed"
    assert ipamd.request("GET", "/v1/pools/nope/available-ips").body["code"] == "unknown-pool"
