"""nomad: services of a Nomad cluster, asked of a server that speaks as much of its API."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kdns.chain import Reply, link
from kdns.errors import ConfigError, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import nomad
from kdns.wire import codes
from tests.kdns.asking import args, canned, request, served, texts
from tests.kdns.transport import certificates

BELOW = Reply(codes.REFUSED, by="below")
WEB = [("192.0.2.1", 8080), ("2001:db8::1", 8081), ("192.0.2.2", 8080)]


class Agent:
    """A Nomad agent: the services of the namespace `default`, and what it was asked."""

    def __init__(self) -> None:
        self.services: dict[str, list[tuple[str, int]]] = {"web": WEB}
        self.status = 200
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        self.asked.append((request.path, {**request.query}, request.headers.get("X-Nomad-Token", "")))
        if self.status != 200:
            return web.Response(status=self.status, text="Permission denied")
        if request.path == "/v1/agent/self":
            return web.json_response({"member": {"Name": "here"}})
        found = self.services.get(request.path.removeprefix("/v1/service/"), [])
        if request.query["namespace"] != "default":
            found = []
        return web.json_response([instance(*each) for each in found])


def instance(address: str, port: int) -> dict[str, Any]:
    """A registration as Nomad shows it."""
    return {"ID": "_nomad-task-1", "ServiceName": "web", "Namespace": "default", "NodeID": "n1", "Datacenter": "dc1",
            "JobID": "job", "AllocID": "a", "Tags": [], "Address": address, "Port": port}  # fmt: skip


@asynccontextmanager
async def serving(path: Path | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Agent]:
    """The agent on a port of loopback, or on a Unix socket."""
    agent = Agent()
    app = web.Application()
    app.router.add_get("/{path:.*}", agent.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.UnixSite(runner, str(path)) if path else web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    scheme = "https" if tls else "http"
    agent.url = f"unix://{path}" if path else f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield agent
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(
    text: str, metrics: Metrics | None = None, environ: dict[str, str] | None = None
) -> AsyncIterator[nomad.NomadServices]:
    """The plugin of a directive, started."""
    plugin = nomad.setup(args(text, metrics=metrics, environ=environ))
    await plugin.start()
    try:
        yield plugin
    finally:
        await plugin.close()


async def ask(plugin: nomad.NomadServices, asked: str) -> Reply:
    """What the plugin replies with BELOW under it."""
    return await served(link([plugin, canned(BELOW)])(request(asked)))


def of(agent: Agent, *more: str) -> str:
    return "\n".join(("nomad {", f"address {agent.url}", *more, "}"))


@pytest.mark.parametrize(
    ("asked", "answer", "additional"),
    [
        (
            "Web.default.service.nomad. A",
            ["Web.default.service.nomad. 30 IN A 192.0.2.1", "Web.default.service.nomad. 30 IN A 192.0.2.2"],
            [],
        ),
        ("web.default.service.nomad. AAAA", ["web.default.service.nomad. 30 IN AAAA 2001:db8::1"], []),
        (
            "web.default.service.nomad. SRV",
            [f"web.default.service.nomad. 30 IN SRV 10 10 {port} web.default.service.nomad." for _, port in WEB],
            [
                f"web.default.service.nomad. 30 IN {kind} {address}"
                for kind, (address, _) in zip(("A", "AAAA", "A"), WEB, strict=True)
            ],
        ),
    ],
)
async def test_every_instance_of_a_service_is_a_record(asked: str, answer: list[str], additional: list[str]) -> None:
    async with serving() as agent, running(of(agent)) as plugin:
        reply = await ask(plugin, asked)
    assert (texts(reply.answer), texts(reply.additional)) == (answer, additional)
    assert (reply.rcode, reply.flags, reply.by) == (codes.NOERROR, codes.AA, "nomad")


@pytest.mark.parametrize(
    ("asked", "rcode"),
    [
        ("none.default.service.nomad. A", codes.NXDOMAIN),
        ("web.other.service.nomad. A", codes.NXDOMAIN),
        ("web.default.service.nomad. TXT", codes.NOERROR),
    ],
)
async def test_what_is_not_there_is_denied_with_the_zones_soa(asked: str, rcode: int) -> None:
    async with serving() as agent, running(of(agent, "ttl 5")) as plugin:
        reply = await ask(plugin, asked)
    soa = "service.nomad. 5 IN SOA ns1.service.nomad. hostmaster.service.nomad. 0 7200 1800 86400 30"
    assert (reply.rcode, reply.answer, texts(reply.authority)) == (rcode, (), [soa])


async def test_names_of_another_form_go_on() -> None:
    async with serving() as agent, running(of(agent)) as plugin:
        for name in ("service.nomad.", "web.service.nomad.", "web.default.example.org."):
            assert await ask(plugin, f"{name} A") == BELOW
    assert [path for path, _, _ in agent.asked] == ["/v1/agent/self"]


async def test_the_agent_is_asked_with_token_namespace_and_filter() -> None:
    async with serving() as agent:
        async with running(of(agent, 'filter "Tags contains x"', "token secret")) as plugin:
            await ask(plugin, "web.default.service.nomad. A")
        environ = {"NOMAD_ADDR": agent.url, "NOMAD_TOKEN": "other"}
        async with running("nomad example.org", environ=environ) as plugin:
            assert len((await ask(plugin, "web.default.example.org. A")).answer) == 2
    query = {"namespace": "default", "filter": "Tags contains x"}
    assert agent.asked[1] == ("/v1/service/web", query, "secret")
    assert agent.asked[3] == ("/v1/service/web", {"namespace": "default"}, "other")


async def test_what_a_name_says_does_not_lead_to_another_path() -> None:
    async with serving() as agent, running(of(agent)) as plugin:
        assert (await ask(plugin, r"\.\.\047agent\047self?x.default.service.nomad. A")).rcode == codes.NXDOMAIN
    path, query, _ = agent.asked[-1]
    assert (path, query) == ("/v1/service/../agent/self?x", {"namespace": "default"})


async def test_an_agent_may_listen_on_a_unix_socket(tmp_path: Path) -> None:
    async with serving(tmp_path / "api.sock") as agent, running(of(agent)) as plugin:
        assert len((await ask(plugin, "web.default.service.nomad. A")).answer) == 2


async def test_a_failure_is_told_counted_and_over_when_it_is_over() -> None:
    metrics = Metrics()
    async with serving() as agent, running(of(agent), metrics) as plugin:
        agent.status = 403
        with pytest.raises(NoAnswer, match="response code: 403"):
            await ask(plugin, "web.default.service.nomad. A")
        agent.status = 200
        await ask(plugin, "web.default.service.nomad. A")
        agent.services["web"] = [("nowhere", 1)]
        with pytest.raises(NoAnswer, match="error parsing IP address"):
            await ask(plugin, "web.default.service.nomad. A")
        await ask(plugin, "web.random7.service.nomad. A")
    server = request(". A").server
    assert metrics.family("nomad_failed_requests_total").values == {(server, ""): 2}
    assert metrics.family("nomad_success_requests_total").values == {(server, "default"): 2}


async def test_where_one_agent_fails_the_next_is_asked_from_then_on(tmp_path: Path) -> None:
    async with serving() as agent:
        text = f"nomad {{\n address unix://{tmp_path}/nobody {agent.url}\n}}"
        plugin = nomad.setup(args(text))
        assert not plugin.ready()
        await plugin.start()
        assert plugin.ready()
        assert len((await ask(plugin, "web.default.service.nomad. A")).answer) == 2
    with pytest.raises(NoAnswer, match="no Nomad client available"):
        await ask(plugin, "web.default.service.nomad. A")
    assert not plugin.ready()
    await plugin.close()


async def test_a_server_that_waits_for_an_agent_becomes_ready_without_queries(tmp_path: Path) -> None:
    plugin = nomad.setup(args(f"nomad {{\n address unix://{tmp_path}/nobody unix://{tmp_path}/agent\n}}"))
    await plugin.start()
    running = asyncio.create_task(plugin.run())
    assert not plugin.ready()
    async with serving(tmp_path / "agent") as agent, asyncio.timeout(10):
        while not plugin.ready():
            await asyncio.wait([running], timeout=0.01)
        assert len((await ask(plugin, "web.default.service.nomad. A")).answer) == 2
    assert agent.asked
    running.cancel()
    await plugin.close()


async def test_agents_may_be_known_by_certificates(tmp_path: Path) -> None:
    file = certificates.make(tmp_path)
    async with serving(tls=certificates.server_side(file)) as agent:
        environ = {"NOMAD_CACERT": str(file), "NOMAD_REGION": "north"}
        for name, is_so in (("dns.example", True), ("", True), ("other.example", False)):
            async with running(of(agent), environ={**environ, "NOMAD_TLS_SERVER_NAME": name}) as plugin:
                if is_so:
                    assert len((await ask(plugin, "web.default.service.nomad. A")).answer) == 2
                    continue
                with pytest.raises(NoAnswer, match="certificate"):
                    await ask(plugin, "web.default.service.nomad. A")
    assert agent.asked[-1][1] == {"namespace": "default", "region": "north"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nomad {\n address\n}", "at least one address is required"),
        ("nomad {\n address 127.0.0.1\n}", "invalid address '127.0.0.1': it begins with http://"),
        ("nomad {\n filter a b\n}", "exactly one filter is required"),
        ("nomad {\n token\n}", "exactly one token is required"),
        ("nomad {\n ttl\n}", "exactly one ttl value is required"),
        ("nomad {\n ttl x\n}", "error parsing ttl"),
        ("nomad {\n ttl 3601\n}", r"ttl must be in range \[0, 3600\]: 3601"),
        ("nomad {\n region x\n}", "unknown property 'region'"),
        ("nomad\nnomad", "once per Server Block"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        nomad.setup(args(text))
