"""Requests that are done only if a thing is as its client has last seen it."""

from tests.ipamd.daemon import Daemon, Reply


def etag(reply: Reply) -> str:
    return reply.headers["etag"]


def test_a_lease_is_renewed_and_released_only_as_it_was_seen(ipamd: Daemon) -> None:
    made = ipamd.lease("conditional", ttl=600)
    path = made.headers["location"]
    assert etag(made) == f'"{made.body["revision"]}"' == etag(ipamd.request("GET", path))
    renewed = ipamd.request("POST", f"{path}/renew", {}, {"If-Match": f'"1", {etag(made)}'})
    assert (renewed.status, etag(renewed)) == (200, f'"{renewed.body["revision"]}"')

    for stale in (etag(made), f"W/{etag(renewed)}", '"x"'):
        refused = ipamd.request("DELETE", path, headers={"If-Match": stale})
        assert (refused.status, refused.body["code"]) == (412, "precondition-failed")
        assert refused.body["revision"] == renewed.body["revision"]
    assert ipamd.request("POST", f"{path}/renew", {}, {"If-None-Match": "*"}).status == 412
    assert ipamd.request("DELETE", path, headers={"If-Match": etag(renewed)}).status == 204
    assert ipamd.request("DELETE", path, headers={"If-Match": "*"}).status == 404


def test_who_has_a_lease_as_it_is_need_not_get_it_again(ipamd: Daemon) -> None:
    made = ipamd.lease("known", ttl=600)
    path = made.headers["location"]
    same = ipamd.request("GET", path, headers={"If-None-Match": f"W/{etag(made)}"})
    assert (same.status, etag(same), same.body) == (304, etag(made), "")

    ipamd.request("POST", f"{path}/renew", {})
    assert ipamd.request("GET", path, headers={"If-None-Match": etag(made)}).status == 200
    ipamd.request("DELETE", path)


def test_a_pool_is_made_once_and_changed_and_deleted_only_as_it_was_seen(ipamd: Daemon) -> None:
    path, settings = "/v1/pools/once", {"cidrs": ["198.18.0.0/24"]}
    made = ipamd.request("PUT", path, settings, {"If-None-Match": "*"})
    assert made.status == 201
    assert ipamd.request("PUT", path, settings, {"If-None-Match": "*"}).status == 412
    lease = ipamd.lease("of-the-pool", "once")
    assert etag(ipamd.request("GET", path)) == etag(made)  # its counts are another matter

    changed = ipamd.request("PUT", path, {**settings, "drained": True}, {"If-Match": etag(made)})
    assert (changed.status, changed.body["drained"]) == (200, True)
    assert etag(changed) != etag(made)
    refused = ipamd.request("PUT", path, settings, {"If-Match": etag(made)})
    assert (refused.status, refused.body["code"]) == (412, "precondition-failed")
    assert ipamd.request("GET", path).body["drained"]
    assert ipamd.request("DELETE", lease.headers["location"]).status == 204
    assert ipamd.request("DELETE", path, headers={"If-Match": etag(made)}).status == 412
    assert ipamd.request("DELETE", path, headers={"If-Match": etag(changed)}).status == 204
    assert ipamd.request("PUT", path, settings, {"If-Match": "*"}).status == 412
    assert ipamd.request("GET", path).status == 404
