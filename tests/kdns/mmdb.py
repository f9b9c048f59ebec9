"""MaxMind databases of one record, for 81.2.69.0/24, 127.0.0.0/8 and 2001:db8::/32."""

from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

LAB = {
    "city": {"names": {"en": "Cambridge", "de": "Cambridge an der Cam"}},
    "continent": {"code": "EU", "names": {"en": "Europe"}},
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}, "is_in_european_union": False},
    "location": {"latitude": 52.2242, "longitude": 0.00001, "time_zone": "Europe/London"},
    "postal": {"code": "CB4"},
    "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "CAM"}],
}


def write(path: Path, kind: str = "GeoLite2-City", record: Any = LAB, version: int = 6) -> Path:
    """Write one, of a type, with addresses of IPv4 alone (4) or of both (6)."""
    writer = MMDBWriter(version, kind, ["en"], ipv4_compatible=version == 6)
    writer.insert_network(IPSet(["81.2.69.0/24", "127.0.0.0/8", *(["2001:db8::/32"] if version == 6 else [])]), record)
    writer.to_db_file(str(path))
    return path
