"""whoami: tell the client its own address, port and transport.

Syntax:
    whoami

Any name and type is answered, with an empty answer section; the additional section has the client's address as A or
AAAA, and its port as an SRV record of `_udp.` or `_tcp.` and the name.
"""

from ipaddress import ip_address

from kdns.chain import Handler, Plugin, Reply, Request
from kdns.corefile import Args
from kdns.reach import final
from kdns.wire import codes, names, records


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for arguments."""
    args.directives[0].alone(0)
    return whoami


@final
async def whoami(request: Request, rest: Handler) -> Reply:
    """Who asks. Nothing below is asked."""
    asked, client = request.question, request.client
    packed = ip_address(client.address.partition("%")[0]).packed
    kind = codes.A if len(packed) == 4 else codes.AAAA
    address = records.make(asked.qname, kind, 0, packed, asked.qclass)
    label = f"_{client.proto}".encode()
    owner = names.join([label], asked.qname)
    if len(owner) > names.MAX_NAME:
        return Reply(additional=(address,), flags=codes.AA, by="whoami")
    service = b"\0\0\0\0" + client.port.to_bytes(2, "big") + names.ROOT  # priority, weight, port, target
    port = records.make(owner, codes.SRV, 0, service, asked.qclass)
    return Reply(additional=(address, port), flags=codes.AA, by="whoami")
