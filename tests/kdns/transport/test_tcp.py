"""TCP connections with TLS: the same protocol, another way to end."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Reply, Request, link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport.sockets import Endpoint, open_tcp
from kdns.transport.tcp import TcpListener, Timeouts
from kdns.wire import names, records
from kdns.wire.frame import framed
from tests.kdns.server import query
from tests.kdns.transport import certificates


async def empty(request: Request, rest: Any) -> Reply:
    return Reply()


async def test_a_client_that_ends_its_tls_connection_leaves_no_trace_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = certificates.make(tmp_path)
    answers = Answers("tls://:853", {names.ROOT: (Block(names.ROOT, link([empty])),)}, False, Metrics(), print)
    (sock,) = open_tcp(Endpoint("127.0.0.1", 0))
    port = sock.getsockname()[1]
    tls = certificates.server_side(file)
    listener = TcpListener(sock, answers, Memo(1 << 20), time.monotonic, Timeouts(), lambda: tls)
    await listener.start()
    with caplog.at_level(logging.DEBUG):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=certificates.client_side(file))
        writer.write(framed(query("example.org. A")))
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = records.read_message(await reader.readexactly(size))
        writer.close()
        await writer.wait_closed()
        listener.stop()
    assert names.show(reply.question[0]) == "example.org."
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
