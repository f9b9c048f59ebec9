"""chaos: say which software answers, who wrote it and on which host it runs, to questions of class CH.

Syntax:
    chaos [VERSION [AUTHORS...]]

TXT of version.bind and version.server is VERSION, of authors.bind the AUTHORS in random order, of hostname.bind and
id.server the host's name. Each is cut to 255 octets.
"""

import platform
from collections.abc import Sequence
from random import Random, SystemRandom

from kdns import VERSION
from kdns.chain import Handler, Keep, Plugin, Reply, Request, repeatable
from kdns.corefile import Args
from kdns.wire import codes, names, records

AUTHORS = ("the kdns authors",)

MAX_STRING = 255  # octets (RFC 1035 section 3.3)

_VERSION_NAMES = tuple(map(names.parse, ("version.bind.", "version.server.")))
_HOST_NAMES = tuple(map(names.parse, ("hostname.bind.", "id.server.")))
_AUTHORS_NAME = names.parse("authors.bind.")


@repeatable
class Chaos:
    """The plugin of one server block; `chance` draws the order of the authors."""

    def __init__(self, version: str, authors: Sequence[str], host: str, chance: Random) -> None:
        self._texts = dict.fromkeys(_VERSION_NAMES, version) | dict.fromkeys(_HOST_NAMES, host)
        self._authors = authors
        self._chance = chance

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The answer to one of the names in class CH; other questions are passed on."""
        asked = request.question
        if asked.qclass == codes.CH and asked.qtype == codes.TXT:
            if asked.key in self._texts:
                return _texts(request, [self._texts[asked.key]])._replace(keep=Keep())
            if asked.key == _AUTHORS_NAME:
                return _texts(request, self._chance.sample(self._authors, len(self._authors)))
        return await rest(request)


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for a block with anything in it."""
    directive = args.directives[0]
    for line in directive.lines:
        raise line.error(f"unknown property '{line.name}'")
    version, *authors = directive.words or (f"kdns-{VERSION}",)
    return Chaos(version, sorted(set(authors)) or AUTHORS, platform.node() or "localhost", SystemRandom())


def _texts(request: Request, texts: Sequence[str]) -> Reply:
    strings = [text.encode()[:MAX_STRING] for text in texts]
    answer = [
        records.make(request.question.qname, codes.TXT, 0, bytes((len(string),)) + string, codes.CH)
        for string in strings
    ]
    return Reply(answer=tuple(answer), by="chaos")
