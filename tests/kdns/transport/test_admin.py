"""The admin listeners over real sockets: pages shared and exchanged, addresses opened and closed, TLS."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.ports import free_port
from kdns.chain import Page
from kdns.errors import StartError
from kdns.transport.admin import Admin
from tests.kdns.http import fetch
from tests.kdns.transport import certificates

HERE = "localhost:0"


def page(path: str, body: str = "OK", status: int = 200, *, address: str = HERE, **more: Any) -> Page:
    async def get(query: Mapping[str, str]) -> tuple[int, str, bytes]:
        return status, "text/plain", body.format(**query).encode()

    return Page(address, path, get, **more)


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    admin = Admin()
    yield admin
    await admin.close()


async def test_pages_of_one_address_share_a_listener(admin: Admin) -> None:
    await admin.serve([page("/health"), page("/ready", "kubernetes", 503)])
    port = admin.ports()[HERE]

    health, ready = await fetch(port, "/health"), await fetch(port, "/ready")

    assert (health.status, health.body, health.headers["content-type"]) == (200, b"OK", "text/plain")
    assert (ready.status, ready.body) == (503, b"kubernetes")


async def test_a_page_sees_the_query(admin: Admin) -> None:
    await admin.serve([page("/profile", "{seconds}")])
    assert (await fetch(admin.ports()[HERE], "/profile?seconds=1&seconds=2")).body == b"1"


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("HEAD", "/health", 200, b""),
        ("POST", "/health", 405, b"Method Not Allowed\n"),
        ("GET", "/nothing", 404, b"404 page not found\n"),
        ("GET", "/health/", 404, b"404 page not found\n"),
        ("HEAD", "/nothing", 404, b""),
    ],
)
async def test_serves_get_and_head_of_its_pages_and_nothing_else(
    admin: Admin, method: str, path: str, status: int, body: bytes
) -> None:
    await admin.serve([page("/health")])
    got = await fetch(admin.ports()[HERE], path, method=method)
    assert (got.status, got.body) == (status, body)


@pytest.mark.parametrize("octets", [b"\x00\xff\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET " + b"x" * 100_000, b""])
async def test_what_is_not_http_disturbs_nobody(admin: Admin, octets: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    await admin.serve([page("/health")])
    port = admin.ports()[HERE]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    writer.write_eof()
    await reader.read()
    writer.close()
    assert (await fetch(port, "/health")).status == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("octets", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nX-Slow: "])
async def test_who_does_not_come_to_the_end_of_a_request_is_hung_up_on(octets: bytes) -> None:
    admin = Admin(idle=0.05)
    await admin.serve([page("/health")])
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.ports()[HERE])
    writer.write(octets)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await admin.close()


async def test_the_first_of_equal_pages_speaks_for_all(admin: Admin) -> None:
    await admin.serve([page("/metrics", "first"), page("/metrics", "second")])
    assert (await fetch(admin.ports()[HERE], "/metrics")).body == b"first"


@pytest.mark.parametrize(
    ("answers", "status", "body"),
    [
        ([("OK", 200), ("OK", 200)], 200, b"OK"),
        ([("OK", 200), ("kubernetes", 503)], 503, b"kubernetes"),
        ([("kubernetes,etcd", 503), ("OK", 200), ("auto,kubernetes", 503)], 503, b"auto,etcd,kubernetes"),
    ],
)
async def test_of_pages_where_every_one_counts_the_unwell_are_told_together(
    admin: Admin, answers: list[tuple[str, int]], status: int, body: bytes
) -> None:
    await admin.serve([page("/ready", text, code, every=True) for text, code in answers])
    got = await fetch(admin.ports()[HERE], "/ready")
    assert (got.status, got.body) == (status, body)


async def test_a_reload_changes_pages_and_keeps_the_door_open(admin: Admin) -> None:
    await admin.serve([page("/health", "old")])
    port = admin.ports()[HERE]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(request)
    assert (await reader.readuntil(b"old")).startswith(b"HTTP/1.1 200")

    await admin.serve([page("/health", "new")])
    writer.write(request)

    assert (await reader.readuntil(b"new")).startswith(b"HTTP/1.1 200")
    assert admin.ports()[HERE] == port
    writer.close()


async def test_an_address_nobody_wants_any_more_is_closed(admin: Admin) -> None:
    address = f"localhost:{free_port()}"
    await admin.serve([page("/health", address=address), page("/ready")])
    port = admin.ports()[address]

    await admin.serve([page("/ready")])

    with pytest.raises(OSError, match="Connect call failed"):
        await fetch(port, "/health")
    assert list(admin.ports()) == [HERE]


async def test_an_address_in_use_fails_and_changes_nothing(admin: Admin) -> None:
    await admin.serve([page("/health", "old")])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"localhost:{taken.getsockname()[1]}"
        other = f"127.0.0.1:{free_port()}"
        wanted = [page("/a", address=other), page("/b", address=address), page("/health", "new")]
        said = f"listen tcp 127.0.0.1:{taken.getsockname()[1]}: bind: address already in use"
        with pytest.raises(StartError, match=said):
            await admin.serve(wanted)
    assert (await fetch(admin.ports()[HERE], "/health")).body == b"old"
    assert list(admin.ports()) == [HERE]
    with pytest.raises(OSError, match="Connect call failed"):
        await fetch(int(other.split(":")[1]), "/a")


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("localhost:65536", "listen tcp localhost:65536: invalid port"),
        ("localhost:nonsense", "listen tcp localhost:nonsense: "),
        ("192.0.2.1:0", "listen tcp 192.0.2.1:0: bind: cannot assign requested address"),
    ],
)
async def test_says_why_an_address_cannot_be_opened(admin: Admin, address: str, complaint: str) -> None:
    with pytest.raises(StartError, match=complaint):
        await admin.serve([page("/health", address=address)])


async def test_an_address_without_a_host_is_all_of_both_families(admin: Admin) -> None:
    address = f":{free_port()}"
    await admin.serve([page("/health", address=address)])
    port = admin.ports()[address]
    assert (await fetch(port, "/health", host="127.0.0.1")).status == 200
    if socket.has_ipv6:
        assert (await fetch(port, "/health", host="::1")).status == 200


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    certificates.authority(folder, "ca")
    for name in ("server", "client"):
        certificates.certificate(folder, name, "ca")
    return folder


def web_config(pki: Path, *more: str) -> Path:
    path = pki / "web.yml"
    path.write_text("\n  ".join(["tls_server_config:", "cert_file: server.crt", "key_file: server.key", *more]))
    return path


async def test_an_address_may_speak_tls_and_stop_to(admin: Admin, pki: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    for body in ("first", "second"):  # the second time on a listener that is open already
        await admin.serve([page("/metrics", body, web_config=web_config(pki))])
        port = admin.ports()[HERE]
        assert (await fetch(port, "/metrics", tls=trusting)).body == body.encode()
    await admin.serve([page("/metrics", "plain")])
    assert admin.ports()[HERE] == port
    assert (await fetch(port, "/metrics")).body == b"plain"


async def test_a_client_may_have_to_show_a_certificate(admin: Admin, pki: Path) -> None:
    strict = web_config(pki, "client_auth_type: RequireAndVerifyClientCert", "client_ca_file: ca.crt")
    await admin.serve([page("/metrics", web_config=strict)])
    port = admin.ports()[HERE]
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    with pytest.raises(OSError, match=r"(?i)certificate|closed|reset"):
        await fetch(port, "/metrics", tls=context)
    context.load_cert_chain(pki / "client.crt", pki / "client.key")
    assert (await fetch(port, "/metrics", tls=context)).status == 200


async def test_two_web_configurations_of_one_address_are_refused(admin: Admin, pki: Path) -> None:
    with pytest.raises(StartError, match="2 different TLS configurations"):
        await admin.serve([page("/a", web_config=web_config(pki)), page("/b", web_config=pki / "other.yml")])
