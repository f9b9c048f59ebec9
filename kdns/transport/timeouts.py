"""How long a connection may take, and how many queries it may bring."""

from typing import NamedTuple


class Timeouts(NamedTuple):
    """Seconds until the first query is whole, until the next one is, until a reply is taken; queries a connection."""

    read: float = 3.0
    idle: float = 10.0
    write: float = 5.0
    max_queries: int = 0  # 0: no limit
