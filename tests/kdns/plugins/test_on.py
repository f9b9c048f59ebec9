"""on: commands at the server's start and end."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from kdns.errors import ConfigError
from kdns.plugins import on
from kdns.plugins.on import On
from tests.kdns.asking import args
from tests.kdns.server import Kdns


def plugin(text: str, said: list[str]) -> On:
    return on.setup(args(text, log=lambda level, message: said.append(f"{level} {message}")))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_commands_run_at_their_events(tmp_path: Path) -> None:
    said: list[str] = []
    hooks = plugin(
        f"on startup touch {tmp_path}/started\non Shutdown sh -c 'echo $0 > {tmp_path}/stopped' bye\n"
        f"on certrenew touch {tmp_path}/renewed",
        said,
    )

    await hooks.serving()
    assert names(tmp_path) == ["started"]
    await hooks.lameduck()
    assert (tmp_path / "stopped").read_text() == "bye\n"
    assert names(tmp_path) == ["started", "stopped"]
    assert said[0].startswith(f'LINE Blocking Command "touch {tmp_path}/started" with ID ')
    assert len(said) == 2


async def test_a_failure_is_told_and_no_more(tmp_path: Path) -> None:
    said: list[str] = []
    hooks = plugin(f"on startup {tmp_path}/missing\non startup sh -c 'exit 3'", said)

    await hooks.serving()

    assert [line.split("hook: ")[1] for line in said if line.startswith("ERROR error on 'on-")] == [
        f"{tmp_path}/missing: No such file or directory",
        "exit status 3",
    ]


async def test_nobody_waits_for_what_runs_in_the_background_and_it_lives_on(tmp_path: Path) -> None:
    said: list[str] = []
    told, heard = tmp_path / "told", tmp_path / "heard"
    os.mkfifo(told)
    os.mkfifo(heard)
    hooks = plugin(f"on startup sh -c 'read word < {told}; echo $word > {heard}' &", said)

    await hooks.serving()  # the command waits for a word
    await hooks.close()
    await asyncio.to_thread(told.write_text, "now\n")

    assert await asyncio.to_thread(heard.read_text) == "now\n"
    assert said[0].startswith("LINE Nonblocking Command ")


async def test_what_ended_in_the_background_is_forgotten() -> None:
    hooks = plugin("on startup true &", [])
    await hooks.serving()
    assert len(hooks._background) == 1

    await asyncio.gather(*hooks._background)
    await asyncio.sleep(0)  # what is called back at its end has its turn

    assert not hooks._background


def test_a_server_says_when_it_answers_and_when_it_stops(tmp_path: Path) -> None:
    with_hooks = f"""
.:@PORT@ {{
    on startup sh -c 'echo answering; dig +short @127.0.0.1 -p @PORT@ local. A > {tmp_path}/seen'
    on shutdown echo stopping &
    erratic {{
        drop 0
    }}
}}
"""
    server = Kdns(tmp_path, with_hooks)
    server.start()
    assert (tmp_path / "seen").read_text() == "192.0.2.53\n"
    server.signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    said = server.output.read_text()
    assert said.index("answering") < said.index("SIGTERM") < said.index("stopping")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("on", "Wrong argument count or unexpected line ending after 'on'"),
        ("on startup true {\n}", "Wrong argument count"),
        ("on fire true", "Wrong event name or event not supported: 'fire'"),
        ("on startup", "no command contained in ''"),
        ("on startup &", "no command contained in '&'"),
        ('on startup echo "it\'s"', "error parsing command: No closing quotation"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        on.setup(args(text))
