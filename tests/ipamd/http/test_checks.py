"""`/v1/check`, as clients see it."""

from tests.ipamd.daemon import Daemon
from tests.ipamd.fsck.breaking import tamper


def test_a_daemon_that_has_worked_is_sound(ipamd: Daemon) -> None:
    for name in ("a", "b"):
        lease = ipamd.lease(name, kind="Pod").body
    ipamd.request("DELETE", f"/v1/leases/{lease['id']}")

    reply = ipamd.request("GET", "/v1/check")

    assert (reply.status, reply.body) == (200, {"sound": True, "findings": []})


def test_what_is_broken_is_told_with_what_to_do(daemon: Daemon) -> None:
    lease = daemon.lease("a").body
    tamper(daemon.store, f"UPDATE leases SET generation = 0 WHERE id = {lease['id']}")

    reply = daemon.request("GET", "/v1/check")
    (finding,) = reply.body["findings"]

    assert not reply.body["sound"]
    assert (finding["invariant"], finding["subject"]) == ("idempotent", f"lease {lease['id']}")
    assert finding["detail"].startswith("has generation 0")
    assert finding["remedy"]
