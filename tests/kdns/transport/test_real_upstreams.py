"""The forwarder against servers that others wrote: nsd, unbound and dnsmasq, on loopback ports of their own."""

import asyncio
import getpass
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.ports import free_port
from kdns.errors import UpstreamError
from kdns.metrics import Metrics
from kdns.transport import policy
from kdns.transport.address import Address
from kdns.transport.forwarder import Forwarder, Route
from kdns.transport.upstream import Manner, Upstream
from kdns.wire import codes
from kdns.wire.edns import Edns
from tests.kdns.asking import question, texts

Server = Callable[[Path, int], list[str]]

LONG = [f"{number:03d}-" + "x" * 200 for number in range(12)]  # 12 strings: more than fits into 1232 octets
ADDRESSES = [f"192.0.2.{number}" for number in range(1, 5)]


def nsd(directory: Path, port: int) -> list[str]:
    """NSD with the zone example.org."""
    soa = "@ SOA ns hostmaster 1 7200 1800 86400 60\n@ NS ns\nns A 192.0.2.53\n"
    records = "".join(f"www A {address}\n" for address in ADDRESSES) + "".join(f"long TXT {text}\n" for text in LONG)
    (directory / "zone").write_text(f"$ORIGIN example.org.\n$TTL 60\n{soa}{records}")
    (directory / "nsd.conf").write_text(
        f'server:\n ip-address: 127.0.0.1@{port}\n username: ""\n chroot: ""\n zonesdir: "{directory}"\n'
        f' pidfile: ""\n database: ""\n xfrdfile: "{directory}/xfrd"\n zonelistfile: "{directory}/zones"\n'
        f" server-count: 1\n verbosity: 0\nremote-control:\n control-enable: no\n"
        f'zone:\n name: example.org\n zonefile: "zone"\n'
    )
    return ["nsd", "-d", "-c", str(directory / "nsd.conf")]


def unbound(directory: Path, port: int) -> list[str]:
    """Unbound with local data."""
    data = [f"www.example.org. 60 IN A {address}" for address in ADDRESSES]
    data += [f"long.example.org. 60 IN TXT {text}" for text in LONG]
    local = "".join(f" local-data: '{record}'\n" for record in data)
    (directory / "unbound.conf").write_text(
        f'server:\n interface: 127.0.0.1@{port}\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{directory}"\n pidfile: ""\n use-syslog: no\n incoming-num-tcp: 100\n'
        f" local-zone: example.org. static\n{local}"
    )
    return ["unbound", "-d", "-c", str(directory / "unbound.conf")]


def dnsmasq(directory: Path, port: int) -> list[str]:
    """dnsmasq with records on its command line."""
    records = [f"--host-record=www.example.org,{address}" for address in ADDRESSES]
    records += [f"--txt-record=long.example.org,{text}" for text in LONG]
    fixed = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="]
    where = ["--listen-address=127.0.0.1", "--bind-interfaces", f"--port={port}"]
    return ["dnsmasq", *fixed, *where, f"--user={getpass.getuser()}", "--local=/example.org/", *records]


SERVERS = [nsd, unbound, dnsmasq]


@asynccontextmanager
async def running(server: Server, directory: Path) -> AsyncIterator[Forwarder]:
    """A forwarder to a server of this kind, which answers already."""
    port = free_port()
    command = server(directory, port)
    path = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path is not None, f"{command[0]} is not installed"
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(path, *command[1:], stdout=quiet, stderr=quiet)
    upstreams = (Upstream(Address("dns", "127.0.0.1", port), Manner(), Metrics()),)
    route = Route(attempts=0, max_fails=0, read_timeout=1.0)
    forward = Forwarder(upstreams, policy.sequential, route, random.Random(1), lambda: None)
    try:
        await forward.ask(question("www.example.org. A"), "tcp")  # refusals are tried again until it listens
        yield forward
    except UpstreamError:
        assert process.returncode is None, f"{path} ended with {process.returncode}"
        raise
    finally:
        await forward.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("proto", ["udp", "tcp"])
async def test_real_servers_are_understood(server: Server, proto: str, tmp_path: Path) -> None:
    async with running(server, tmp_path) as forward:
        found = await forward.ask(question("WwW.Example.org. A"), proto)
        nothing = await forward.ask(question("nothing.example.org. A"), proto)

    assert sorted(text.split()[-1] for text in texts(found.answer)) == ADDRESSES
    assert nothing.rcode == codes.NXDOMAIN


@pytest.mark.parametrize("server", SERVERS)
async def test_what_a_real_server_cuts_off_over_udp_is_whole_over_tcp(server: Server, tmp_path: Path) -> None:
    asked = question("long.example.org. TXT", edns=Edns(1232))
    async with running(server, tmp_path) as forward:
        cut, whole = await forward.ask(asked, "udp"), await forward.ask(asked, "tcp")

    assert cut.flags & codes.TC
    assert not whole.flags & codes.TC
    assert len(whole.answer) == len(LONG)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("proto", ["udp", "tcp"])
async def test_many_questions_at_once_get_their_own_answers(server: Server, proto: str, tmp_path: Path) -> None:
    asked = [question(f"{'www' if number % 2 else f'n{number}'}.example.org. A") for number in range(16)]
    async with running(server, tmp_path) as forward:
        found = await asyncio.gather(*(forward.ask(one, proto) for one in asked))

    assert [message.rcode for message in found] == [codes.NXDOMAIN, codes.NOERROR] * 8
