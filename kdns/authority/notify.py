"""NOTIFY out: other servers told that a zone has changed (RFC 1996)."""

import asyncio
from contextlib import closing

from kdns.errors import UpstreamError
from kdns.transport.address import Address
from kdns.transport.datagram import Datagram
from kdns.transport.expiry import Expiry
from kdns.wire import codes, names, query
from kdns.wire.names import Name
from kdns.wire.question import Question

TRIES = 3
PATIENCE = 2.0  # seconds for a reply


async def notify(zone: Name, to: Address, source: str = "") -> str | None:
    """Tell one server, from the address `source` if given, until it says NOERROR; what went wrong if it does not."""
    asked = Question(0, codes.NOTIFY << 11 | codes.AA, zone, zone, codes.SOA, codes.IN)
    fault = ""
    for _ in range(TRIES):
        try:
            with closing(Datagram(to, source, asyncio.get_running_loop(), Expiry())) as socket:
                reply = await socket.exchange(asked, PATIENCE)
        except UpstreamError as failure:
            fault = f'"{failure}"'
            continue
        if query.rcode(reply) == codes.NOERROR:
            return None
        fault = f'rcode was "{codes.rcode_name(query.rcode(reply))}"'
    return f'notify for zone "{names.show(zone)}" was not accepted by "{to}": {fault}'
