"""What is printed, for each version."""

import json

import pytest

from ipamd.cni.codes import Code
from ipamd.cni.document import Dns, Route
from ipamd.cni.plan import Given
from ipamd.cni.results import show_error, show_result
from ipamd.errors import CniError
from ipamd.ranges import read_address

V4 = Given(read_address("10.1.2.2"), 24, read_address("10.1.2.1"))
V6 = Given(read_address("2001:db8:1::2"), 64, None)
ROUTES = (Route("0.0.0.0/0"), Route("::/0", "2001:db8:1::1", mtu=1400, scope=0))
DNS = Dns(("192.0.2.3",), search=("example.org",))


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (
            version,
            {
                "cniVersion": version or "0.1.0",
                "ip4": {"ip": "10.1.2.2/24", "gateway": "10.1.2.1", "routes": [{"dst": "0.0.0.0/0"}]},
                "ip6": {"ip": "2001:db8:1::2/64", "routes": [{"dst": "::/0", "gw": "2001:db8:1::1"}]},
                "dns": {"nameservers": ["192.0.2.3"], "search": ["example.org"]},
            },
        )
        for version in ("", "0.1.0", "0.2.0")
    ]
    + [
        (
            version,
            {
                "cniVersion": version,
                "ips": [
                    {"version": "4", "address": "10.1.2.2/24", "gateway": "10.1.2.1"},
                    {"version": "6", "address": "2001:db8:1::2/64"},
                ],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "2001:db8:1::1"}],
                "dns": {"nameservers": ["192.0.2.3"], "search": ["example.org"]},
            },
        )
        for version in ("0.3.0", "0.3.1", "0.4.0")
    ],
)
def test_older_versions_have_their_own_shape(version: str, shown: object) -> None:
    assert json.loads(show_result(version, [V4, V6], ROUTES, DNS)) == shown


@pytest.mark.parametrize(
    ("version", "route"),
    [
        ("1.0.0", {"dst": "::/0", "gw": "2001:db8:1::1"}),
        ("1.1.0", {"dst": "::/0", "gw": "2001:db8:1::1", "mtu": 1400, "scope": 0}),
    ],
)
def test_the_attributes_of_routes_came_with_1_1(version: str, route: object) -> None:
    assert json.loads(show_result(version, [V6], ROUTES[1:], Dns())) == {
        "cniVersion": version,
        "ips": [{"address": "2001:db8:1::2/64"}],
        "routes": [route],
    }


def test_documents_are_indented_by_four() -> None:
    assert show_result("1.0.0", [], (), Dns()) == '{\n    "cniVersion": "1.0.0",\n    "ips": []\n}'


@pytest.mark.parametrize("details", ["", "longer"])
def test_an_error_has_its_details_if_there_are_any(details: str) -> None:
    shown = json.loads(show_error("0.4.0", CniError(Code.TAKEN, "no", details)))

    more = {"details": details} if details else {}
    assert shown == {"cniVersion": "0.4.0", "code": 101, "msg": "no", **more}
