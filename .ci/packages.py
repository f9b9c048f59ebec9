"""Install the Debian packages that the tests use; not as root, name what is missing and fail.

The one list of them, each with the command, or its path, by which it is recognised.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "bind9": "named",
    "bind9-dnsutils": "dig",
    "bind9-utils": "dnssec-keygen",
    "busybox-static": "busybox",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "curl": "curl",
    "dnsdist": "dnsdist",
    "dnsmasq-base": "dnsmasq",
    "dnsperf": "dnsperf",
    "dnstap-ldns": "dnstap-ldns",
    "docker.io": "dockerd",
    "etcd-server": "etcd",
    "fstrm-bin": "fstrm_capture",
    "gcc": "gcc",
    "haproxy": "haproxy",
    "iproute2": "ip",
    "knot": "knotd",
    "knot-dnsutils": "kdig",
    "kubernetes-client": "kubectl",
    "ldnsutils": "ldns-verify-zone",
    "nsd": "nsd",
    "openssl": "openssl",
    "pebble": "pebble",
    "python3-dev": "python3-config",
    "unbound": "unbound",
    "util-linux": "nsenter",
    "valgrind": "valgrind",
}
POLICY = Path("/usr/sbin/policy-rc.d")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> int:
    missing = [package for package, command in PACKAGES.items() if not shutil.which(command, path=PATH)]
    if not missing:
        return 0
    if os.geteuid() != 0:
        print(
            f"the tests need these Debian packages: {' '.join(missing)}\nas root: apt-get install {' '.join(missing)}"
        )
        return 1
    with no_service_starts():
        return install(missing)


def install(missing: list[str]) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True, stdout=subprocess.DEVNULL)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    return subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode


@contextmanager
def no_service_starts() -> Iterator[None]:
    """The tests start the name servers that they need: none may begin to serve by being installed (policy-rc.d)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
