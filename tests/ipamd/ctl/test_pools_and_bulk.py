"""ipamctl's commands about pools, and about many leases at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ipamd.ctl.running import Done, Ipamctl
from tests.ipamd.daemon import Daemon

LAB = {"name": "lab", "cidrs": ["172.22.0.0/29"], "purpose": "lb", "description": "for trying things out"}


@pytest.fixture(autouse=True)
def lab(daemon: Daemon) -> None:
    assert daemon.request("POST", "/v1/pools", LAB).status == 201


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def lasting(export: str) -> list[object]:
    """What an export says that another daemon has to say as well."""
    kept = ("kind", "name", "cidrs", "quotas", "drained", "namespaces", "nodes", "pool", "address", "prefix_length")
    documents = [json.loads(line) for line in export.splitlines()]
    return sorted([str([each.get(name) for name in kept]) for each in documents])


def of_lab(export: str) -> list[object]:
    """What an export says of the pool and its leases."""
    documents = [json.loads(line) for line in export.splitlines()]
    kept = ("kind", "address", "owner", "labels", "cidrs")
    return [[each.get(name) for name in kept] for each in documents if "lab" in (each.get("name"), each.get("pool"))]


def test_a_pool_grows_shrinks_and_is_drained(ipamctl: Ipamctl) -> None:
    assert ipamctl("grow", "lab", "172.22.0.8/29", "172.22.0.16/29").out == (
        "pool lab is changed: 24 of 24 addresses are free\n"
    )
    assert ipamctl("shrink", "lab", "172.22.0.8/29").out == "pool lab is changed: 16 of 16 addresses are free\n"
    refused = ipamctl("shrink", "lab", "10.0.0.0/8")
    assert (refused.status, refused.err) == (
        2,
        "ipamctl: pool lab has no 10.0.0.0/8; it has 172.22.0.0/29, 172.22.0.16/29\n",
    )
    refused = ipamctl("shrink", "lab", "172.22.0.0/29", "172.22.0.16/29")
    remedy = "delete the pool (`ipamctl pool delete lab`), drain it, or grow it first"
    assert (refused.status, refused.err) == (2, f"ipamctl: pool lab would have no CIDR left: {remedy}\n")
    assert ipamctl("drain", "lab").out == "pool lab is drained: 16 of 16 addresses are free\n"
    assert "drained" in ipamctl("lease", "lab").err
    assert ipamctl("drain", "lab", "--undo").out.startswith("pool lab gives again")
    assert json.loads(ipamctl("pools", "-o", "json").out)["pools"][0]["description"] == LAB["description"]


def test_pools_that_several_grow_at_a_time_get_what_all_have_said(ipamctl: Ipamctl) -> None:
    cidrs = [f"172.22.1.{first}/30" for first in range(0, 24, 4)]
    with ThreadPoolExecutor() as threads:
        done = [*threads.map(lambda cidr: ipamctl("grow", "lab", cidr), cidrs)]
    assert [each.status for each in done] == [0] * len(cidrs), done
    (lab,) = [each for each in json.loads(ipamctl("pools", "-o", "json").out)["pools"] if each["name"] == "lab"]
    assert set(cidrs) <= set(lab["cidrs"])


def test_pools_tell_how_full_they_are_and_when_they_will_be(ipamctl: Ipamctl) -> None:
    for number in range(4):
        ipamctl("lease", "lab", "--owner", f"Container/c{number}")
    row = next(line for line in words(ipamctl("pools").out) if line[0] == "lab")
    assert row[3:11] == ["8", "4", "0", "0", "4", "4", "#####.....", "50%"][:8]
    assert row[-1].count("-") == 2  # a day


def test_what_a_lease_would_get_is_explained(ipamctl: Ipamctl) -> None:
    said = ipamctl("explain", "--purpose", "lb").out
    assert "a lease would get 172.22.0.0 of pool lab" in said
    for form in ("table", "json"):
        refused = ipamctl("explain", "--pool", "lab", "--address", "172.23.0.1", "-o", form)
        assert "is outside pool lab" in refused.out
        assert refused.status == 1
        assert refused.err == "ipamctl: a lease would get nothing\n"
    assert json.loads(ipamctl("explain", "--pool", "lab", "-o", "json").out)["would_give"] == "172.22.0.0"


def test_an_export_makes_the_same_pools_and_leases_elsewhere(ipamctl: Ipamctl, tmp_path: Path) -> None:
    file = tmp_path / "leases.ndjson"
    assert ipamctl("export", str(file)).out == f"{file} has 5 pools and 1 lease\n"
    for number in range(3):
        ipamctl("lease", "lab", "--owner", f"Container/c{number}", "--label", f"n={number}")
    assert ipamctl("export", str(file)).out == f"{file} has 5 pools and 4 leases\n"
    assert ipamctl("export").out.splitlines() == file.read_text().splitlines()
    (tmp_path / "other").mkdir()
    other = Daemon(tmp_path / "other")
    other.start()
    try:
        tried = ipamctl("import", "leases", str(file), "--dry-run", server=other.url)
        assert (tried.status, tried.err) == (0, "")
        assert "lab" not in ipamctl("pools", server=other.url).out
        for _ in range(2):  # it may be repeated
            assert ipamctl("import", "leases", str(file), server=other.url).status == 0
        assert words(ipamctl("search", "container/c", server=other.url).out)[1:] != []
        mine, theirs = (of_lab(ipamctl("export", server=url).out) for url in ("", other.url))
        assert mine == theirs
        assert len(mine) == 4
    finally:
        other.stop()


def test_an_import_makes_pools_in_blocks_of_others_and_pools_that_give_nothing_more(
    daemon: Daemon, ipamctl: Ipamctl, tmp_path: Path
) -> None:
    def put(name: str, **pool: object) -> None:
        reply = daemon.request("PUT", f"/v1/pools/{name}", {"purpose": "lb", **pool})
        assert reply.status in (200, 201), reply.body

    by_node: dict[str, object] = {"cidrs": ["172.24.0.0/16"], "block_size": 24, "per_node": True}
    put("by-node", **by_node)
    put("full", cidrs=["172.25.0.0/24"])
    assert ipamctl("lease", "by-node", "--owner", "Node/n1", "--prefix-length", "24").status == 0
    assert daemon.lease("a", pool="by-node", node="n1").status == 201
    assert ipamctl("lease", "full", "--owner", "Team/blue", "--prefix-length", "28").status == 0
    put("a-inner", cidrs=["172.25.0.0/28"], parent="full")
    assert daemon.lease("b", pool="a-inner").status == 201
    put("by-node", **by_node, quotas={"*": 1})
    put("full", cidrs=["172.25.0.0/24"], drained=True, namespaces=["nobody"])
    ipamctl("export", str(tmp_path / "export"))

    other = Daemon(tmp_path / "other")
    other.store.parent.mkdir()
    other.start()
    try:
        for _ in range(2):
            done = ipamctl("import", "leases", str(tmp_path / "export"), server=other.url)
            assert (done.status, done.err) == (0, "")
        assert lasting(ipamctl("export", server=other.url).out) == lasting((tmp_path / "export").read_text())
        assert other.request("GET", "/v1/check").body["findings"] == []
    finally:
        other.stop()


@pytest.mark.parametrize(
    ("text", "words_"), [("no json", "no JSON"), ('{"kind": "Pod"}', "neither a Pool nor a Lease"), ("[]", "neither")]
)
def test_what_is_no_export_is_refused_with_its_line(ipamctl: Ipamctl, text: str, words_: str) -> None:
    refused = ipamctl("import", "leases", "-", stdin=f'{{"kind": "Lease", "pool": "lab"}}\n{text}\n')
    assert refused.status == 2
    assert f"-:2: {words_}" in refused.err


def test_an_export_that_contradicts_what_is_there_changes_nothing(ipamctl: Ipamctl, daemon: Daemon) -> None:
    ipamctl("lease", "lab", "--owner", "Container/here", "--address", "172.22.0.5")
    line = {"kind": "Lease", "pool": "lab", "address": "172.22.0.5", "owner": {"kind": "Container", "name": "there"}}
    refused = ipamctl("import", "leases", "-", stdin=json.dumps(line))
    assert (refused.status, "is leased to Container here" in refused.err) == (1, True)


def test_leases_are_shown_by_filters_and_all_of_them_however_many(daemon: Daemon, ipamctl: Ipamctl) -> None:
    wishes = [{"pool": "pods", "owner": {"kind": "Host", "name": f"h{n}"}, "node": f"n{n % 2}"} for n in range(600)]
    assert daemon.request("POST", "/v1/leases:batch", {"leases": wishes}).status == 200
    daemon.lease("timed", ttl=60, labels={"app": "web", "tier": "one"})

    def shown(*flags: str) -> int:
        return len(ipamctl("leases", *flags).out.splitlines()) - 1

    assert (shown(), shown("--node", "n1"), shown("--within", "10.244.0.0/30")) == (
        602,
        300,
        2,
    )  # the Service kubernetes has one
    assert (shown("--state", "expiring"), shown("--owner", "Host/h7"), shown("--pool", "services")) == (1, 1, 1)
    assert (shown("--label", "app=web", "--label", "tier=one"), shown("--label", "app=web", "--label", "a=b")) == (1, 0)
    assert len(json.loads(ipamctl("search", "host/", "-o", "json").out)["leases"]) == 600
    assert ipamctl("leases", "--within", "10.0.0.1/8").status == 2


def test_a_pool_is_made_changed_and_deleted(daemon: Daemon, ipamctl: Ipamctl) -> None:
    made = ipamctl("pool", "create", "edge", "203.0.113.0/28", "--set", "purpose=lb", 'quotas={"shop":2}')
    assert made == Done(0, "pool edge is made: 16 of 16 addresses are free\n", "")
    assert ipamctl("pool", "create", "edge", "203.0.113.64/28").status == 1

    changes = ["tags=blue,red", "namespace_selector=team in (a,b)", "cooldown=90", "exclude=203.0.113.1,203.0.113.2"]
    assert ipamctl("pool", "set", "edge", *changes).out == "pool edge is changed: 14 of 14 addresses are free\n"
    pool = daemon.request("GET", "/v1/pools/edge").body
    assert (pool["tags"], pool["cooldown"], pool["quotas"]) == (["blue", "red"], 90, {"shop": 2})
    assert (pool["purpose"], pool["namespace_selector"]) == ("lb", "team in (a,b)")
    assert ipamctl("pool", "set", "edge", "exclude=", "tags=", "namespace_selector=").status == 0
    pool = daemon.request("GET", "/v1/pools/edge").body
    assert (pool["capacity"], pool.get("tags"), pool["cooldown"]) == (16, None, 90)

    daemon.lease("c", "edge")
    assert ipamctl("pool", "delete", "edge").status == 1
    assert ipamctl("release", "203.0.113.0").status == 0
    assert ipamctl("pool", "delete", "edge").out == "pool edge is deleted\n"
    assert ipamctl("pool", "delete", "edge").status == 4


@pytest.mark.parametrize(
    ("words_", "status", "told"),
    [
        (["set", "lab", "purpose"], 2, "a setting is KEY=VALUE, such as purpose=lb, not 'purpose'"),
        (["set", "lab", "=lb"], 2, "a setting is KEY=VALUE"),
        (["set", "lab", "cooldown=long"], 2, "cooldown is a number of seconds, not 'long'"),
        (["set", "lab", "quotas=shop:2"], 2, 'quotas is an object such as {"shop":2,"*":9}, not'),
        (["set", "lab", "colour=blue"], 2, "colour"),
        (["set", "nope", "purpose=lb"], 4, "there is no pool 'nope'"),
        (["create", "lab2", "172.22.0.1/29"], 2, "172.22.0.1/29 has bits set"),
        (["create", "lab2", "172.22.0.0/30"], 1, "overlaps 172.22.0.0/29 of pool lab"),
    ],
)
def test_what_a_pool_cannot_be_is_told(ipamctl: Ipamctl, words_: list[str], status: int, told: str) -> None:
    refused = ipamctl("pool", *words_)

    assert (refused.status, refused.out) == (status, "")
    assert told in refused.err


def test_nothing_that_says_it_is_an_empty_table(ipamctl: Ipamctl) -> None:
    assert len(ipamctl("search", "nobody says this").out.splitlines()) == 1
