"""bufsize: lower the UDP size that clients offer, so that no reply is sent in fragments.

Syntax:
    bufsize [SIZE]     # octets, 512 to 4096; 1232 (see http://www.dnsflagday.net/2020/)

The plugins below, and upstreams, see the lower size too.
"""

from kdns.chain import Handler, Plugin, Reply, Request, repeatable
from kdns.corefile import Args, Directive
from kdns.corefile.numbers import integer

DEFAULT, LOW, HIGH = 1232, 512, 4096  # octets


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for a size out of bounds."""
    size = _size(args.directives[0])

    @repeatable
    async def bufsize(request: Request, rest: Handler) -> Reply:
        asked = request.question
        if asked.edns is None or asked.edns.size <= size:
            return await rest(request)
        lowered = asked._replace(edns=asked.edns._replace(size=size))
        reply = await rest(request._replace(question=lowered))
        return reply._replace(bound=min(reply.bound, size) if reply.bound else size)

    return bufsize


def _size(directive: Directive) -> int:
    words = directive.alone(0, 1)
    try:
        size = integer(words[0]) if words else DEFAULT
    except ValueError:
        raise directive.wrong_count() from None
    if not LOW <= size <= HIGH:
        raise directive.wrong_count()
    return size
