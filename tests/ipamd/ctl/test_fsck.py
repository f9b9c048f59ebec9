"""ipamctl fsck, with a daemon and without."""

from pathlib import Path

from tests.ipamd.ctl.running import Done, Ipamctl
from tests.ipamd.daemon import Daemon
from tests.ipamd.fsck.breaking import tamper


def test_a_sound_store_is_told_so_by_the_daemon_and_from_its_file(daemon: Daemon, ipamctl: Ipamctl) -> None:
    daemon.lease("a")
    asked, read = ipamctl("fsck"), ipamctl("fsck", "--store", str(daemon.store), server="http://127.0.0.1:1")

    assert asked == read == Done(0, "sound\n", "")


def test_the_file_of_a_store_that_nobody_uses_is_read_and_nothing_is_left_beside_it(
    daemon: Daemon, ipamctl: Ipamctl
) -> None:
    daemon.lease("a")
    daemon.stop()
    before = {path.name: path.stat().st_mtime_ns for path in daemon.store.parent.iterdir()}
    assert ipamctl("fsck", "--store", str(daemon.store)) == Done(0, "sound\n", "")

    assert {path.name: path.stat().st_mtime_ns for path in daemon.store.parent.iterdir()} == before


def test_the_file_of_a_store_whose_daemon_was_killed_is_read_with_its_log(daemon: Daemon, ipamctl: Ipamctl) -> None:
    lease = daemon.lease("a").body
    daemon.kill()
    before = {path.name for path in daemon.store.parent.iterdir()}
    assert ipamctl("fsck", "--store", str(daemon.store)) == Done(0, "sound\n", "")

    assert {path.name for path in daemon.store.parent.iterdir()} == before
    daemon.start()
    assert daemon.lease("a").body == lease


def test_what_is_broken_is_shown_with_what_to_do(daemon: Daemon, ipamctl: Ipamctl) -> None:
    lease = daemon.lease("a").body
    daemon.stop()
    tamper(daemon.store, f"UPDATE leases SET generation = 0 WHERE id = {lease['id']}")

    status, out, err = ipamctl("fsck", "--store", str(daemon.store))
    head, row, remedy = out.splitlines()

    assert (status, err) == (5, "ipamctl: an invariant is broken\n")
    assert head.split() == ["INVARIANT", "SUBJECT", "WHAT", "IS", "WRONG"]
    assert row.split()[:3] == ["idempotent", "lease", lease["id"]]
    assert remedy.startswith("idempotent: stop ipamd and put a backup in the place of the store")


def test_a_file_that_is_no_store_is_refused(ipamctl: Ipamctl, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("no database at all, and yet as long as the header of one would have to be" * 9)
    empty = tmp_path / "empty"
    empty.touch()

    assert ipamctl("fsck", "--store", str(tmp_path / "none")).err == f"ipamctl: there is no store {tmp_path}/none\n"
    assert ipamctl("fsck", "--store", str(other)).status == 1
    assert "has schema version 0, not 2" in ipamctl("fsck", "--store", str(empty)).err
