"""What the metrics say of one query: the core families of CoreDNS's prometheus plugin, counted in one place.

Used by the prometheus plugin for what reaches a block, and by the server for what it refuses itself (zone `dropped`).
"""

from bisect import bisect_left
from typing import NamedTuple

from kdns.chain import Request
from kdns.metrics import SIZE_BUCKETS, TIME_BUCKETS, Labels, Metrics
from kdns.wire import codes, names

DROPPED = "dropped"  # the zone label of queries that reached no server block

_TYPES = frozenset(
    {
        codes.A, codes.AAAA, codes.CNAME, codes.DNSKEY, codes.DS, codes.MX, codes.NSEC, codes.NSEC3, codes.NS,
        codes.PTR, codes.RRSIG, codes.SOA, codes.SRV, codes.TXT, codes.HTTPS, codes.SVCB, codes.IXFR, codes.AXFR,
        codes.ANY,
    }
)  # fmt: skip
# Every other type is counted as "other", so that a client cannot make labels.


class Kind(NamedTuple):
    """The label values of one kind of query: alike for all that differ only in their sizes and times.

    And the rows of the histograms in which these are counted.
    """

    where: Labels
    sizes: Labels
    request: Labels
    response: Labels
    do: bool
    durations: list[float]
    request_sizes: list[float]
    response_sizes: list[float]


class Counting:
    """Counts queries. The label values of a kind are made once, and shared by all that count it."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.family("dns_requests_total")
        self._responses = metrics.family("dns_responses_total")
        self._do = metrics.family("dns_do_requests_total")
        self._durations = metrics.histogram("dns_request_duration_seconds")
        self._request_sizes = metrics.histogram("dns_request_size_bytes")
        self._response_sizes = metrics.histogram("dns_response_size_bytes")
        self._kinds: dict[tuple[object, ...], Kind] = {}  # bounded: no part of the key is a client's free choice

    def kind(self, request: Request, rcode: int, by: str, zone: str = "") -> Kind:
        """The kind of a query with this RCODE, written by the plugin `by`; `zone` replaces the block's own."""
        client, asked = request.client, request.question
        qtype = asked.qtype if asked.qtype in _TYPES else 0
        is_ipv6 = ":" in client.address
        do = asked.edns is not None and asked.edns.do
        key = request.server, zone or request.zone, request.view, client.proto, is_ipv6, qtype, rcode, by, do
        found = self._kinds.get(key)
        if found is None:
            where = request.server, zone or names.show(request.zone), request.view
            type_name = codes.type_name(qtype) if qtype else "other"
            asking = *where, client.proto, "2" if is_ipv6 else "1", type_name
            sizes, answered = (*where, client.proto), (*where, codes.rcode_name(rcode), by)
            rows = self._durations.row(where), self._request_sizes.row(sizes), self._response_sizes.row(sizes)
            found = self._kinds[key] = Kind(where, sizes, asking, answered, do, *rows)
        return found

    def count(self, kind: Kind, asked: int, sent: int, seconds: float, times: int = 1) -> None:
        """Count a query of `asked` octets and its reply of `sent`, `times` times, each of which took `seconds`."""
        requests, responses = self._requests.values, self._responses.values
        requests[kind.request] = requests.get(kind.request, 0) + times
        responses[kind.response] = responses.get(kind.response, 0) + times
        _, _, _, _, do, durations, request_sizes, response_sizes = kind  # what Histogram.observe does, without the call
        durations[bisect_left(TIME_BUCKETS, seconds)] += times
        durations[-1] += seconds * times
        request_sizes[bisect_left(SIZE_BUCKETS, asked)] += times
        request_sizes[-1] += asked * times
        response_sizes[bisect_left(SIZE_BUCKETS, sent)] += times
        response_sizes[-1] += sent * times
        if do:
            self._do.add(kind.where, times)
