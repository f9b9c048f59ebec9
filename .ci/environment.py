"""Make a virtual environment with pip, also where Debian's Python comes without `venv` and `pip`.

    python3 environment.py DIRECTORY

Three ways, the first that works: the interpreter's own; after installing Debian's python3-venv (root only); an
environment without pip, into which pip's wheel from PyPI installs itself. Needs nothing but the standard library.
"""

import json
import os
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

PYPI = "https://pypi.org/pypi/pip/json"


def main() -> None:
    directory = Path(sys.argv[1])
    if not (own(directory) or debian(directory)):
        from_pypi(directory)


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


def from_pypi(directory: Path) -> None:
    venv.create(directory, clear=True, with_pip=False)
    with urllib.request.urlopen(PYPI) as response:
        wheel = next(file for file in json.load(response)["urls"] if file["packagetype"] == "bdist_wheel")
    path = directory / wheel["filename"]
    urllib.request.urlretrieve(wheel["url"], path)
    subprocess.run([directory / "bin/python", f"{path}/pip", "install", "--quiet", str(path)], check=True)
    path.unlink()


if __name__ == "__main__":
    main()
