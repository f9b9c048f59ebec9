"""ipamctl reconcile, backup and restore."""

import json
from pathlib import Path

import pytest

from tests.ipamd.ctl.running import Done, Ipamctl
from tests.ipamd.daemon import Daemon


def test_leases_without_owners_are_shown_and_freed_later(daemon: Daemon, ipamctl: Ipamctl) -> None:
    daemon.lease("a")
    daemon.lease("b")
    assert ipamctl("reconcile") == Done(0, "every lease has its owner\n", "")
    daemon.request("POST", "/v1/witnesses", {"kind": "Container", "names": ["a"]})

    head, row = (line.split() for line in ipamctl("reconcile").out.splitlines())
    assert head == ["ADDRESS", "POOL", "OWNER", "SINCE", "FREE", "WHY"]
    assert (row[:3], row[4]) == (["10.244.0.3", "pods", "Container/b"], "later")
    assert "freed" not in ipamctl("reconcile", "--yes").out  # the grace has not passed
    assert json.loads(ipamctl("reconcile", "-o", "json").out)["grace"] == 300


def test_a_copy_is_put_back_and_accepted(daemon: Daemon, ipamctl: Ipamctl, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    daemon.lease("kept")
    assert ipamctl("backup", str(copy)).out == f"{copy}: {copy.stat().st_size} octets\n"
    daemon.lease("lost")
    running = ipamctl("restore", str(copy), "--store", str(daemon.store))
    assert (running.status, running.err) == (1, f"ipamctl: the store {daemon.store} is in use by another ipamd\n")
    daemon.stop()

    assert ipamctl("restore", str(copy), "--store", str(daemon.store)).status == 0
    daemon.start()
    looked = ipamctl("reconcile").out
    assert looked.startswith("the store is an old copy, and nothing is given from it: ")
    assert daemon.lease("new").status == 503
    assert ipamctl("reconcile", "--accept-rollback").status == 0
    assert daemon.lease("new").status == 201
    owners = {lease["owner"]["name"] for lease in daemon.request("GET", "/v1/leases?pool=pods").body["leases"]}
    assert owners == {"kept", "new"}


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_what_cannot_be_read_or_written_is_told(daemon: Daemon, ipamctl: Ipamctl, tmp_path: Path, command: str) -> None:
    there = tmp_path / "there"
    there.write_text("something")
    if command == "backup":
        assert ipamctl("backup", str(there)) == Done(2, "", f"ipamctl: {there} is there already\n")
        assert ipamctl("backup", str(tmp_path / "no/where")).status == 2
    else:
        daemon.stop()
        assert ipamctl("restore", str(tmp_path / "none"), "--store", str(daemon.store)).status == 1
        assert "file is not a database" in ipamctl("restore", str(there), "--store", str(daemon.store)).err
    assert there.read_text() == "something"
