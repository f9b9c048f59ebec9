"""The wheel, as a user installs it: everything that `kdns up` needs is in it."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.system.demo import Demo

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the wheel is unpacked."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(directory), str(ROOT)], check=True)
    (wheel,) = directory.glob("kdns-*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(directory / "site")
    return directory / "site"


def test_the_demo_cluster_runs_from_the_wheel_alone(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # `python -m` looks in the working directory first: not at the checkout
    monkeypatch.setenv("PYTHONPATH", str(installed))

    demo = Demo(tmp_path)

    daemons = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children").read_text().split()
    commands = [Path(f"/proc/{daemon}/cmdline").read_text() for daemon in daemons]
    assert any(str(installed / "kdns/configs/Corefile.demo") in command for command in commands)
    assert demo.dig("kube-dns.kube-system.svc.cluster.local") == ["10.96.0.10"]
    assert demo.stop() == 0


def test_the_wheel_has_the_commands_and_the_licence(installed: Path) -> None:
    (information,) = installed.glob("kdns-*.dist-info")
    commands = (information / "entry_points.txt").read_text()
    assert {"ipamctl", "ipamd", "kdns"} <= {line.split(" = ")[0] for line in commands.splitlines()}
    assert (information / "licenses/LICENSE").exists()
    assert not (installed / "tests").exists()
