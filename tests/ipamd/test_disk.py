"""A disk that is full, a file that may not grow, a store that cannot be written: told clearly, and nothing is lost."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ipamd.daemon import Daemon, Reply


class Disk:
    """A file system of two megabytes, one of which a ballast takes, which stays when the daemon on it is killed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        script = f"mount -t tmpfs -o size=2M tmpfs {place} && head -c 1M /dev/zero > {place}/ballast && echo ready"
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{script} && exec sleep infinity"]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        self.prefix = ["nsenter", "--user", "--preserve-credentials", "--mount", f"--target={self._holder.pid}"]

    def run(self, *command: str) -> None:
        """Run a command where the file system is."""
        subprocess.run([*self.prefix, *command], check=True)

    def remove(self) -> None:
        """Take it away."""
        self._holder.kill()
        self._holder.wait(20)
        assert self._holder.stdout is not None
        self._holder.stdout.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "disk").mkdir()
    made = Disk(tmp_path / "disk")
    yield made
    made.remove()


@pytest.fixture
def cramped(disk: Disk, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has its store there."""
    made = Daemon(disk.place)
    made.errors = tmp_path / "errors.log"
    made.prefix = disk.prefix
    made.start()
    yield made
    made.stop()


def fill(daemon: Daemon, prefix: str) -> tuple[dict[str, str], Reply]:
    """Lease until that is refused: what was leased, and the refusal."""
    leased: dict[str, str] = {}
    for number in range(3000):
        reply = daemon.lease(f"{prefix}{number}")
        if reply.status != 201:
            return leased, reply
        leased[f"{prefix}{number}"] = reply.body["address"]
    raise AssertionError("the disk has room for 3000 leases")


def held(daemon: Daemon) -> dict[str, str]:
    leases = daemon.request("GET", "/v1/leases?kind=Container&limit=10000").body["leases"]
    return {lease["owner"]["name"]: lease["address"] for lease in leases}


def test_a_daemon_that_is_killed_on_a_full_disk_starts_there_again_and_heals(disk: Disk, cramped: Daemon) -> None:
    leased, refusal = fill(cramped, "c")
    assert (refusal.status, refusal.body["code"]) == (507, "store-full")
    cramped.restart()
    assert held(cramped) == leased
    assert cramped.lease("c0").body["address"] == leased["c0"]
    more, refusal = fill(cramped, "more")  # a start may find a little room
    assert (refusal.status, refusal.body["code"]) == (507, "store-full")

    disk.run("rm", f"{disk.place}/ballast")
    after = cramped.lease("after")
    assert after.status == 201
    assert held(cramped) == leased | more | {"after": after.body["address"]}
    assert cramped.request("GET", "/v1/check").body["sound"]
    assert "Traceback" not in cramped.errors.read_text()


def test_a_file_that_may_not_grow_refuses_and_loses_nothing_and_heals(daemon: Daemon) -> None:
    kept = daemon.lease("kept").body["address"]
    soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    grown = max(path.stat().st_size for path in daemon.store.parent.glob("ipamd.sqlite*"))
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (grown, hard))
    leased, refusal = fill(daemon, "c")

    assert (refusal.status, refusal.body["code"]) == (503, "store-unavailable")
    assert "nothing was changed" in refusal.body["detail"]
    assert held(daemon) == leased | {"kept": kept}
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert daemon.lease("after").status == 201
    assert daemon.request("GET", "/v1/check").body["sound"]
    assert "Traceback" not in daemon.errors.read_text()


def test_a_store_that_is_read_only_is_told_and_is_used_once_it_can_be_written(disk: Disk, cramped: Daemon) -> None:
    address = cramped.lease("kept").body["address"]
    cramped.kill()
    disk.run("mount", "-o", "remount,ro", str(disk.place))
    command = [*disk.prefix, sys.executable, "-m", "ipamd", "--listen", "127.0.0.1:0"]
    ended = subprocess.run([*command, "--store", f"sqlite:{cramped.store}"], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"ipamd: cannot open the store {cramped.store}: ")
    assert "Read-only file system" in ended.stderr

    disk.run("mount", "-o", "remount,rw", str(disk.place))
    cramped.start()
    assert held(cramped) == {"kept": address}
    assert cramped.lease("more").status == 201


SYNC_THAT_FAILS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int through(const char *name, int file) {
    if (access(getenv("DISK_FAILS"), F_OK) == 0) { errno = EIO; return -1; }
    return ((int (*)(int)) dlsym(RTLD_NEXT, name))(file);
}
int fsync(int file) { return through("fsync", file); }
int fdatasync(int file) { return through("fdatasync", file); }
"""


# What a kernel does with the files that a process has open when their file system becomes read-only, as ext4 does after
# an error and as an NFS server can. `mount -o remount,ro` cannot show it: it is refused while they are open.
READ_ONLY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_read_only(void) {
    if (access(getenv("DISK_FAILS"), F_OK)) return 0;
    errno = EROFS;
    return 1;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    if (is_read_only()) return -1;
    return ((ssize_t (*)(int, const void *, size_t, off64_t)) dlsym(RTLD_NEXT, "pwrite64"))(file, data, size, at);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) { return pwrite64(file, data, size, at); }
int ftruncate64(int file, off64_t size) {
    if (is_read_only()) return -1;
    return ((int (*)(int, off64_t)) dlsym(RTLD_NEXT, "ftruncate64"))(file, size);
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }
int unlink(const char *path) {
    if (is_read_only()) return -1;
    return ((int (*)(const char *)) dlsym(RTLD_NEXT, "unlink"))(path);
}
int mkdir(const char *path, mode_t mode) {
    if (is_read_only()) return -1;
    return ((int (*)(const char *, mode_t)) dlsym(RTLD_NEXT, "mkdir"))(path, mode);
}
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && strncmp(path, "/dev/", 5) && is_read_only()) return -1;
    return ((int (*)(const char *, int, mode_t)) dlsym(RTLD_NEXT, "open64"))(path, flags, mode);
}
"""


def faulty(place: Path, source: str) -> Daemon:
    """A daemon with calls of the C library replaced, which fail while there is a file `fails` beside the store."""
    library = place / "faulty.so"
    compiler = ["cc", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-", "-ldl"]
    subprocess.run(compiler, input=source, text=True, check=True)
    made = Daemon(place)
    made.prefix = ["env", f"LD_PRELOAD={library}", f"DISK_FAILS={place / 'fails'}"]
    made.start()
    return made


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose disk takes nothing for sure at times."""
    made = faulty(tmp_path, SYNC_THAT_FAILS)
    yield made
    made.stop()


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose file system is read-only at times."""
    made = faulty(tmp_path, READ_ONLY)
    yield made
    made.stop()


def test_what_the_disk_does_not_take_for_sure_is_never_acknowledged(failing: Daemon) -> None:
    fails = failing.store.with_name("fails")
    leased: dict[str, str] = {}
    for turn in range(6):
        name = f"turn{turn}"
        fails.touch()
        for number in range(3):
            refusal = failing.lease(f"refused{number}")
            assert (refusal.status, refusal.body["code"]) == (503, "store-unavailable")
        assert held(failing) == leased
        fails.unlink()
        leased[name] = failing.lease(name).body["address"]
        if turn % 2:
            failing.restart()
        assert held(failing) == leased
    assert len(set(leased.values())) == len(leased)
    assert failing.request("GET", "/v1/check").body["sound"]
    assert "Traceback" not in failing.errors.read_text()


def test_a_store_that_becomes_read_only_refuses_and_reads_on_and_heals(frozen: Daemon) -> None:
    kept = frozen.lease("kept").body
    leased = {"kept": kept["address"]}
    read_only = frozen.store.with_name("fails")
    for turn in range(3):
        read_only.touch()
        for refused in (
            frozen.lease("refused"),
            frozen.request("DELETE", f"/v1/leases/{kept['id']}"),
            frozen.request("PUT", "/v1/pools/more", {"cidrs": ["192.0.2.0/24"]}),
            frozen.request("GET", "/v1/backup"),
        ):
            assert (refused.status, refused.body["code"]) == (503, "store-unavailable")
            assert "nothing was changed" in refused.body["detail"]
            assert "Read-only file system" in refused.body["detail"]
        assert held(frozen) == leased
        assert frozen.lease("kept").body == kept  # what is asked for again is there, and is no writing
        assert frozen.request("GET", "/v1/history?owner=kept").body["tenures"][0]["address"] == kept["address"]
        assert frozen.request("GET", "/readyz").status == 200
        read_only.unlink()

        leased[f"turn{turn}"] = frozen.lease(f"turn{turn}").body["address"]
        assert held(frozen) == leased
    frozen.restart()
    assert held(frozen) == leased
    assert frozen.request("GET", "/v1/check").body["sound"]
    assert "Traceback" not in frozen.errors.read_text()
