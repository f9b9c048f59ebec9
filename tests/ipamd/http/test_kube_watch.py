"""Watches over HTTP: where they begin, what they tell, and how they end."""

from collections.abc import Callable, Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from tests.ipamd.daemon import Daemon
from tests.ipamd.http.watching import Watcher

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}
PODS = "/api/v1/namespaces/default/pods"
STREAM = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

Watch = Callable[..., Watcher]


@pytest.fixture
def watch(daemon: Daemon) -> Iterator[Watch]:
    """Opens watches, which are closed at the end."""
    opened: list[Watcher] = []

    def open_one(query: str = "", path: str = PODS, headers: dict[str, str] | None = None) -> Watcher:
        opened.append(Watcher(daemon, f"{path}?watch=1&{query}", headers))
        return opened[-1]

    yield open_one
    for watcher in opened:
        watcher.close()


def make(daemon: Daemon, name: str, **labels: str) -> Any:
    return daemon.request("POST", PODS, {"metadata": {"name": name, "labels": labels}}).body


def label(daemon: Daemon, name: str, **labels: str | None) -> Any:
    return daemon.request("PATCH", f"{PODS}/{name}", {"metadata": {"labels": labels}}, MERGE).body


def revision(daemon: Daemon) -> str:
    version: str = daemon.request("GET", f"{PODS}?limit=1").body["metadata"]["resourceVersion"]
    return version


