"""minimal: leave the authority and additional sections out of answers, where clients have no use for them.

Syntax:
    minimal

Denials, referrals, errors and transfers keep theirs.
"""

from kdns.chain import Handler, Plugin, Reply, Request, repeatable
from kdns.corefile import Args
from kdns.wire import codes, verdict
from kdns.wire.verdict import Verdict


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for arguments."""
    args.directives[0].alone(0)
    return minimal


@repeatable
async def minimal(request: Request, rest: Handler) -> Reply:
    """The reply from below, its answer section only if it is an answer."""
    asked = request.question
    reply = await rest(request)
    if asked.qtype in (codes.AXFR, codes.IXFR) or asked.flags & codes.OPCODE_MASK:
        return reply
    if verdict.at_sight(reply.rcode, reply.answer, reply.authority) is not Verdict.ANSWER:
        return reply
    return reply._replace(authority=(), additional=(), edns=None)
