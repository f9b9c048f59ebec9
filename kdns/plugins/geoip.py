"""geoip: say where clients are, for the plugins that use metadata.

Syntax:
    geoip DBFILE {
        edns-subnet     # of the client subnet of a query's OPT (RFC 7871), if it has one
    }

DBFILE is a MaxMind database (.mmdb) of cities, countries, enterprises, providers or autonomous systems. The
labels are city/name, country/code, country/name, country/is_in_european_union, continent/code, continent/name,
latitude, longitude, timezone, postalcode, subdivisions/code, asn/number and asn/org, each behind geoip/.
"""

from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import maxminddb

from kdns.chain import Handler, Reply, Request, nameblind
from kdns.corefile import Args
from kdns.errors import WireError
from kdns.wire import edns

PLACES = "City", "Country", "Enterprise"  # words in the types of databases
SYSTEMS = "ASN", "GeoIP2-ISP", "GeoIP2-Precision-ISP"
OCTETS = {1: 4, 2: 16}  # of an address, by the family number of RFC 7871

Record = Mapping[str, Any]


@nameblind
class Geoip:
    """The database of one server block."""

    def __init__(self, database: maxminddb.Reader, *, follows_subnet: bool) -> None:
        kind = database.metadata().database_type
        self._database = database
        self._follows_subnet = follows_subnet
        self.has_places = any(word in kind for word in PLACES)
        self.has_systems = any(word in kind for word in SYSTEMS)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """What the plugins below reply: this one only knows something."""
        return await rest(request)

    def labels(self, request: Request) -> Mapping[str, str]:
        """What is known of the client's address; what the database does not have is empty."""
        packed = _subnet(request) if self._follows_subnet else None
        try:
            address = ip_address(request.client.address.partition("%")[0] if packed is None else packed)
            found = self._database.get(address)
        except (
            ValueError,
            maxminddb.InvalidDatabaseError,
        ):  # no address, an IPv6 one in a database of IPv4, or a bad file
            return {}
        record: Record = found if isinstance(found, dict) else {}
        return {**(places(record) if self.has_places else {}), **(systems(record) if self.has_systems else {})}

    async def close(self) -> None:
        """Close the database."""
        self._database.close()


def places(record: Record) -> dict[str, str]:
    """The labels of a record of cities or countries."""
    country, continent, location = _of(record, "country"), _of(record, "continent"), _of(record, "location")
    return {
        "geoip/city/name": _english(_of(record, "city")),
        "geoip/country/name": _english(country),
        "geoip/continent/name": _english(continent),
        "geoip/country/code": str(country.get("iso_code", "")),
        "geoip/subdivisions/code": ",".join(str(each.get("iso_code", "")) for each in record.get("subdivisions", ())),
        "geoip/country/is_in_european_union": "true" if country.get("is_in_european_union") else "false",
        "geoip/continent/code": str(continent.get("code", "")),
        "geoip/latitude": _decimal(location.get("latitude")),
        "geoip/longitude": _decimal(location.get("longitude")),
        "geoip/timezone": str(location.get("time_zone", "")),
        "geoip/postalcode": str(_of(record, "postal").get("code", "")),
    }


def systems(record: Record) -> dict[str, str]:
    """The labels of a record of autonomous systems."""
    return {
        "geoip/asn/number": str(record.get("autonomous_system_number", 0)),
        "geoip/asn/org": str(record.get("autonomous_system_organization", "")),
    }


def setup(args: Args) -> Geoip:
    """The plugin of one server block. ConfigError for a database that cannot be read, or is about something else."""
    for extra in args.directives[1:]:
        raise extra.error("configuring multiple databases is not supported")
    directive = args.directives[0]
    (word,) = directive.expect(1)
    for line in directive.properties({"edns-subnet": 0}):
        if line.name != "edns-subnet":
            raise line.error(f'unknown property "{line.name}"')
    path = Path(word)
    try:
        database = maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise directive.error(f"failed to open database file: {error}") from None
    found = Geoip(database, follows_subnet=bool(directive.lines))
    if not (found.has_places or found.has_systems):
        database.close()
        raise directive.error("database does not provide any supported schema (city, asn)")
    return found


def _subnet(request: Request) -> bytes | None:
    """The address of the client subnet option (RFC 7871 section 6), packed; None without one that can be read."""
    opt = request.question.edns
    try:
        data = edns.option(opt.options, edns.ECS) if opt is not None else None
    except WireError:
        return None
    length = OCTETS.get(int.from_bytes(data[:2], "big")) if data is not None and len(data) >= 4 else None
    return data[4 : 4 + length].ljust(length, b"\0") if data is not None and length is not None else None


def _of(record: Record, name: str) -> Record:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _english(record: Record) -> str:
    return str(_of(record, "names").get("en", ""))


def _decimal(value: float | None) -> str:
    """A number without an exponent, and without a fraction that is none."""
    if value is None:
        return ""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