@pytest.mark.parametrize("start", ["", "resourceVersion=0"])
def test_a_watch_from_the_start_tells_what_is_there_and_what_happens(daemon: Daemon, watch: Watch, start: str) -> None:
    make(daemon, "a")
    watcher = watch(start)
    assert watcher.take(1) == [("ADDED", "a")]

    make(daemon, "b")
    label(daemon, "a", x="y")
    daemon.request("DELETE", f"{PODS}/b")

    assert watcher.take(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_from_a_revision_tells_what_came_after_it(daemon: Daemon, watch: Watch) -> None:
    made = make(daemon, "a")
    make(daemon, "b")
    watcher = watch(f"resourceVersion={made['metadata']['resourceVersion']}")

    event = watcher.next()

    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")
    assert event["object"] == daemon.request("GET", f"{PODS}/b").body


def test_a_watch_is_of_its_namespace_or_of_all(daemon: Daemon, watch: Watch) -> None:
    daemon.request("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    here, everywhere = watch(), watch(path="/api/v1/pods")

    daemon.request("POST", "/api/v1/namespaces/shop/pods", {"metadata": {"name": "there"}})
    make(daemon, "here")

    assert here.take(1) == [("ADDED", "here")]
    assert everywhere.take(2) == [("ADDED", "there"), ("ADDED", "here")]


def test_to_a_selector_an_object_comes_and_goes_as_it_matches(daemon: Daemon, watch: Watch) -> None:
    watcher = watch("labelSelector=app%3Dweb")
    make(daemon, "a", app="web")
    make(daemon, "b", app="db")
    label(daemon, "a", tier="front")
    gone = label(daemon, "a", app="db")
    label(daemon, "b", app="web")

    assert watcher.take(2) == [("ADDED", "a"), ("MODIFIED", "a")]
    left = watcher.next()
    assert left["type"] == "DELETED"
    assert left["object"]["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert left["object"]["metadata"]["resourceVersion"] == gone["metadata"]["resourceVersion"]
    assert watcher.take(1) == [("ADDED", "b")]


def test_a_watch_of_one_object_by_its_name(daemon: Daemon, watch: Watch) -> None:
    watcher = watch("fieldSelector=metadata.name%3Db")
    make(daemon, "a")
    make(daemon, "b")

    assert watcher.take(1) == [("ADDED", "b")]


def test_a_streamed_list_ends_with_a_bookmark(daemon: Daemon, watch: Watch) -> None:
    make(daemon, "a")
    make(daemon, "b")
    at = revision(daemon)
    watcher = watch(STREAM)

    assert watcher.take(2) == [("ADDED", "a"), ("ADDED", "b")]
    end = watcher.next()
    assert end["type"] == "BOOKMARK"
    assert end["object"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": at, "annotations": {"k8s.io/initial-events-end": "true"}},
    }
    make(daemon, "c")
    assert watcher.take(1) == [("ADDED", "c")]


def test_initial_events_can_be_done_without(daemon: Daemon, watch: Watch) -> None:
    make(daemon, "a")
    watcher = watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")

    make(daemon, "b")

    assert watcher.take(1) == [("ADDED", "b")]


def test_a_watch_ends_at_its_timeout_with_a_bookmark_for_those_who_asked(daemon: Daemon, watch: Watch) -> None:
    make(daemon, "a")
    daemon.request("POST", "/api/v1/namespaces", {"metadata": {"name": "another-kind"}})

    plain, marked = watch("timeoutSeconds=1"), watch("timeoutSeconds=1&allowWatchBookmarks=1")

    assert [event["type"] for event in plain.rest()] == ["ADDED"]
    added, mark = marked.rest()
    assert (added["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["metadata"] == {"resourceVersion": revision(daemon)}


def test_a_watch_in_tables_has_its_columns_once(daemon: Daemon, watch: Watch) -> None:
    make(daemon, "a")
    watcher = watch(headers=TABLE)
    make(daemon, "b")

    first, second = watcher.next()["object"], watcher.next()["object"]

    assert (first["kind"], first["rows"][0]["cells"][0], second["rows"][0]["cells"][0]) == ("Table", "a", "b")
    assert first["columnDefinitions"]
    assert second["columnDefinitions"] == []
    assert second["rows"][0]["object"]["metadata"]["name"] == "b"


def test_a_revision_of_another_history_is_gone(daemon: Daemon, watch: Watch) -> None:
    [event] = watch("resourceVersion=99999999").rest()

    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that keeps few changes."""
    config = tmp_path / "ipamd.toml"
    config.write_text('retention = 10\n[pools.pods]\ncidrs = ["10.244.0.0/16"]\npurpose = "pods"\n')
    made = Daemon(tmp_path)
    made.flags = ["--config", str(config)]
    made.start()
    yield made
    made.stop()


def test_what_was_compacted_is_gone_for_watches_and_for_lists(forgetful: Daemon) -> None:
    first = make(forgetful, "a")
    part = forgetful.request("GET", "/api/v1/namespaces?limit=1").body["metadata"]
    version = first["metadata"]["resourceVersion"]
    status = 200
    for number in range(2000):
        label(forgetful, "a", n=str(number))
        status = forgetful.request("GET", f"{PODS}?resourceVersion={version}&resourceVersionMatch=Exact").status
        if status == 410:
            break

    watcher = Watcher(forgetful, f"{PODS}?watch=1&resourceVersion={version}")
    [event] = watcher.rest()
    watcher.close()
    continued = forgetful.request("GET", f"/api/v1/namespaces?limit=1&continue={part['continue']}")

    assert status == 410
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert (continued.status, continued.body["reason"]) == (410, "Expired")


def test_watchers_of_a_killed_daemon_go_on_where_they_were(daemon: Daemon, watch: Watch) -> None:
    make(daemon, "a")
    watcher = watch()
    seen = watcher.next()["object"]["metadata"]["resourceVersion"]
    daemon.kill()
    with pytest.raises(IncompleteRead):
        watcher.response.read()
    daemon.start()
    make(daemon, "b")

    assert watch(f"resourceVersion={seen}").take(1) == [("ADDED", "b")]


def test_a_daemon_that_stops_ends_its_watches(daemon: Daemon, watch: Watch) -> None:
    watchers = [watch() for _ in range(20)]
    make(daemon, "a")
    assert all(watcher.take(1) == [("ADDED", "a")] for watcher in watchers)

    assert daemon.stop() == 0

    assert [watcher.next() for watcher in watchers] == [None] * 20


def test_watchers_that_go_away_leave_no_trace(daemon: Daemon) -> None:
    for _ in range(5):
        watcher = Watcher(daemon, f"{PODS}?watch=1")
        watcher.close()
    make(daemon, "a")
    make(daemon, "b")

    assert daemon.stop() == 0
    assert daemon.errors.read_text() == ""
