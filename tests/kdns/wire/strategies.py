"""Hypothesis strategies for names, records and messages."""

from hypothesis import strategies as st

from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

labels = st.binary(min_size=1, max_size=63)
domain_names = st.lists(labels, max_size=6).map(names.join).filter(lambda name: len(name) <= 255)
related_names = st.lists(st.sampled_from([b"a", b"b", b"www", b"A", b"example", b"org"]), max_size=5).map(names.join)
ttls = st.integers(0, 2**31 - 1)


def _rdata(kind: int, name: Name, other: Name, octets: bytes) -> bytes:
    return {
        codes.A: octets[:4].ljust(4, b"\0"),
        codes.AAAA: octets[:16].ljust(16, b"\0"),
        codes.CNAME: name,
        codes.SOA: name + other + octets[:20].ljust(20, b"\0"),
        codes.MX: octets[:2].ljust(2, b"\0") + name,
        codes.SRV: octets[:6].ljust(6, b"\0") + name,
        65280: octets,
    }[kind]


@st.composite
def resource_records(draw: st.DrawFn, owners: st.SearchStrategy[Name] = related_names) -> RR:
    """Records whose names are alike, so that compression has something to do."""
    kind = draw(st.sampled_from([codes.A, codes.AAAA, codes.CNAME, codes.SOA, codes.MX, codes.SRV, 65280]))
    rdata = _rdata(kind, draw(related_names), draw(related_names), draw(st.binary(max_size=40)))
    return records.make(draw(owners), kind, draw(ttls), rdata)


sections = st.lists(resource_records(), max_size=12).map(tuple)
