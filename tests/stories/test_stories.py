"""Every story is played on an ipamd and a kdns that reads it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from tests.ipamd.daemon import Daemon
from tests.kdns.server import Kdns
from tests.stories.story import Step, is_as, read, shown, wanted

STORIES = sorted(Path(__file__).parent.glob("*.story"))
PATIENCE = 5.0  # seconds until a change must have reached DNS; it takes well below a millisecond
COREFILE = """\
.:@PORT@ {
    bind 127.0.0.1
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint %s
        pods verified
    }
    cache 30
    loadbalance
}
"""


class Stage:
    """Where stories are played."""

    def __init__(self, directory: Path) -> None:
        self._ipamd = Daemon(directory)
        self._ipamd.start()
        self._kdns = Kdns(directory, COREFILE % self._ipamd.url)
        self._kdns.start()
        commands = directory / "commands"
        commands.mkdir()
        (commands / "kubectl").write_text(f'#!/bin/sh\nexec {which("kubectl")} -s {self._ipamd.url} "$@"\n')
        (commands / "kubectl").chmod(0o755)
        path = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {"IPAMD_SERVER": self._ipamd.url, "HOME": str(directory), "KUBECONFIG": os.devnull, "PATH": path}
        self._environment = {**os.environ, **own}

    def play(self, step: Step) -> None:
        """Do what a paragraph says, and fail unless what comes of it is what it says."""
        {"command": self._command, "manifest": self._apply, "question": self._ask}[step.kind](step)

    def stop(self) -> None:
        """End both; neither had a fault."""
        assert self._kdns.stop() == self._ipamd.stop() == 0
        assert "Traceback" not in self._kdns.output.read_text() + self._ipamd.errors.read_text()

    def _command(self, step: Step) -> None:
        said = self._shell(step.text, step).splitlines()
        assert is_as(said, step.expected), (step.place, said)

    def _apply(self, step: Step) -> None:
        self._shell("kubectl apply -f -", step, step.text)

    def _shell(self, line: str, step: Step, stdin: str = "") -> str:
        ended = subprocess.run(
            line, shell=True, input=stdin, capture_output=True, text=True, env=self._environment, check=False
        )
        assert ended.returncode == 0, (step.place, ended.stderr)
        return ended.stdout

    def _ask(self, step: Step) -> None:
        """Ask until the reply is as expected: a change reaches DNS after the command that made it has ended."""
        deadline = time.monotonic() + PATIENCE
        while not is_as(told := shown(self._kdns.ask(step.text)), wanted(step)):
            assert time.monotonic() < deadline, (step.place, told)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    yield made
    made.stop()


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_it_goes_as_the_story_says(path: Path, stage: Stage) -> None:
    steps = read(path)
    assert any(step.kind == "question" for step in steps)
    for step in steps:
        stage.play(step)
