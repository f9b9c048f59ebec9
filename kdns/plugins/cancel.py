"""cancel: give up on queries that take too long.

Syntax:
    cancel [DURATION]     # 5001ms
"""

import asyncio

from kdns.chain import Handler, Reply, Request, repeatable
from kdns.corefile import Args, duration
from kdns.eager import started
from kdns.errors import SERVFAIL, NoAnswer

DEFAULT = "5001ms"


@repeatable
class Cancel:
    """The plugin of one server block. `patience` is in seconds."""

    def __init__(self, patience: float) -> None:
        self.patience = patience

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below, or SERVFAIL if it does not come in time. What is answered at once never waits here."""
        begun = started(rest(request))
        if isinstance(begun, Reply):
            return begun
        try:
            done, _ = await asyncio.wait([begun], timeout=self.patience)
        finally:
            begun.cancel()
        if not done:
            raise NoAnswer(SERVFAIL, "context deadline exceeded")
        return begun.result()


def setup(args: Args) -> Cancel:
    """The plugin of one server block, of several the last counts. ConfigError for what is no time to wait."""
    for directive in args.directives:
        (word,) = directive.alone(0, 1) or (DEFAULT,)
        try:
            patience = duration(word)
        except ValueError:
            raise directive.error(f'invalid duration: "{word}"') from None
        if patience <= 0:
            raise directive.error(f'invalid negative duration: "{word}"')
    return Cancel(patience)
