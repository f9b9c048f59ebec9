"""Lists of objects, all as they were at one revision, whatever happens while they are read.

Strategy: a long list is read in parts, and others are served in between; the log knows what the objects were. A client
that asked for so many at most gets a token, with which it goes on at the same revision.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from ipamd.errors import Compacted
from ipamd.json import Object
from ipamd.kube import status
from ipamd.kube.options import ListOptions, revision_of
from ipamd.kube.selection import Scan, Selection
from ipamd.kube.tokens import Token, decode_token, encode_token
from ipamd.stores import Store


async def parts(
    store: Store, selection: Selection, at: int, after: tuple[str, str] | None = None, limit: int = 0
) -> AsyncIterator[Scan]:
    """The objects as they were at revision `at`, from behind a key on, at most `limit` in all (0: no limit).

    Raises Compacted if the log does not reach back so far.
    """
    left = limit
    while True:
        part = store.view(partial(selection.scan, after=after, at=at, limit=left))
        yield part
        after, left = part.after, left - len(part.found) if limit else 0
        if after is None or (limit and not left):
            return
        await asyncio.sleep(0)


async def read_list(store: Store, selection: Selection, options: ListOptions) -> tuple[list[bytes], Object]:
    """The objects of a list, or of a part of it, and its metadata. Raises StatusError 410 for a state long gone."""
    current = store.revision
    token = decode_token(options.token) if options.token else None
    asked = token.rv if token else revision_of(options.version or "0")
    if asked > current:
        raise status.ahead(asked, current)
    at = asked if token or options.match == "Exact" else current
    after = (token.namespace, token.name) if token else None
    found: list[bytes] = []
    try:
        async for part in parts(store, selection, at, after, options.limit):
            found += part.found
            after = part.after
    except Compacted as error:
        raise status.expired(expired_list(options)) from error
    metadata: Object = {"resourceVersion": str(at)}
    if after is not None:
        metadata["continue"] = encode_token(Token(at, *after))
    return found, metadata


def expired_list(options: ListOptions) -> str:
    """What is said when the state that a list was about is no longer known."""
    if options.token:
        return (
            "The provided continue parameter is too old to display a consistent list result. "
            "You can start a new list without the continue parameter."
        )
    return f"The resourceVersion for the provided list is too old: {options.version}"
