"""An upstream that was closed while somebody still had it in hand."""

import pytest

from kdns.errors import UpstreamError
from kdns.metrics import Metrics
from kdns.transport.address import Address
from kdns.transport.upstream import Manner, Upstream
from kdns.wire import codes, names, query


async def test_a_closed_upstream_opens_no_https_session_that_nobody_would_close() -> None:
    upstream = Upstream(Address("https", "192.0.2.1", 443), Manner(), Metrics())
    await upstream.close()
    with pytest.raises(UpstreamError, match="use of closed network connection"):
        await upstream.exchange(query.make(names.ROOT, codes.NS), "udp", 1.0)
