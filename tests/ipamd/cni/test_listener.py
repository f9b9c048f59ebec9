"""The socket on which the executable calls."""

import asyncio
import json
import logging
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ipamd.cni.frames import Call, Outcome
from ipamd.cni.listener import Listener
from ipamd.errors import StartError
from tests.ipamd.cni.calling import call, frame, network

REQUEST = frame(call(network({"pool": "pods"})))


async def echo(request: Call, is_there: Callable[[], bool]) -> Outcome:
    return Outcome(3, request.stdin.decode())


async def exchange(path: Path, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    for part in parts:
        writer.write(part)
        await writer.drain()
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    return reply


async def test_a_request_is_answered_however_it_arrives(tmp_path: Path) -> None:
    listener, path = Listener(echo), tmp_path / "deep" / "cni.sock"
    await listener.start(path)

    whole = await exchange(path, REQUEST)
    slowly = await exchange(path, *(bytes([octet]) for octet in REQUEST), b"more")
    await listener.stop()

    assert whole == slowly == b"\x03" + call(network({"pool": "pods"})).stdin
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("octets", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02ab"])
async def test_what_is_no_request_is_refused(tmp_path: Path, octets: bytes) -> None:
    listener, path = Listener(echo), tmp_path / "cni.sock"
    await listener.start(path)

    reply = await exchange(path, octets)
    await listener.stop()

    assert (reply[0], json.loads(reply[1:])["code"]) == (1, 5)


async def test_a_fault_ends_one_request_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Call, is_there: Callable[[], bool]) -> Outcome:
        raise ZeroDivisionError

    listener, path = Listener(broken), tmp_path / "cni.sock"
    await listener.start(path)
    with caplog.at_level(logging.ERROR):
        replies = [await exchange(path, REQUEST) for _ in range(2)]
    await listener.stop()

    assert [json.loads(reply[1:])["code"] for reply in replies] == [999, 999]
    assert caplog.records[0].exc_info is not None


async def test_a_handler_knows_when_its_client_is_gone(tmp_path: Path) -> None:
    begun, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    heard: list[bool] = []

    async def slow(request: Call, is_there: Callable[[], bool]) -> Outcome:
        if request.environment["CNI_COMMAND"] == "ADD":
            heard.append(is_there())
            begun.set()
            await gone.wait()
            heard.append(is_there())
            ended.set()
        return Outcome(0, "")

    listener, path = Listener(slow), tmp_path / "cni.sock"
    await listener.start(path)
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.write(REQUEST)
    await begun.wait()
    writer.close()
    await writer.wait_closed()
    await exchange(path, frame(call("", COMMAND="DEL")))  # by then the end of the first connection was seen
    gone.set()
    await ended.wait()
    await listener.stop()

    assert heard == [True, False]


async def test_stopping_lets_requests_end(tmp_path: Path) -> None:
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Call, is_there: Callable[[], bool]) -> Outcome:
        begun.set()
        await going_on.wait()
        return Outcome(0, "done")

    listener, path = Listener(slow), tmp_path / "cni.sock"
    await listener.start(path)
    reply = asyncio.create_task(exchange(path, REQUEST))
    await begun.wait()
    stopping = asyncio.create_task(listener.stop())
    going_on.set()

    assert await reply == b"\x00done"
    await stopping


async def test_a_socket_that_nobody_listens_on_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "cni.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    listener = Listener(echo)
    await listener.start(path)
    with pytest.raises(StartError, match="another process does"):
        await Listener(echo).start(path)
    assert (await exchange(path, REQUEST))[0] == 3
    await listener.stop()


async def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartError, match="cannot listen on"):
        await Listener(echo).start(tmp_path / "file" / "cni.sock")
    with pytest.raises(StartError, match="cannot listen on"):
        await Listener(echo).start(tmp_path / ("a" * 200))
