"""What dockerd sends to an IPAM driver, and what it is answered: libnetwork's remote API (docs/ipam.md there).

Strategy: a member may be absent or null, for Go writes either; what is unknown is passed over, so that later versions
of dockerd may say more. A reply is a document; an error is one too, with status 200, so that dockerd tells its user the
text as it is.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct, field

from ipamd.errors import DockerError
from ipamd.json import Object

LOCAL, GLOBAL = "ipamdlocal", "ipamdglobal"  # the address spaces: for networks of one host, and of many
SPACES = (LOCAL, GLOBAL)

REQUEST_TYPE = "RequestAddressType"
GATEWAY = "com.docker.network.gateway"  # the type of the request for one
MAC = "com.docker.network.endpoint.macaddress"
SERIAL = "com.docker.network.ipam.serial"  # "true": go on behind the last address, as built-in IPAM does

IMPLEMENTS: Object = {"Implements": ["IpamDriver"]}
CAPABILITIES: Object = {"RequiresMACAddress": True, "RequiresRequestReplay": False}  # what is given is kept here
ADDRESS_SPACES: Object = {"LocalDefaultAddressSpace": LOCAL, "GlobalDefaultAddressSpace": GLOBAL}

EMPTY = (
    "an empty body: dockerd repeats a request whose reply got lost without what it asked for; "
    "what it was given then is collected later"
)


class PoolRequest(Struct, frozen=True, rename="pascal"):
    """RequestPool: a network is made. `pool` and `sub_pool` are CIDRs or empty."""

    address_space: str | None = None
    pool: str | None = None
    sub_pool: str | None = None
    options: dict[str, str] | None = None
    v6: bool | None = None


class PoolRelease(Struct, frozen=True):
    """ReleasePool: a network goes."""

    pool_id: str | None = field(name="PoolID", default=None)


class AddressRequest(Struct, frozen=True, rename="pascal"):
    """RequestAddress: for a gateway, for a container, or to keep an address away from these."""

    pool_id: str | None = field(name="PoolID", default=None)
    address: str | None = None
    options: dict[str, str] | None = None

    @property
    def is_for_gateway(self) -> bool:
        """Whether the network's gateway is to get it."""
        return (self.options or {}).get(REQUEST_TYPE) == GATEWAY

    @property
    def mac(self) -> str:
        """The MAC address of the endpoint; empty if it is for none."""
        return (self.options or {}).get(MAC, "").lower()

    @property
    def is_serial(self) -> bool:
        """Whether the address is to lie behind the last one."""
        return is_serial(self.options)


class AddressRelease(Struct, frozen=True, rename="pascal"):
    """ReleaseAddress."""

    pool_id: str | None = field(name="PoolID", default=None)
    address: str | None = None


T = TypeVar("T", PoolRequest, PoolRelease, AddressRequest, AddressRelease)


def read(body: bytes, kind: type[T]) -> T:
    """Read a request. Raises DockerError."""
    if not body:
        raise DockerError(EMPTY)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DockerError(f"invalid request: {error}") from None


def is_serial(options: dict[str, str] | None) -> bool:
    """Whether options ask for one address behind the other."""
    return (options or {}).get(SERIAL, "").lower() == "true"
