"""geoip: where clients are, out of databases that are written here."""

from pathlib import Path
from typing import Any

import pytest

from kdns.chain import Client, Reply
from kdns.errors import ConfigError
from kdns.plugins import geoip
from kdns.wire import edns
from kdns.wire.edns import Edns
from tests.kdns.asking import args, ask, question, request
from tests.kdns.mmdb import LAB, write

LABELS = {
    "geoip/city/name": "Cambridge",
    "geoip/country/name": "United Kingdom",
    "geoip/continent/name": "Europe",
    "geoip/country/code": "GB",
    "geoip/subdivisions/code": "ENG,CAM",
    "geoip/country/is_in_european_union": "false",
    "geoip/continent/code": "EU",
    "geoip/latitude": "52.2242",
    "geoip/longitude": "0.00001",
    "geoip/timezone": "Europe/London",
    "geoip/postalcode": "CB4",
}
UNKNOWN = dict.fromkeys(LABELS, "") | {"geoip/country/is_in_european_union": "false"}


def database(directory: Path, kind: str = "GeoLite2-City", record: Any = LAB, version: int = 6) -> Path:
    return write(directory / "places.mmdb", kind, record, version)


def client(address: str) -> Client:
    return Client(address, 4711, "udp", "192.0.2.53", 53)


def subnet(*octets: int) -> Edns:
    return Edns(1232, bytes((0, edns.ECS, 0, len(octets), *octets)))


def labels(text: str, address: str = "81.2.69.142", opt: Edns | None = None) -> dict[str, str]:
    plugin = geoip.setup(args(text))
    return {**plugin.labels(request(question("www.example.org. A", edns=opt), client=client(address)))}


@pytest.mark.parametrize(
    ("address", "found"), [("81.2.69.142", LABELS), ("2001:db8::7", LABELS), ("192.0.2.1", UNKNOWN), ("", {})]
)
def test_a_client_is_where_its_address_is(tmp_path: Path, address: str, found: dict[str, str]) -> None:
    assert labels(f"geoip {database(tmp_path)}", address) == found


def test_a_database_of_ipv4_knows_nothing_of_others(tmp_path: Path) -> None:
    path = database(tmp_path, version=4)
    assert labels(f"geoip {path}") == LABELS
    assert labels(f"geoip {path}", "2001:db8::7") == {}


def test_autonomous_systems_have_their_own_labels(tmp_path: Path) -> None:
    record = {"autonomous_system_number": 12552, "autonomous_system_organization": "Lab"}
    path = database(tmp_path, "GeoLite2-ASN", record)
    assert labels(f"geoip {path}") == {"geoip/asn/number": "12552", "geoip/asn/org": "Lab"}
    assert labels(f"geoip {path}", "192.0.2.1") == {"geoip/asn/number": "0", "geoip/asn/org": ""}


SYSTEM = {"geoip/asn/number": "12552", "geoip/asn/org": "Lab"}


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("GeoIP2-City-Europe", LABELS),
        ("GeoIP2-Enterprise", LABELS),
        ("DBIP-Country-Lite", LABELS),
        ("DBIP-Location (compat=City)", LABELS),
        ("DBIP-ISP (compat=Enterprise)", LABELS),
        ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", SYSTEM),
        ("GeoIP2-ISP", SYSTEM),
        ("GeoIP2-Precision-ISP", SYSTEM),
    ],
)
def test_the_type_of_a_database_says_what_it_tells(tmp_path: Path, kind: str, found: dict[str, str]) -> None:
    record = {**LAB, "autonomous_system_number": 12552, "autonomous_system_organization": "Lab"}
    assert labels(f"geoip {database(tmp_path, kind, record)}") == found


def test_a_database_that_is_spoilt_tells_nothing(tmp_path: Path) -> None:
    path = database(tmp_path)
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b"DcityEnames", b"\xff" * 11))
    assert labels(f"geoip {path}") == {}


@pytest.mark.parametrize(
    ("opt", "found"),
    [
        (subnet(0, 1, 24, 0, 81, 2, 69), LABELS),
        (subnet(0, 2, 32, 0, 0x20, 0x01, 0x0D, 0xB8), LABELS),
        (subnet(0, 1, 24, 0, 192, 0, 2), UNKNOWN),
        (subnet(0, 9, 24, 0, 81, 2, 69), UNKNOWN),
        (subnet(0, 1), UNKNOWN),
        (Edns(1232), UNKNOWN),
        (None, UNKNOWN),
    ],
    ids=["IPv4", "IPv6", "elsewhere", "unknown family", "cut short", "no option", "no OPT"],
)
def test_a_client_may_be_where_its_resolver_says(tmp_path: Path, opt: Edns | None, found: dict[str, str]) -> None:
    path = database(tmp_path)
    assert labels(f"geoip {path} {{\n edns-subnet\n}}", "192.0.2.1", opt) == found
    assert labels(f"geoip {path}", "192.0.2.1", opt) == UNKNOWN


def test_it_answers_nothing_itself(tmp_path: Path) -> None:
    reply = Reply(by="below")
    assert ask(geoip.setup(args(f"geoip {database(tmp_path)}")), "www.example.org. A", rest=reply) is reply


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("geoip", "Wrong argument count"),
        ("geoip a b", "Wrong argument count"),
        ("geoip {db} {{\n edns-subnet yes\n}}", 'unknown property "yes"'),
        ("geoip {db} {{\n languages en\n}}", 'unknown property "languages"'),
        ("geoip {db}\ngeoip {db}", "configuring multiple databases is not supported"),
        ("geoip nowhere.mmdb", "failed to open database file"),
        ("geoip {text}", "failed to open database file"),
        ("geoip {other}", "does not provide any supported schema"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "other").mkdir()
    other, found = database(tmp_path / "other", "GeoIP2-Domain"), database(tmp_path)
    (tmp_path / "text").write_text("no database")
    with pytest.raises(ConfigError, match=words):
        geoip.setup(args(text.format(db=found, other=other, text=tmp_path / "text")))


def test_a_relative_database_is_relative_to_the_working_directory_whatever_root_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(tmp_path)
    monkeypatch.chdir(tmp_path)

    assert geoip.setup(args("geoip places.mmdb", directory=tmp_path / "root")).has_places
