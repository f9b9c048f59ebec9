"""docs/cni.md: its configurations are carried out by the installed executable, its settings are read."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipamd.cni.installing import NAME, install
from ipamd.config import CniTable, read_config
from tests.docs.fences import Fence, fences
from tests.ipamd.cni.executing import Executable
from tests.ipamd.daemon import Daemon

DOCUMENT = "docs/cni.md"
GIVEN = [
    ["10.244.0.2/16", "fd00:10:244::2/56"],
    ["10.1.2.9/24", "2001:db8:1::2/64"],
    ["192.168.2.10/24"],
]


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executable]:
    """The executable, with a daemon that answers it."""
    directory = tmp_path_factory.mktemp("cni")
    daemon = Daemon(directory)
    daemon.flags = ["--cni-socket", str(directory / "cni.sock")]
    daemon.start()
    install(directory)
    yield Executable(directory / NAME, directory / "cni.sock")
    assert daemon.stop() == 0


def written(language: str) -> list[Fence]:
    return [fence for fence in fences(DOCUMENT) if fence.language == language]


@pytest.mark.parametrize(("fence", "given"), [*zip(written("json"), GIVEN, strict=True)])
def test_a_configuration_gives_addresses(executable: Executable, fence: Fence, given: list[str]) -> None:
    document = json.loads(fence.text)
    plugin = document.pop("plugins", [document])[0]

    assert executable.add({**document, **plugin}) == given
    assert executable.call("DEL", {**document, **plugin}).status == 0


def test_the_settings_are_the_defaults(tmp_path: Path) -> None:
    (fence,) = written("toml")
    path = tmp_path / "ipamd.toml"
    path.write_text(fence.text)

    assert read_config(path, None, None).cni == CniTable()
