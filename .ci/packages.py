"""Install the Debian packages that the tests use; not as root, name what is missing and fail.

The one list of them, each with the command by which it is recognised.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "bind9-dnsutils": "dig",
    "busybox-static": "busybox",
    "curl": "curl",
    "dnsmasq-base": "dnsmasq",
    "dnsperf": "dnsperf",
    "iproute2": "ip",
    "kubernetes-client": "kubectl",
    "nsd": "nsd",
    "openssl": "openssl",
    "unbound": "unbound",
    "util-linux": "nsenter",
}
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
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    return subprocess.run(install, env=environment, check=False, stdout=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
