"""What the metrics say of one query: the core families of CoreDNS's prometheus plugin, counted in one place.

Used by the prometheus plugin for what reaches a block, and by the server for what it refuses itself (zone `dropped`).
"""

from kdns.chain import Reply, Request
from kdns.metrics import Metrics
from kdns.wire import codes, fit, names

DROPPED = "dropped"  # the zone label of queries that reached no server block

_TYPES = frozenset(
    {
        codes.A, codes.AAAA, codes.CNAME, codes.DNSKEY, codes.DS, codes.MX, codes.NSEC, codes.NSEC3, codes.NS,
        codes.PTR, codes.RRSIG, codes.SOA, codes.SRV, codes.TXT, codes.HTTPS, codes.SVCB, codes.IXFR, codes.AXFR,
        codes.ANY,
    }
)  # fmt: skip
# Every other type is counted as "other", so that a client cannot make labels.


def count_query(
    metrics: Metrics, request: Request, reply: Reply, seconds: float, times: int = 1, zone: str = ""
) -> None:
    """Count a query with its reply, `times` times. `seconds` is what one took; `zone` replaces the block's own."""
    asked = request.question
    where = request.server, zone or names.show(request.zone), request.view
    proto = request.client.proto
    kind = codes.type_name(asked.qtype) if asked.qtype in _TYPES else "other"
    family = "2" if request.client.is_ipv6 else "1"
    size = fit.uncompressed_size(asked, (reply.answer, reply.authority, reply.additional))
    metrics.family("dns_requests_total").add((*where, proto, family, kind), times)
    metrics.family("dns_responses_total").add((*where, codes.rcode_name(reply.rcode), reply.by), times)
    metrics.histogram("dns_request_duration_seconds").observe(where, seconds, times)
    metrics.histogram("dns_request_size_bytes").observe((*where, proto), request.size, times)
    metrics.histogram("dns_response_size_bytes").observe((*where, proto), size, times)
    if asked.do:
        metrics.family("dns_do_requests_total").add(where, times)
