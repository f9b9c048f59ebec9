"""docs/docker.md: its commands are carried out on a real dockerd, and print what it shows; its settings are read."""

from itertools import pairwise
from pathlib import Path

from ipamd.config import DockerTable, read_config
from tests.docs.fences import Fence, check_output, fences
from tests.system.engine import DockerHost

DOCUMENT = "docs/docker.md"


def written(*languages: str) -> list[Fence]:
    return [fence for fence in fences(DOCUMENT) if fence.language in languages]


def test_the_settings_are_the_defaults(tmp_path: Path) -> None:
    (fence,) = written("toml")
    path = tmp_path / "ipamd.toml"
    path.write_text(fence.text)

    assert read_config(path, None, None).docker == DockerTable()


def test_the_commands_print_what_is_shown(tmp_path: Path) -> None:
    host = DockerHost(tmp_path / "host")
    (corefile,) = written("corefile")
    blocks = [*pairwise(written("console", "text"))][::2]
    try:
        (command, shown), *others = blocks  # the first makes the network whose gateway kdns is to bind to
        check_output(host.shell(command.text), shown)
        host.until(lambda: "container db" in str(host.leases()))
        here = corefile.text.replace("http://127.0.0.1:8653", host.ipamd.url)
        with host.machine.serving(tmp_path / "kdns", here):
            for command, shown in others:
                check_output(host.shell(command.text), shown)
    finally:
        host.stop()
