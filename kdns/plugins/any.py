"""any: answer questions of type ANY with next to nothing (RFC 8482 section 4.2), so that nobody is flooded with them.

Syntax:
    any
"""

from kdns.chain import Handler, Keep, Plugin, Reply, Request, repeatable
from kdns.corefile import Args
from kdns.wire import codes, records

TTL = 8482  # seconds

_HINFO = b"".join(bytes((len(text),)) + text for text in (b"ANY obsoleted", b"See RFC 8482"))


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for arguments."""
    args.directives[0].alone(0)
    return obsoleted


@repeatable
async def obsoleted(request: Request, rest: Handler) -> Reply:
    """An HINFO record for ANY; other questions are passed on."""
    asked = request.question
    if asked.qtype != codes.ANY:
        return await rest(request)
    return Reply(answer=(records.make(asked.qname, codes.HINFO, TTL, _HINFO),), by="any", keep=Keep())
