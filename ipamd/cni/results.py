"""What the plugin prints: results as each version of the specification has them, and errors.

Strategy: the result is made as of the newest version; older ones get what they know of it. 0.1.0 and 0.2.0 have one
address of each family with its routes; 0.3.0 to 0.4.0 say the family of every address; the attributes of a route beyond
dst and gw came with 1.1.0.
"""

from collections.abc import Sequence

import msgspec

from ipamd.cni.codes import VERSIONS, number_of
from ipamd.cni.document import Dns, Route
from ipamd.cni.plan import Given
from ipamd.errors import CniError
from ipamd.json import Json, Object
from ipamd.ranges import Cidr, read_cidr

INDENT = 4


def show_result(version: str, given: Sequence[Given], routes: Sequence[Route], dns: Dns) -> str:
    """The result of an ADD."""
    version = version or VERSIONS[0]
    number = number_of(version)
    shown = [route if number >= (1, 1, 0) else Route(route.dst, route.gw) for route in routes]
    if number < (0, 3, 0):
        return show({"cniVersion": version, **by_family(given, shown), **resolver(dns)})
    result: Object = {"cniVersion": version, "ips": [address_of(each, number) for each in given]}
    if shown:
        result["routes"] = [plain(route) for route in shown]
    return show({**result, **resolver(dns)})


def address_of(given: Given, number: tuple[int, ...]) -> Object:
    """An address of a result of 0.3.0 or later."""
    made: Object = {"address": str(given)}
    if number < (1, 0, 0):
        made = {"version": str(given.address.family), **made}
    return made if given.gateway is None else {**made, "gateway": str(given.gateway)}


def by_family(given: Sequence[Given], routes: Sequence[Route]) -> Object:
    """The addresses of a result of 0.2.0 or before, each with the routes of its family."""
    made: Object = {}
    for each in given:
        family = each.address.family
        entry: Object = {"ip": str(each)}
        if each.gateway is not None:
            entry["gateway"] = str(each.gateway)
        own: list[Json] = [plain(route) for route in routes if read_destination(route).family == family]
        if own:
            entry["routes"] = own
        made[f"ip{family}"] = entry
    return made


def read_destination(route: Route) -> Cidr:
    """Where the route leads; it was made canonical when it was read."""
    return read_cidr(route.dst)


def show_error(version: str, error: CniError) -> str:
    """An error."""
    made: Object = {"cniVersion": version or VERSIONS[-1], "code": int(error.code), "msg": error.message}
    return show({**made, "details": error.details} if error.details else made)


def show(document: Object) -> str:
    """A document as CNI's own plugins indent it."""
    return msgspec.json.format(msgspec.json.encode(document), indent=INDENT).decode()


def resolver(dns: Dns) -> Object:
    """The member `dns`, if there is anything to say."""
    return {} if dns == Dns() else {"dns": plain(dns)}


def plain(value: Dns | Route) -> Object:
    """A struct as an object, without what it leaves at its default."""
    document: Object = msgspec.to_builtins(value)
    return document
