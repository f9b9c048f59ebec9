"""The HTTP client of the reflectors over real sockets: credentials, TLS, what is counted, and what it will not take."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kdns.errors import ApiError
from kdns.metrics import Metrics
from kdns.transport import kubeapi
from kdns.transport.access import Access
from kdns.transport.kubeapi import KubeApi
from tests.kdns import apiserver
from tests.kdns.apiserver import ApiServer
from tests.kdns.transport import certificates

SERVICES = "/api/v1/services"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[KubeApi]:
    api = KubeApi(Access(server.url), Metrics())
    yield api
    await api.close()


async def failure(api: KubeApi) -> ApiError:
    with pytest.raises(ApiError) as failed:
        await api.read(SERVICES, {})
    return failed.value


async def test_reads_a_body(server: ApiServer, api: KubeApi) -> None:
    server.next_list(apiserver.body(b"octets"))
    assert await api.read(SERVICES, {"limit": "2", "labelSelector": "a in (b,c)"}) == b"octets"
    assert dict(server.requests[0].query) == {"limit": "2", "labelSelector": "a in (b,c)"}
    assert "Authorization" not in server.requests[0].headers


async def test_sends_the_token_of_the_moment(server: ApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    api = KubeApi(Access(server.url, token_file=token), Metrics())
    for secret in ("first", "rotated"):
        token.write_text(secret)
        await api.read(SERVICES, {})
    token.unlink()
    assert "No such file" in str(await failure(api))
    await api.close()
    assert [asked.headers["Authorization"] for asked in server.requests] == ["Bearer first", "Bearer rotated"]


async def test_a_refusal_says_what_the_server_said(server: ApiServer, api: KubeApi) -> None:
    server.next_list(apiserver.refusal(403), apiserver.refusal(429, {"Retry-After": "7"}))
    forbidden, throttled = await failure(api), await failure(api)
    assert (str(forbidden), forbidden.status, forbidden.retry_after) == ("HTTP status 403: refused with 403", 403, 0.0)
    assert (throttled.status, throttled.retry_after) == (429, 7.0)


async def test_a_redirect_is_not_followed(server: ApiServer, api: KubeApi) -> None:
    server.next_list(apiserver.refusal(307, {"Location": "http://127.0.0.1:1/"}))
    assert (await failure(api)).status == 307


async def test_a_body_without_end_is_not_taken(
    server: ApiServer, api: KubeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeapi, "MAX_PAGE", 100_000)
    server.next_list(apiserver.body(bytes(100_000)), apiserver.body(bytes(100_001)))
    assert len(await api.read(SERVICES, {})) == 100_000
    assert "more than 100000 octets" in str(await failure(api))


async def test_a_compressed_body_is_not_taken(server: ApiServer, api: KubeApi) -> None:
    server.next_list(apiserver.body(b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}))
    assert "encoding 'gzip'" in str(await failure(api))
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


async def test_silence_is_an_error(server: ApiServer, api: KubeApi) -> None:
    server.next_list(apiserver.stall(b"then nothing"))
    read = []
    with pytest.raises(ApiError, match="no word from the API server"):
        async with api.stream(SERVICES, {}, 0.02) as chunks:
            read += [chunk async for chunk in chunks]


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="no length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="no chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, id="a header without end"),
    ],
)
async def test_what_is_not_http_is_an_error(octets: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)
        writer.close()
        await writer.wait_closed()

    peer = await asyncio.start_server(answer, "127.0.0.1", 0)
    api = KubeApi(Access(f"http://127.0.0.1:{peer.sockets[0].getsockname()[1]}"), Metrics())
    assert (await failure(api)).status == 0
    await api.close()
    peer.close()
    await peer.wait_closed()


async def test_requests_are_counted_by_status_and_host(server: ApiServer) -> None:
    metrics = Metrics()
    ticks = iter((1.0, 1.5, 2.0, 2.25, 3.0))
    api = KubeApi(Access(server.url), metrics, lambda: next(ticks))
    server.next_list(apiserver.body(b""), apiserver.refusal(410))
    await api.read(SERVICES, {})
    await failure(api)
    await server.stop()
    await failure(api)
    await api.close()

    host = f"127.0.0.1:{server.port}"
    requests = metrics.family("kubernetes_rest_client_requests_total")
    durations = metrics.histogram("kubernetes_rest_client_request_duration_seconds")
    assert requests.values == {("200", "GET", host): 1, ("410", "GET", host): 1, ("<error>", "GET", host): 1}
    assert durations.values["GET", host][-1] == 0.75


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    for name in ("ca", "other"):
        certificates.authority(folder, name)
        certificates.certificate(folder, f"{name}-server", name)
        certificates.certificate(folder, f"{name}-client", name)
    return folder


async def serve_tls(pki: Path, name: str, port: int = 0) -> ApiServer:
    """An API server with the certificate of `name` that wants one of its clients, too."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / f"{name}.crt"))
    context.load_cert_chain(pki / f"{name}-server.crt", pki / f"{name}-server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ApiServer(context)
    server.port = port
    await server.start()
    return server


def with_client(pki: Path, server: ApiServer, authority: Path) -> Access:
    return Access(server.url, authority, pki / "ca-client.crt", pki / "ca-client.key")


@pytest.mark.parametrize("inline", [False, True])
async def test_speaks_tls_with_a_client_certificate(pki: Path, inline: bool) -> None:
    server = await serve_tls(pki, "ca")
    access = with_client(pki, server, pki / "ca.crt")
    if inline:
        pems = [(pki / name).read_text() for name in ("ca.crt", "ca-client.crt", "ca-client.key")]
        access = Access(server.url, *pems)
    api = KubeApi(access, Metrics())
    assert b"items" in await api.read(SERVICES, {})
    await api.close()
    await server.stop()


@pytest.mark.parametrize(
    "change", [{"authority": "other.crt"}, {"certificate": None}, {"server_name": "api.example"}, {"authority": "none"}]
)
async def test_does_not_speak_to_one_that_it_cannot_trust_or_that_does_not_trust_it(
    pki: Path, change: dict[str, str | None]
) -> None:
    server = await serve_tls(pki, "ca")
    fields = vars(with_client(pki, server, pki / "ca.crt"))
    fields |= {name: pki / value if value and name == "authority" else value for name, value in change.items()}
    api = KubeApi(Access(**fields), Metrics())
    await failure(api)
    assert server.requests == []
    await api.close()
    await server.stop()


async def test_does_not_ask_who_it_is_when_told_so(pki: Path) -> None:
    server = await serve_tls(pki, "ca")
    client = pki / "ca-client.crt", pki / "ca-client.key"
    api = KubeApi(Access(server.url, None, *client, server_name="api.example", verify=False), Metrics())
    assert b"items" in await api.read(SERVICES, {})
    await api.close()
    await server.stop()


async def test_certificates_that_were_exchanged_are_read_again(pki: Path, tmp_path: Path) -> None:
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes((pki / "other.crt").read_bytes())
    server = await serve_tls(pki, "ca")
    api = KubeApi(with_client(pki, server, trusted), Metrics())
    await failure(api)
    trusted.write_bytes((pki / "ca.crt").read_bytes())
    assert b"items" in await api.read(SERVICES, {})
    await api.close()
    await server.stop()
