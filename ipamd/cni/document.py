"""The network configuration that a runtime hands to a plugin: the parts of it that concern addresses.

Strategy: msgspec decodes and checks types; keys that belong to other plugins are passed over, as the specification has
it, and a member that is null counts as absent, as in Go. The `ipam` object may be written for ipamd, host-local or
whereabouts; all their keys are fields of one struct.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct, field

from ipamd.cni.codes import Code
from ipamd.errors import CniError
from ipamd.kube.document import without_nulls


class Route(Struct, frozen=True, omit_defaults=True):
    """A route for the container, as it stands in the configuration and in the result. 0.x and 1.0 know dst and gw."""

    dst: str
    gw: str | None = None
    mtu: int | None = None
    advmss: int | None = None
    priority: int | None = None
    table: int | None = None
    scope: int | None = None


class Dns(Struct, frozen=True, omit_defaults=True):
    """What the container's resolver is to use."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class RangeConfig(Struct, frozen=True):
    """A range of host-local."""

    subnet: str = ""
    range_start: str | None = field(name="rangeStart", default=None)
    range_end: str | None = field(name="rangeEnd", default=None)
    gateway: str | None = None


class IPRangeConfig(Struct, frozen=True):
    """A range of whereabouts."""

    range: str = ""
    range_start: str | None = None
    range_end: str | None = None
    exclude: tuple[str, ...] = ()


class StaticAddress(Struct, frozen=True):
    """An address that every container of the network gets (whereabouts): `address` with its length."""

    address: str
    gateway: str | None = None


class Ipam(Struct, frozen=True):
    """The `ipam` object. The comments say whose keys they are; what all have in common comes first."""

    gateway: str | None = None
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()
    resolv_conf: str = field(name="resolvConf", default="")
    # ipamd
    pool: str | None = None
    pools: tuple[str, ...] = ()
    node: str = ""
    # host-local
    subnet: str = ""
    host_local_start: str | None = field(name="rangeStart", default=None)
    host_local_end: str | None = field(name="rangeEnd", default=None)
    ranges: tuple[tuple[RangeConfig, ...], ...] = ()
    # whereabouts
    range: str = ""
    range_start: str | None = None
    range_end: str | None = None
    exclude: tuple[str, ...] = ()
    ip_ranges: tuple[IPRangeConfig, ...] = field(name="ipRanges", default=())
    addresses: tuple[StaticAddress, ...] = ()
    network_name: str = ""
    enable_overlapping_ranges: bool = True


class CniArgs(Struct, frozen=True):
    """`args.cni`, set by the runtime."""

    ips: tuple[str, ...] = ()


class Args(Struct, frozen=True):
    """`args`, set by the runtime."""

    cni: CniArgs = CniArgs()


class RuntimeConfig(Struct, frozen=True):
    """`runtimeConfig`: the capabilities `ips` and `ipRanges`."""

    ips: tuple[str, ...] = ()
    ip_ranges: tuple[tuple[RangeConfig, ...], ...] = field(name="ipRanges", default=())


class ResultAddress(Struct, frozen=True):
    """An address of an earlier result."""

    address: str = ""
    ip: str = ""  # its name in 0.1.0 and 0.2.0


class PreviousResult(Struct, frozen=True):
    """The result of the ADD that a CHECK is about, of any version."""

    ips: tuple[ResultAddress, ...] = ()
    ip4: ResultAddress = ResultAddress()
    ip6: ResultAddress = ResultAddress()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses without their lengths."""
        texts = (*(each.address for each in self.ips), self.ip4.ip, self.ip6.ip)
        return tuple(text.partition("/")[0] for text in texts if text)


class Attached(Struct, frozen=True):
    """An attachment that a GC is told to keep."""

    container: str = field(name="containerID")
    ifname: str


class Network(Struct, frozen=True):
    """The whole configuration. A list of valid attachments that is absent is not one that is empty."""

    name: str = ""
    version: str = field(name="cniVersion", default="")
    ipam: Ipam | None = None
    args: Args = Args()
    runtime: RuntimeConfig = field(name="runtimeConfig", default=RuntimeConfig())
    previous: PreviousResult | None = field(name="prevResult", default=None)
    valid: tuple[Attached, ...] | None = field(name="cni.dev/valid-attachments", default=None)
    valid_legacy: tuple[Attached, ...] | None = field(name="cni.dev/attachments", default=None)


class Header(Struct, frozen=True):
    """What is looked at before the rest."""

    name: str = ""
    version: str = field(name="cniVersion", default="")


def read_header(stdin: bytes) -> Header:
    """The name and the version of a configuration. Raises CniError for what is no JSON object."""
    return read(stdin, Header)


def read_network(stdin: bytes) -> Network:
    """The configuration. Raises CniError for values of a wrong type."""
    return read(stdin, Network)


T = TypeVar("T")


def read(stdin: bytes, kind: type[T]) -> T:
    """A JSON object as a struct. Raises CniError."""
    try:
        return msgspec.convert(without_nulls(msgspec.json.decode(stdin)), kind)
    except msgspec.DecodeError as error:
        raise CniError(Code.DECODING_FAILURE, f"error unmarshall network config: {error}") from None
