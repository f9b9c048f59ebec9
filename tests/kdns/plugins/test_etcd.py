"""etcd: zones out of a real etcd; what services mean is tested with the pure part."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kdns.chain import Reply, Request, link
from kdns.errors import ConfigError, NoAnswer
from kdns.plugins import etcd as plugin
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from tests.kdns.asking import args, canned, request, served, texts
from tests.kdns.etcd import Server, etcd
from tests.kdns.transport import certificates

BELOW = Reply(codes.REFUSED, by="below")
WEB = {
    "/skydns/test/web/a": '{"host":"10.0.0.1","port":80}',
    "/skydns/test/web/b": '{"host":"2001:db8::1","port":81,"ttl":60}',
    "/skydns/test/out": '{"host":"www.example.org"}',
    "/skydns/arpa/in-addr/10/0/0/1": '{"host":"web.test"}',
}


@asynccontextmanager
async def running(text: str) -> AsyncIterator[plugin.EtcdZones]:
    """The plugin of a directive, started."""
    zones = plugin.setup(args(text))
    await zones.start()
    try:
        yield zones
    finally:
        await zones.close()


@asynccontextmanager
async def with_keys(directory: Path, pairs: Mapping[str, str] = WEB, *more: str) -> AsyncIterator[Server]:
    async with etcd(directory, *more) as server:
        await server.put(pairs)
        yield server


def of(server: Server, *lines: str) -> str:
    return "\n".join(("etcd test in-addr.arpa {", f"endpoint http://{server.place}", *lines, "}"))


async def example(request: Request, name: Name, qtype: int, /) -> Reply:
    """The lookup of names beyond the zones."""
    address = bytes((192, 0, 2, 7)) if qtype == codes.A else bytes(16)
    return Reply(answer=(records.make(name, qtype, 60, address),))


async def ask(zones: Any, asked: str) -> Reply:
    """What the plugin replies with BELOW under it."""
    return await served(link([zones, canned(BELOW)])(request(asked, ask=example)))


@pytest.mark.parametrize(
    ("asked", "rcode", "answer"),
    [
        ("a.Web.test. A", codes.NOERROR, ["a.Web.test. 300 IN A 10.0.0.1"]),
        ("web.test. AAAA", codes.NOERROR, ["web.test. 60 IN AAAA 2001:db8::1"]),
        ("*.test. A", codes.NOERROR, ["*.test. 300 IN CNAME www.example.org.", "www.example.org. 60 IN A 192.0.2.7",
                                      "*.test. 300 IN A 10.0.0.1"]),
        ("out.test. A", codes.NOERROR,
         ["out.test. 300 IN CNAME www.example.org.", "www.example.org. 60 IN A 192.0.2.7"]),
        ("1.0.0.10.in-addr.arpa. PTR", codes.NOERROR, ["1.0.0.10.in-addr.arpa. 300 IN PTR web.test."]),
        ("web.test. HINFO", codes.NOERROR, []),
        ("none.test. A", codes.NXDOMAIN, []),
        ("none.test. HINFO", codes.NXDOMAIN, []),
        ("www.example.org. A", codes.REFUSED, []),
    ],
)  # fmt: skip
async def test_names_are_keys(tmp_path: Path, asked: str, rcode: int, answer: list[str]) -> None:
    async with with_keys(tmp_path) as server, running(of(server)) as zones:
        reply = await ask(zones, asked)
        assert (reply.rcode, sorted(texts(reply.answer))) == (rcode, sorted(answer))
        if not answer and rcode != codes.REFUSED:
            assert texts(reply.authority)[0].startswith("test. 30 IN SOA ns.dns.test. hostmaster.test. ")


async def test_names_that_are_not_there_may_fall_through(tmp_path: Path) -> None:
    async with with_keys(tmp_path) as server, running(of(server, "fallthrough test")) as zones:
        assert await ask(zones, "none.test. A") == BELOW
        assert (await ask(zones, "2.0.0.10.in-addr.arpa. PTR")).rcode == codes.NXDOMAIN


@pytest.mark.parametrize(
    ("lease", "lines", "low", "high"),
    [
        (3600, [], 3500, 3600),
        (3600, ["max-lease-ttl 1m"], 60, 60),
        (20, [], 30, 30),
        (20, ["min-lease-ttl 5s"], 10, 20),
    ],
    ids=["as long as it lasts", "at most", "at least", "less at least"],
)
async def test_the_ttl_is_that_of_the_lease(tmp_path: Path, lease: int, lines: list[str], low: int, high: int) -> None:
    async with etcd(tmp_path) as server, running(of(server, *lines)) as zones:
        await server.put({"/skydns/test/leased": '{"host":"10.0.0.1"}'}, ttl=lease)
        (rr,) = (await ask(zones, "leased.test. A")).answer
    assert low <= records.ttl(rr) <= high


async def test_another_path_is_another_tree(tmp_path: Path) -> None:
    pairs = {"/dns/lab/test/web": '{"host":"10.0.0.9"}'}
    async with with_keys(tmp_path, pairs) as server, running(of(server, "path /dns/lab/")) as zones:
        reply = await ask(zones, "web.test. SRV")
    assert texts(reply.answer) == ["web.test. 300 IN SRV 10 100 0 web.test."]


async def test_a_value_that_is_no_service_fails_by_name(tmp_path: Path) -> None:
    async with with_keys(tmp_path, {"/skydns/test/bad": '{"port":"x"}'}) as server, running(of(server)) as zones:
        with pytest.raises(NoAnswer, match="/test/bad: Expected `int`"):
            await ask(zones, "bad.test. A")


async def test_where_one_member_is_gone_another_is_asked(tmp_path: Path) -> None:
    async with with_keys(tmp_path / "one") as gone, with_keys(tmp_path / "two") as server:
        text = f"etcd test {{\n endpoint http://{gone.place} {server.place}\n}}"
        async with running(text) as zones:
            assert (await ask(zones, "web.test. A")).answer
            await gone.kill()
            assert (await ask(zones, "web.test. A")).answer
            await server.kill()
            with pytest.raises(NoAnswer, match="etcd: "):
                await ask(zones, "web.test. A")


async def test_a_member_that_is_silent_holds_up_one_question(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait in its backlog
        async with with_keys(tmp_path) as server:
            where = f"http://127.0.0.1:{silent.getsockname()[1]}"
            async with running(f"etcd test {{\n endpoint {where} {server.place}\n}}") as zones:
                assert (await ask(zones, "web.test. A")).answer
                assert zones._etcd is not None
                assert zones._etcd._current == 1
        async with running(f"etcd test {{\n endpoint {where}\n}}") as zones:
            with pytest.raises(NoAnswer, match="etcd: i/o timeout"):
                await ask(zones, "web.test. A")


async def test_the_store_may_want_to_know_who_asks(tmp_path: Path) -> None:
    authority = certificates.authority(tmp_path, "authority")
    for name in ("server", "client"):
        certificates.certificate(tmp_path, name, "authority")
    shown = "--cert-file", str(tmp_path / "server.crt"), "--key-file", str(tmp_path / "server.key")
    wanted = "--client-cert-auth", "--trusted-ca-file", str(authority)
    files = " ".join(str(tmp_path / name) for name in ("client.crt", "client.key", "authority.crt"))
    async with etcd(tmp_path, *shown, *wanted, is_encrypted=True) as server:
        await server.put(WEB)
        for endpoint in (f"https://{server.encrypted}", server.encrypted):
            async with running(f"etcd test {{\n endpoint {endpoint}\n tls {files}\n}}") as zones:
                assert (await ask(zones, "web.test. A")).answer
        async with running(f"etcd test {{\n endpoint https://{server.encrypted}\n tls {authority}\n}}") as zones:
            with pytest.raises(NoAnswer, match="etcd: "):
                await ask(zones, "web.test. A")


async def ask_for_passwords(server: Server) -> None:
    """From now on the store is for root alone."""
    async with server.client() as client:
        assert client.auth is not None
        await client.auth.user_add("root", "secret")
        await client.auth.role_add("root")
        await client.auth.user_grant_role("root", "root")
        await client.auth.auth_enable()


async def test_a_token_from_before_other_users_came_is_replaced(tmp_path: Path) -> None:
    key = certificates.authority(tmp_path, "token").with_suffix(".key")
    signed = "--auth-token", f"jwt,sign-method=ES256,priv-key={key}"
    async with with_keys(tmp_path, WEB, *signed) as server:
        await ask_for_passwords(server)
        async with running(of(server, "credentials root secret")) as zones, server.client() as client:
            assert (await ask(zones, "web.test. A")).answer
            assert client.auth is not None
            client.auth.set_token((await client.auth.authenticate("root", "secret")).token)
            await client.auth.user_add("other", "word")
            assert (await ask(zones, "web.test. A")).answer


async def test_a_store_may_ask_for_a_password(tmp_path: Path) -> None:
    async with with_keys(tmp_path) as server:
        await ask_for_passwords(server)
        async with running(of(server, "credentials root secret")) as zones:
            assert (await ask(zones, "web.test. A")).answer
            for each in zones._etcd._members:  # type: ignore[union-attr]
                each.kv.set_token("what has run out")
            assert (await ask(zones, "web.test. A")).answer
        async with running(of(server)) as zones:
            with pytest.raises(NoAnswer, match="user name is empty"):
                await ask(zones, "web.test. A")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("etcd {\n path a b\n}", "unknown property 'b'"),
        ("etcd {\n endpoints localhost:300\n}", "unknown property 'endpoints'"),
        ("etcd {\n endpoint\n}", "Wrong argument count"),
        ("etcd {\n endpoint ftp://localhost\n}", "invalid endpoint 'ftp://localhost'"),
        ("etcd {\n endpoint localhost:x\n}", "invalid endpoint 'localhost:x'"),
        ("etcd {\n path\n}", "Wrong argument count"),
        ("etcd {\n credentials username\n}", "credentials requires 2 arguments"),
        ("etcd {\n min-lease-ttl 1y\n}", "invalid min-lease-ttl value: invalid TTL format"),
        ("etcd {\n max-lease-ttl -30s\n}", "invalid max-lease-ttl value: TTL must be between 0 and"),
        ("etcd {\n tls nowhere.pem\n}", "could not load"),
        ("etcd\netcd", "once per Server Block"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plugin.setup(args(text))


def test_what_is_of_times_past_is_passed_over() -> None:
    zones = plugin.setup(args("etcd skydns.local {\n stubzones\n debug\n upstream 9.9.9.9\n}"))
    assert [each.zones for each in zones.reach()] == [(names.parse("skydns.local."),)]


def test_one_process_asks_the_store_since_grpc_does_not_outlive_a_fork() -> None:
    assert not plugin.EtcdZones.divisible
