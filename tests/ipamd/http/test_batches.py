"""Many leases in one request, requests that may be repeated, dry runs, and everything as NDJSON."""

import json
from typing import Any

import pytest

from tests.ipamd.daemon import Daemon, Reply


def owner(name: str) -> dict[str, str]:
    return {"kind": "Container", "name": name}


def batch(ipamd: Daemon, leases: list[dict[str, Any]], query: str = "", **more: Any) -> Reply:
    return ipamd.request("POST", f"/v1/leases:batch{query}", {"leases": leases, **more})


@pytest.fixture(autouse=True, scope="module")
def pools(ipamd: Daemon) -> None:
    for name, cidr in (("many", "172.20.0.0/16"), ("few", "172.21.0.0/30")):
        assert ipamd.request("POST", "/v1/pools", {"name": name, "cidrs": [cidr]}).status == 201


def used(ipamd: Daemon, pool: str) -> int:
    count: int = ipamd.request("GET", f"/v1/pools/{pool}").body["used"]
    return count


def test_many_leases_are_made_at_once_and_are_the_same_again(ipamd: Daemon) -> None:
    wanted = [{"pool": "many", "owner": owner(f"b{number}")} for number in range(200)]
    first, again = batch(ipamd, wanted), batch(ipamd, wanted)

    assert [each["status"] for each in first.body["leases"]] == [201] * 200
    assert [each["status"] for each in again.body["leases"]] == [200] * 200
    assert len({each["lease"]["address"] for each in first.body["leases"]}) == 200


def test_of_an_atomic_batch_nothing_stays_if_one_is_refused(ipamd: Daemon) -> None:
    before = used(ipamd, "many")
    refused = batch(ipamd, [{"pool": "many", "owner": owner("x")}, {"pool": "nope", "owner": owner("y")}])
    assert (refused.status, refused.body["code"], refused.body["index"]) == (404, "unknown-pool", 1)
    assert used(ipamd, "many") == before


def test_of_another_batch_each_lease_stands_for_itself(ipamd: Daemon) -> None:
    made = batch(ipamd, [{"pool": "few", "owner": owner(f"f{number}")} for number in range(3)], atomic=False)
    assert [each["status"] for each in made.body["leases"]] == [201, 409, 409]
    assert made.body["leases"][1]["problem"]["code"] == "exhausted"


@pytest.mark.parametrize("query", ["?dryRun=All"])
def test_a_dry_run_keeps_nothing(ipamd: Daemon, query: str) -> None:
    before = used(ipamd, "many")
    wanted = {"pool": "many", "owner": owner("dry")}
    tried = ipamd.request("POST", f"/v1/leases{query}", wanted)
    many = batch(ipamd, [wanted, {"pool": "many", "owner": owner("dry2")}], query)
    assert tried.status == many.status == 200
    assert many.body["leases"][0]["lease"]["address"] == tried.body["address"]
    assert used(ipamd, "many") == before
    assert ipamd.request("POST", "/v1/leases?dryRun=Some", wanted).body["code"] == "malformed"


def test_a_request_with_a_key_is_answered_alike_however_often_it_comes(daemon: Daemon) -> None:
    wanted = {"pool": "pods", "owner": owner("once")}
    key = {"Idempotency-Key": "7f3a"}
    first = daemon.request("POST", "/v1/leases", wanted, key)
    daemon.request("DELETE", f"/v1/leases/{first.body['id']}")
    daemon.kill()
    daemon.start()

    again = daemon.request("POST", "/v1/leases", wanted, key)

    assert (again.status, again.body) == (201, first.body)
    other = daemon.request("POST", "/v1/leases", {"pool": "pods", "owner": owner("other")}, key)
    assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")
    assert daemon.request("POST", "/v1/leases", wanted, {"Idempotency-Key": "k" * 256}).body["code"] == "malformed"


def undo(daemon: Daemon, key: str) -> Reply:
    return daemon.request("DELETE", "/v1/leases", headers={"Idempotency-Key": key})


def test_a_request_is_undone_by_its_key_whichever_of_the_two_comes_first(daemon: Daemon) -> None:
    wanted = {"pool": "pods", "owner": owner("undone")}
    for key, is_late in (("early", False), ("late", True)):
        if not is_late:
            assert daemon.request("POST", "/v1/leases", wanted, {"Idempotency-Key": key}).status == 201
        assert undo(daemon, key).status == undo(daemon, key).status == 204
        daemon.restart()
        refused = daemon.request("POST", "/v1/leases", wanted, {"Idempotency-Key": key})
        assert (refused.status, refused.body["code"]) == (409, "overtaken")
        assert used(daemon, "pods") == 0


def test_to_undo_a_request_frees_only_what_that_request_made(daemon: Daemon) -> None:
    wanted = {"pool": "pods", "owner": owner("kept"), "ttl": 600}
    ids = [daemon.request("POST", "/v1/leases", wanted, {"Idempotency-Key": key}).body["id"] for key in ("a", "b")]
    assert (ids[0], undo(daemon, "b").status) == (ids[1], 204)
    assert daemon.request("POST", f"/v1/leases/{ids[0]}/renew", {}).status == 200

    stale = undo(daemon, "a")
    assert (stale.status, stale.body["code"], used(daemon, "pods")) == (409, "conflict", 1)
    daemon.request("DELETE", f"/v1/leases/{ids[0]}")
    assert undo(daemon, "a").status == 204


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 256}])
def test_what_is_to_be_undone_has_to_be_named(ipamd: Daemon, headers: dict[str, str]) -> None:
    assert ipamd.request("DELETE", "/v1/leases", headers=headers).body["code"] == "malformed"


def test_a_late_release_frees_nothing(ipamd: Daemon) -> None:
    lease = ipamd.request("POST", "/v1/leases", {"pool": "many", "owner": owner("late"), "ttl": 600}).body
    path = f"/v1/leases/{lease['id']}"
    renewed = ipamd.request("POST", f"{path}/renew", {}).body
    assert (lease["generation"], renewed["generation"]) == (1, 2)
    stale = ipamd.request("DELETE", f"{path}?generation=1")
    assert (stale.status, stale.body["generation"]) == (409, 2)
    assert ipamd.request("DELETE", f"{path}?generation=2").status == 204


def test_leases_are_found_by_what_people_say_of_them(ipamd: Daemon) -> None:
    said = {"description": "The Old Printer", "tags": ["office", "2nd-floor"], "node": "n7"}
    made = ipamd.request("POST", "/v1/leases", {"pool": "many", "owner": owner("printer"), **said}).body
    assert {name: made[name] for name in said} == said
    for query in ("q=old+printer", "tag=office", "q=N7", "q=2nd", "q=container/print"):
        found = ipamd.request("GET", f"/v1/leases?pool=many&{query}").body["leases"]
        assert [each["id"] for each in found] == [made["id"]], query
    assert ipamd.request("GET", "/v1/leases?tag=off").body["leases"] == []


def test_everything_comes_out_as_a_document_a_line(ipamd: Daemon) -> None:
    raw = ipamd.raw("GET", "/v1/export")
    documents = [json.loads(line) for line in raw.splitlines()]
    kinds = [each["kind"] for each in documents]
    assert kinds == sorted(kinds, reverse=True)  # pools first
    assert kinds.count("Lease") == sum(pool["leases"] for pool in ipamd.request("GET", "/v1/pools").body["pools"])
