"""HTTPS and gRPC listeners on real sockets: curl and grpcio as clients, limits, slow clients, other certificates."""

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport.certificates import Certificates, Files
from kdns.transport.sockets import Endpoint, open_tcp
from kdns.transport.timeouts import Timeouts
from kdns.web.dnsgrpc import PATH, DnsGrpc
from kdns.web.doh import Doh
from kdns.web.server import Limits, WebListener
from kdns.wire import names
from tests.kdns.asking import canned
from tests.kdns.server import query
from tests.kdns.transport import certificates

QUERY = query("www.example.org. A")
ANSWER = "www.example.org. 60 IN A 192.0.2.1"


class Clock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answers() -> Answers:
    def fault(label: str, fault: Exception) -> None:
        raise fault

    block = Block(names.ROOT, link([canned(ANSWER)]))
    return Answers("https://:443", {names.ROOT: (block,)}, False, Metrics(), fault)


@asynccontextmanager
async def listening(
    application: Any = None,
    tls: Certificates | None = None,
    limits: Limits = Limits(),  # noqa: B008
    timeouts: Timeouts = Timeouts(),  # noqa: B008
) -> AsyncIterator[int]:
    (sock,) = open_tcp(Endpoint("127.0.0.1", 0))
    listener = WebListener(
        sock,
        application or Doh([].append),
        answers(),
        Memo(1 << 20),
        time.monotonic,
        timeouts,
        limits,
        tls.context if tls else None,
    )
    await listener.start()
    try:
        yield sock.getsockname()[1]
    finally:
        listener.stop()
        listener.close()


async def curl(*arguments: str) -> bytes:
    command = ["curl", "-s", "--max-time", "10", "--data-binary", "@-", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    said, _ = await process.communicate(QUERY)
    return said


def files(directory: Path, **more: Any) -> Files:
    file = certificates.make(directory)
    return Files(file, file, **more)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_curl_gets_a_reply_over_tls(tmp_path: Path, version: str) -> None:
    chosen = files(tmp_path)
    tls = Certificates(chosen, ("h2", "http/1.1"), time.monotonic, print)
    async with listening(tls=tls) as port:
        url = f"https://127.0.0.1:{port}/dns-query"
        said = await curl(version, "--cacert", str(chosen.cert), "-w", "%{http_version} %{http_code}", url)
    assert bytes((192, 0, 2, 1)) in said
    assert said.endswith(b"1.1 200" if version == "--http1.1" else b"2 200")


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
async def test_without_a_certificate_http_is_plain(version: str) -> None:
    async with listening() as port:
        said = await curl(version, f"http://127.0.0.1:{port}/dns-query")
    assert bytes((192, 0, 2, 1)) in said


async def test_grpc_calls_are_answered() -> None:
    async with listening(DnsGrpc()) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            PATH, request_serializer=BytesValue.SerializeToString, response_deserializer=BytesValue.FromString
        )
        replies = await asyncio.gather(*(call(BytesValue(value=QUERY)) for _ in range(20)))
        assert all(bytes((192, 0, 2, 1)) in reply.value for reply in replies)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(BytesValue(value=b"no DNS"))
    assert refused.value.code() is grpc.StatusCode.UNKNOWN


async def test_a_client_certificate_is_required_where_the_corefile_says_so(tmp_path: Path) -> None:
    ca = certificates.authority(tmp_path, "clients")
    mine = certificates.certificate(tmp_path, "mine", "clients")
    chosen = files(tmp_path, ca=ca, client_auth="require_and_verify")
    tls = Certificates(chosen, ("h2", "http/1.1"), time.monotonic, print)
    async with listening(tls=tls) as port:
        url = f"https://127.0.0.1:{port}/dns-query"
        without = await curl("--cacert", str(chosen.cert), url)
        shown = "--cert", str(mine), "--key", str(mine.with_suffix(".key"))
        with_it = await curl("--cacert", str(chosen.cert), *shown, url)
    assert without == b""
    assert bytes((192, 0, 2, 1)) in with_it


async def test_other_connections_wait_while_there_is_no_room() -> None:
    async with listening(limits=Limits(connections=1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        waiting = asyncio.create_task(curl(f"http://127.0.0.1:{port}/dns-query"))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        assert not waiting.done()
        writer.close()
        assert bytes((192, 0, 2, 1)) in await waiting


@pytest.mark.parametrize(
    "sent", [b"", b"PRI * ", b"GET / HT", b"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"]
)
async def test_who_sends_no_whole_request_is_hung_up_on(sent: bytes) -> None:
    async with listening(timeouts=Timeouts(read=0.05, idle=0.05)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_what_is_no_tls_leaves_the_listener_as_it_was(tmp_path: Path) -> None:
    chosen = files(tmp_path)
    tls = Certificates(chosen, ("h2", "http/1.1"), time.monotonic, print)
    async with listening(tls=tls, limits=Limits(connections=1)) as port:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.read()
            writer.close()
        said = await curl("--cacert", str(chosen.cert), f"https://127.0.0.1:{port}/dns-query")
    assert bytes((192, 0, 2, 1)) in said


async def test_another_certificate_is_shown_once_its_files_are_there(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    chosen, other = files(old), files(new)
    said: list[str] = []
    clock = Clock()
    tls = Certificates(chosen, ("h2", "http/1.1"), clock, lambda level, text: said.append(f"{level} {text}"))
    async with listening(tls=tls) as port:
        url = f"https://127.0.0.1:{port}/dns-query"
        chosen.cert.write_text("half a certificate")
        clock.now += 10
        tls.renew()
        assert bytes((192, 0, 2, 1)) not in await curl("--cacert", str(other.cert), url)
        shutil.copy(other.cert, chosen.cert)
        clock.now += 10
        tls.renew()
        assert bytes((192, 0, 2, 1)) in await curl("--cacert", str(other.cert), url)
    assert [line.split()[0] for line in said] == ["WARNING", "INFO"]
    assert tls.renewals == 1


def test_a_context_is_never_older_than_tls_1_2(tmp_path: Path) -> None:
    assert files(tmp_path).context().minimum_version is ssl.TLSVersion.TLSv1_2
