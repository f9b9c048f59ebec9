"""nsid: say which server answered, to clients that ask for it (RFC 5001).

Syntax:
    nsid [WORDS...]     # what to say; the host's name
"""

import platform

from kdns.chain import Handler, Plugin, Reply, Request, repeatable
from kdns.corefile import Args
from kdns.wire import edns
from kdns.wire.edns import Edns


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for a second one, and for properties: it has none."""
    directive = args.once()
    words = directive.alone(0, len(directive.words))
    data = (" ".join(words) if words else platform.node() or "localhost").encode()

    @repeatable
    async def nsid(request: Request, rest: Handler) -> Reply:
        asked = request.question.edns
        reply = await rest(request)
        if asked is None or edns.option(asked.options, edns.NSID) is None:
            return reply
        given = reply.edns or Edns(asked.size, flags=edns.DO)
        return reply._replace(edns=given._replace(options=_with_nsid(given.options, data)))

    return nsid


def _with_nsid(options: bytes, data: bytes) -> bytes:
    """Options with the data in place of that of every NSID, or with one at the end."""
    found = [(code, data if code == edns.NSID else old) for code, old in edns.each_option(options)]
    if all(code != edns.NSID for code, _ in found):
        found.append((edns.NSID, data))
    return edns.pack_options(found)
