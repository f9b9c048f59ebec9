"""Make a virtual environment with pip, also where Debian's Python comes without `venv` and `pip`.

    python3 environment.py DIRECTORY

Three ways, the first that works: the interpreter's own; after installing Debian's python3-venv (root only); an
environment without pip, into which pip's wheel from the package index ($PIP_INDEX_URL, or PyPI) installs itself.
Needs nothing but the standard library.
"""

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path
from urllib.parse import urljoin

PYPI = "https://pypi.org/simple"
AS_JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}  # the simple repository API (PEP 691)


def main() -> None:
    directory = Path(sys.argv[1])
    if not (own(directory) or debian(directory)):
        from_index(directory)


def own(directory: Path) -> bool:
    command = [sys.executable, "-m", "venv", "--clear", str(directory)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def debian(directory: Path) -> bool:
    if os.geteuid() != 0 or not Path("/usr/bin/apt-get").exists():
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "python3-venv"]):
        subprocess.run(["apt-get", *command], env=environment, check=False, stdout=subprocess.DEVNULL)
    return own(directory)


def from_index(directory: Path) -> None:
    venv.create(directory, clear=True, with_pip=False)
    url, digest = newest_pip()
    with urllib.request.urlopen(url) as response:
        octets = response.read()
    if hashlib.sha256(octets).hexdigest() != digest:
        sys.exit(f"{url} is not what the index says it is")
    wheel = directory / Path(url).name
    wheel.write_bytes(octets)
    subprocess.run([directory / "bin/python", f"{wheel}/pip", "install", "--quiet", str(wheel)], check=True)
    wheel.unlink()


def newest_pip() -> tuple[str, str]:
    """The URL of pip's newest wheel, and its SHA-256."""
    page = f"{os.environ.get('PIP_INDEX_URL', PYPI).rstrip('/')}/pip/"
    with urllib.request.urlopen(urllib.request.Request(page, headers=AS_JSON)) as response:
        files = json.load(response)["files"]
    wheels = [file for file in files if file["filename"].endswith(".whl") and not file.get("yanked")]
    newest = max(wheels, key=lambda file: release(file["filename"]))
    return urljoin(page, newest["url"]), newest["hashes"]["sha256"]


def release(wheel: str) -> tuple[int, ...]:
    """The version in a wheel's name as numbers; that of a pre-release is empty, so that it is never the newest."""
    parts = wheel.split("-")[1].split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


if __name__ == "__main__":
    main()
