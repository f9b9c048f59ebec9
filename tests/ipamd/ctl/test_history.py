"""ipamctl on the past."""

import pytest

from tests.ipamd.ctl.running import Done, Ipamctl
from tests.ipamd.daemon import Daemon


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_who_had_an_address_and_what_an_owner_had(daemon: Daemon, ipamctl: Ipamctl) -> None:
    lease = daemon.lease("a").body
    daemon.request("DELETE", f"/v1/leases/{lease['id']}")
    (tenure,) = daemon.request("GET", "/v1/history?owner=a").body["tenures"]
    row = ["10.244.0.2", "pods", "Container/a", tenure["since"], tenure["until"], "released"]

    by_owner, by_address = ipamctl("history", "Container/a"), ipamctl("history", "10.244.0.2")
    then = ipamctl("who", "10.244.0.2", "--at", tenure["since"])

    assert words(by_owner.out) == [["ADDRESS", "POOL", "OWNER", "SINCE", "UNTIL", "WHY"], row]
    assert by_owner == by_address == then
    assert ipamctl("who", "10.244.0.2", "--at", "2020-01-01") == Done(
        4, "", "ipamctl: nobody is known to have had 10.244.0.2 at 2020-01-01\n"
    )
    assert ipamctl("history", "b") == Done(4, "", "ipamctl: nothing is known of b\n")


def test_the_latest_come_first_and_it_is_said_that_there_are_more(daemon: Daemon, ipamctl: Ipamctl) -> None:
    first, second = daemon.lease("a").body, daemon.lease("a", pool="pods-v6").body

    lines = words(ipamctl("history", "a", "--limit", "1").out)

    assert [line[0] for line in lines[1:-1]] == [second["address"]]
    assert lines[1][4] == "now"
    assert lines[-1] == ["there", "is", "more:", "--until", first["created"]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("history", "a//b"), "an owner is NAME, KIND/NAME or KIND/NAMESPACE/NAME, not 'a//b'"),
        (("who", "10.244.0.2", "--at", "noon"), "at is a time such as 2026-11-01T12:00:00Z, not 'noon'"),
    ],
)
def test_what_cannot_be_read_is_refused(ipamctl: Ipamctl, arguments: tuple[str, ...], complaint: str) -> None:
    assert ipamctl(*arguments) == Done(2, "", f"ipamctl: {complaint}\n")
