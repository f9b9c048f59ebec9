"""`/v1/reconcile`, `/v1/witnesses`, `/v1/events` and `/v1/backup`, as their clients see them."""

import json
import socket
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.ipamd.daemon import Daemon

CONFIG = """
reconcile_grace = 0
dns_ttl = 0

[pools.pods]
cidrs = ["10.244.0.0/16"]
purpose = "pods"

[pools.few]
cidrs = ["10.9.0.0/29"]
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Any:
    """A daemon that believes at once that an owner is gone."""
    file = tmp_path / "ipamd.toml"
    file.write_text(CONFIG)
    made = Daemon(tmp_path)
    made.flags = ["--config", str(file)]
    made.start()
    yield made
    made.stop()


def witness(daemon: Daemon, *names: str, **more: str) -> int:
    return daemon.request("POST", "/v1/witnesses", {"kind": "Container", "names": [*names], **more}).status


def shown(reply: Any) -> list[tuple[str, bool]]:
    return [(each["lease"]["owner"]["name"], each["due"]) for each in reply.body["suspects"]]


def test_who_is_in_no_list_is_shown_then_freed_and_told_of(daemon: Daemon) -> None:
    for name in ("a", "b", "c"):
        daemon.lease(name)
    assert daemon.request("GET", "/v1/reconcile").body["suspects"] == []
    assert witness(daemon, "a", "c") == 204

    look = daemon.request("GET", "/v1/reconcile")
    assert shown(look) == [("b", True)]
    assert look.body["suspects"][0]["why"] == "the last list of every Container is without b"
    assert daemon.request("POST", "/v1/reconcile", {"free": False}).body["freed"] == []

    done = daemon.request("POST", "/v1/reconcile")
    assert [lease["owner"]["name"] for lease in done.body["freed"]] == ["b"]
    assert daemon.request("GET", "/v1/leases?name=b").body["leases"] == []
    (event,) = daemon.request("GET", "/v1/events").body["events"]
    assert (event["kind"], event["number"]) == ("reconciled", 1)
    assert "10.244.0.3 of Container b is free" in event["text"]
    assert daemon.request("GET", "/v1/events?after=1").body["events"] == []
    (tenure,) = daemon.request("GET", "/v1/history?owner=b").body["tenures"]
    assert tenure["reason"].startswith("reconciled: ")


def test_an_empty_list_says_that_there_are_none(daemon: Daemon) -> None:
    daemon.lease("a")
    assert witness(daemon) == 204
    assert shown(daemon.request("GET", "/v1/reconcile")) == [("a", True)]


def test_a_list_of_another_kind_says_nothing(daemon: Daemon) -> None:
    daemon.lease("a")
    assert daemon.request("POST", "/v1/witnesses", {"kind": "Host", "names": []}).status == 204
    assert shown(daemon.request("GET", "/v1/reconcile")) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/witnesses", b"", 400),
        ("POST", "/v1/witnesses", {"kind": "Container"}, 400),
        ("POST", "/v1/witnesses", {"names": [""]}, 400),
        ("POST", "/v1/witnesses", {"names": [], "nodes": []}, 400),
        ("POST", "/v1/reconcile", {"force": True}, 400),
        ("GET", "/v1/events?after=x", None, 400),
        ("GET", "/v1/events?after=-1", None, 400),
        ("DELETE", "/v1/reconcile", None, 405),
    ],
)
def test_what_cannot_be_meant_is_refused(daemon: Daemon, method: str, path: str, body: Any, status: int) -> None:
    reply = daemon.request(method, path, body)
    assert reply.status == status, reply.body
    assert reply.headers["content-type"].startswith("application/problem+json")


def test_it_is_told_early_that_a_pool_fills_up(daemon: Daemon) -> None:
    for name in "abcde":
        daemon.lease(name, pool="few")
    events = daemon.request("GET", "/v1/events").body["events"]
    assert [(each["kind"], each["subject"]) for each in events] == [("filling", "pool few"), ("exhausted", "pool few")]
    assert events[0]["text"] == "80 % of 5 addresses: 4 used, 0 cooling, 1 free"
    lease = daemon.request("GET", "/v1/leases?name=a").body["leases"][0]
    daemon.request("DELETE", f"/v1/leases/{lease['id']}")
    assert daemon.request("GET", "/v1/events?after=2").body["events"][0]["kind"] == "emptying"


def test_a_backup_is_a_whole_store_while_leases_are_made(daemon: Daemon, tmp_path: Path) -> None:
    for number in range(50):
        daemon.lease(f"c{number}")
    raw = daemon.raw("GET", "/v1/backup")
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(raw)
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM leases").fetchone() == (50,)
    assert [*tmp_path.glob(".*")] == []


def copies(daemon: Daemon) -> list[str]:
    """The copies of its store that the daemon has open."""
    found: list[str] = []
    for file in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.append(str(file.readlink()))
    return [name for name in found if "copy.sqlite" in name]


@pytest.mark.parametrize("ends", ["the client goes", "the daemon is stopped", "the daemon is killed"])
def test_others_are_answered_while_a_client_takes_a_backup_slowly_and_nothing_of_it_stays(
    daemon: Daemon, ends: str
) -> None:
    for batch in range(3):
        owners = [{"kind": "Host", "name": f"h{batch}-{number}"} for number in range(2500)]
        wishes = [{"pool": "pods", "owner": owner, "description": "x" * 999} for owner in owners]
        assert daemon.request("POST", "/v1/leases:batch", {"leases": wishes}).status == 200
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", daemon.port))
        slow.sendall(b"GET /v1/backup HTTP/1.1\r\nHost: ipamd\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"

        for number in range(20):
            assert daemon.lease(f"c{number}").status == 201
        (copy,) = copies(daemon)
        assert copy.endswith("(deleted)")  # it has no name any more: nothing can leave it behind
        if ends == "the daemon is stopped":
            daemon.stop()
        if ends == "the daemon is killed":
            daemon.kill()
    if ends == "the client goes":
        while copies(daemon):
            assert daemon.request("GET", "/healthz").status == 200
    assert [*daemon.store.parent.glob(".*")] == []


def test_an_old_copy_gives_nothing_until_somebody_says_so(daemon: Daemon) -> None:
    daemon.lease("kept")
    daemon.stop()
    old = daemon.store.read_bytes()
    daemon.start()
    daemon.lease("lost")
    daemon.stop()
    for beside in daemon.store.parent.glob("ipamd.sqlite-*"):
        beside.unlink()
    daemon.store.write_bytes(old)

    daemon.start()
    refused = daemon.lease("new")
    assert refused.status == 503
    assert "nothing is given from a store that is an old copy" in json.dumps(refused.body)
    assert daemon.lease("kept").status == 200  # who has one keeps it
    assert daemon.request("GET", "/v1/reconcile").body["old_copy"]
    assert "ipamd_store_old_copy 1.0\n" in daemon.request("GET", "/metrics").body

    accepted = daemon.request("POST", "/v1/reconcile", {"free": False, "accept_rollback": True})
    assert accepted.body["old_copy"] == ""
    assert daemon.lease("new").status == 201
    assert daemon.request("GET", "/v1/events").body["events"][0]["kind"] == "rolled-back"
    told = daemon.request("GET", "/metrics").body
    assert "ipamd_store_old_copy 0.0\n" in told
    assert 'ipamd_events_total{kind="rolled-back"} 1.0\n' in told
