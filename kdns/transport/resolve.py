"""Host names among a Corefile's upstreams, resolved once at start: by the system, or by resolvers that are named."""

import asyncio
import ipaddress
import socket

from kdns.errors import UpstreamError, WireError
from kdns.transport.address import PORTS, Address, split
from kdns.transport.datagram import Datagram
from kdns.transport.expiry import Expiry
from kdns.wire import codes, names, query, records

TIMEOUT = 2.0  # seconds that each question to a named resolver may take


async def resolve(address: Address, resolvers: tuple[str, ...]) -> tuple[Address, ...]:
    """The address with each IP address of its host in turn. UpstreamError if there is none.

    `resolvers` are `IP` or `IP:PORT`, asked in order; without any the system resolves.
    """
    try:
        found = await (_by_resolvers(address.host, resolvers) if resolvers else _by_system(address.host))
    except UpstreamError as error:
        raise UpstreamError(f'failed to resolve "{address.host}": {error}') from None
    return tuple(address._replace(host=host) for host in found)


async def _by_system(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UpstreamError(f"lookup {host}: {error}") from None
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def _by_resolvers(host: str, resolvers: tuple[str, ...]) -> list[str]:
    failure = ""
    for resolver in resolvers:
        ip, port = split(resolver)
        found: list[str] = []
        for qtype in (codes.A, codes.AAAA):
            try:
                found += await _ask(Address("dns", ip, port or PORTS["dns"]), host, qtype)
            except (UpstreamError, WireError) as error:
                failure = f": {error}"
                break
        if found:
            return found
    raise UpstreamError(f'no addresses found for "{host}"{failure}')


async def _ask(resolver: Address, host: str, qtype: int) -> list[str]:
    connection = Datagram(resolver, "", asyncio.get_running_loop(), Expiry())
    try:
        message = records.read_message(await connection.exchange(query.make(names.parse(host), qtype), TIMEOUT))
    finally:
        connection.close()
    found = (records.rdata(rr) for rr in message.answer if records.rtype(rr) == qtype)
    return [str(ipaddress.ip_address(octets)) for octets in found if len(octets) in (4, 16)]
