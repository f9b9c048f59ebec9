"""Plugins asked by hand: no event loop, no socket, no clock.

`ask` links a plugin to a canned rest and steps the coroutine; a plugin that suspends fails the test, since one that
waits is not pure. Records are written as zone-file text.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from kdns.chain import Client, Plugin, Reply, Request, link
from kdns.corefile import Args, Files, parse
from kdns.corefile.args import directives
from kdns.corefile.keys import read_key
from kdns.eager import started
from kdns.errors import NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import ORDER
from kdns.wire import codes, message, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR

Rest = str | Reply | BaseException | Callable[[Request], Reply] | None


def records(text: str) -> tuple[RR, ...]:
    """The records of zone-file text, one a line; blank lines do not count."""
    return tuple(message.from_text(line.strip()) for line in text.splitlines() if line.strip())


def texts(rrs: tuple[RR, ...]) -> list[str]:
    """Records as zone-file text, for comparisons that read well when they fail."""
    return [message.to_text(rr) for rr in rrs]


def question(text: str, *, flags: int = codes.RD, edns: Edns | None = None, qclass: int = codes.IN) -> Question:
    """The question `NAME TYPE`, such as `www.example.org. A`."""
    name, kind = text.split()
    qname = names.parse(name)
    return Question(4711, flags, qname, qname.lower(), codes.type_number(kind), qclass, edns)


def request(text: str | Question, **fields: Any) -> Request:
    """A request for `NAME TYPE` from 127.0.0.1:40212 over UDP in zone `.`; keyword arguments replace fields."""
    asked = question(text) if isinstance(text, str) else text
    client = Client("127.0.0.1", 40212, "udp", "127.0.0.1", 53)
    size = 17 + len(asked.qname)
    return Request(asked, client, "dns://:53", names.ROOT, size, ask_nobody, 1000.0)._replace(**fields)


def ask(plugin: Plugin, asked: str | Question | Request, rest: Rest = None, **fields: Any) -> Reply:
    """What the plugin replies to a question.

    `rest` is what the plugins below answer: zone-file text (a NOERROR answer), a Reply, an exception, a function, or
    None for nobody below. Raises what the chain raises.
    """
    asked = asked if isinstance(asked, Request) else request(asked, **fields)
    below: list[Plugin] = [] if rest is None else [canned(rest)]
    return step(link([plugin, *below])(asked))


def step(coroutine: Coroutine[Any, Any, Reply]) -> Reply:
    """The result of a coroutine that never waits. AssertionError if it does."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        reply: Reply = done.value
        return reply
    coroutine.close()
    raise AssertionError("the plugin waited for something: it is not pure")


async def served(work: Coroutine[Any, Any, Reply]) -> Reply:
    """The result of a coroutine that is begun as a server begins one: outside of any Task."""
    outcome: asyncio.Future[Reply | asyncio.Task[Reply]] = asyncio.get_running_loop().create_future()

    def begin() -> None:
        try:
            outcome.set_result(started(work))
        except Exception as fault:
            outcome.set_exception(fault)

    asyncio.get_running_loop().call_soon(begin)
    found = await outcome
    return found if isinstance(found, Reply) else await found


def canned(rest: Rest) -> Plugin:
    """A plugin that gives a fixed reply."""

    async def answer(asked: Request, _: Any) -> Reply:
        if isinstance(rest, BaseException):
            raise rest
        if callable(rest) and not isinstance(rest, Reply):
            return rest(asked)
        return rest if isinstance(rest, Reply) else Reply(answer=records(str(rest)), by="canned")

    answer.repeatable = True  # type: ignore[attr-defined]
    return answer


def ask_nobody(asked: Request, name: Name, qtype: int, /) -> Awaitable[Reply]:
    """The internal lookup of a test that has none."""
    raise NoAnswer(codes.SERVFAIL, f"nobody to ask for {names.show(name)} {codes.type_name(qtype)}")


def args(
    text: str,
    *,
    zones: str = ".",
    metrics: Metrics | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path = Path(),
    log: Callable[[str, str], None] = lambda level, message: None,
    addresses: tuple[str, ...] = (),
) -> Args:
    """What set-up gets of a directive written as in a Corefile, in a block of these zones (one word each)."""
    block = f"{zones} {{\n{text}\n}}\n"
    (parsed,) = parse(block, "Corefile", ORDER, environ or {}, Files(_no_file, lambda pattern: [], print))
    ((name, tokens),) = parsed.directives.items()
    keys = tuple(tuple(read_key(token.text)) for token in parsed.keys)
    return Args(name, directives(tokens), keys, metrics or Metrics(), environ or {}, directory, log, addresses)


def _no_file(path: str) -> str:
    raise FileNotFoundError(path)
