"""`/v1/history`, as clients see it."""

import pytest

from tests.ipamd.daemon import Daemon, Reply


@pytest.fixture(scope="module")
def past(ipamd: Daemon) -> dict[str, str]:
    """A lease that was released, whose address somebody else holds now."""
    pool = {"name": "past", "cidrs": ["192.0.2.7/32"]}
    ipamd.request("POST", "/v1/pools", pool)
    lease = ipamd.lease("web/0", "past", owner={"kind": "Task", "namespace": "jobs", "name": "web/0"}).body
    ipamd.request("DELETE", f"/v1/leases/{lease['id']}")
    return {**lease, "id": str(lease["id"])}


def history(ipamd: Daemon, query: str) -> Reply:
    return ipamd.request("GET", f"/v1/history?{query}")


def test_a_tenure_tells_who_had_what_from_when_to_when_and_why_it_ended(ipamd: Daemon, past: dict[str, str]) -> None:
    reply = history(ipamd, "address=192.0.2.7")
    (tenure,) = reply.body["tenures"]

    assert (reply.status, reply.body["more"]) == (200, False)
    assert tenure["until"] >= tenure["since"] == past["created"]
    assert int(tenure["ended"]) > int(past["id"])
    assert tenure | {"since": "", "until": "", "ended": ""} == {
        "lease": past["id"],
        "pool": "past",
        "address": "192.0.2.7",
        "prefix_length": 32,
        "owner": {"kind": "Task", "namespace": "jobs", "name": "web/0", "uid": ""},
        "since": "",
        "until": "",
        "ended": "",
        "reason": "released",
    }


def test_what_lasts_has_no_end(ipamd: Daemon) -> None:
    ipamd.lease("lasting")

    (tenure,) = history(ipamd, "owner=Container/lasting").body["tenures"]

    assert not {"until", "ended", "reason"} & tenure.keys()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("owner=Task/jobs/web/0", 1),
        ("owner=Task/other/web/0", 0),
        ("owner=Pod/jobs/web/0", 0),
        ("owner=web", 0),
        ("address=192.0.2.7&owner=Task/jobs/web/0", 1),
        ("address=192.0.2.8", 0),
        ("address=192.0.2.7&at=2020-01-01", 0),
        ("address=192.0.2.7&since=2020-01-01&until=2120-01-01T00:00:00%2B02:00", 1),
        ("address=192.0.2.7&since=2120-01-01T00:00Z", 0),
        ("address=192.0.2.7&until=2020-01-01T00:00:00.5Z", 0),
    ],
)
def test_finds_what_is_asked_for(ipamd: Daemon, past: dict[str, str], query: str, count: int) -> None:
    assert len(history(ipamd, query).body["tenures"]) == count


def test_the_times_of_a_tenure_find_it_again(ipamd: Daemon, past: dict[str, str]) -> None:
    assert len(history(ipamd, f"address=192.0.2.7&at={past['created']}").body["tenures"]) == 1


def test_who_wants_what_came_before_asks_up_to_the_time_that_is_told(ipamd: Daemon) -> None:
    for pool in ("pods", "pods-v6", "services"):
        ipamd.lease("pager", pool)
    page = history(ipamd, "owner=pager&limit=1").body
    rest = history(ipamd, f"owner=pager&until={page['until']}").body

    assert page["more"]
    assert {each["pool"] for each in rest["tenures"]} >= {"pods", "pods-v6"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "name an address or an owner"),
        ("since=2020-01-01", "name an address or an owner"),
        ("owner=a//b", "not 'a//b'"),
        ("owner=a&at=noon", "at is a time"),
        ("owner=a&at=0000-01-01", "at is a time"),
        ("owner=a&at=2020-01-01&until=2020-01-02", "at is a time of its own"),
        ("owner=a&limit=0", "limit is a number"),
        ("owner=a&whose=b", "unknown parameter 'whose'"),
    ],
)
def test_what_cannot_be_read_is_refused(ipamd: Daemon, query: str, told: str) -> None:
    reply = history(ipamd, query)

    assert (reply.status, reply.body["code"]) == (400, "malformed")
    assert told in reply.body["detail"]


def test_an_address_that_is_none_is_refused(ipamd: Daemon) -> None:
    assert history(ipamd, "address=nowhere").body["code"] == "invalid"
