"""The configuration: a TOML file, checked strictly, on top of defaults that work without one.

Strategy: tomllib reads, msgspec checks the types and refuses unknown keys, the pools check themselves. What comes out
is plain values.
"""

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ipamd.errors import ConfigError, Invalid
from ipamd.model import WIDTH, Pool
from ipamd.pool_rules import check_pool
from ipamd.ranges import read_cidr

RETENTION = 100_000  # changes
HISTORY_DAYS = 400
RECONCILE_GRACE = 300  # seconds
DNS_TTL = 30  # seconds, as kubeadm's Corefile has it

DEFAULT_LISTEN = "127.0.0.1:8653"
DEFAULT_POOLS = (
    Pool("pods", ("10.244.0.0/16",), purpose="pods", block_size=24),
    Pool("pods-v6", ("fd00:10:244::/56",), purpose="pods", block_size=64),
    Pool("services", ("10.96.0.0/12",), purpose="services", strategy="random"),
    Pool("services-v6", ("fd00:10:96::/112",), purpose="services", strategy="random"),
)


# What a table `[pools.NAME]` may have: its name stands above it.
POOL_KEYS = tuple(field for field in Pool.__struct_fields__ if field != "name")


class Endpoint(NamedTuple):
    """Where to listen. Port 0 means any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class CniTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[cni]` of the file: where the CNI plugin calls.

    A GC releases nothing that was added less than `gc_grace` seconds ago.
    """

    socket: str = "/run/ipamd/cni.sock"
    gc_grace: int = 10


class DefaultPool(Struct, frozen=True, forbid_unknown_fields=True):
    """What networks of Docker without a subnet get: CIDRs of length `size` out of `base`, as daemon.json has it."""

    base: str
    size: int


DOCKER_POOLS = (DefaultPool("172.16.0.0/12", 16), DefaultPool("192.168.0.0/16", 20), DefaultPool("fdd0:c::/48", 64))


class DockerTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[docker]` of the file: where dockerd calls the IPAM driver.

    `api` is the socket of the one Docker daemon that does; if it is empty no container has a name, and nothing that
    Docker has lost is collected. `grace` seconds apart two looks have to miss it for that.
    """

    socket: str = "/run/docker/plugins/ipamd.sock"
    api: str = "/run/docker.sock"
    grace: int = 30
    default_pools: tuple[DefaultPool, ...] = DOCKER_POOLS


class Config(Struct, frozen=True):
    """What the daemon runs with. `retention` is how many changes the log keeps for those who watch.

    In seconds: `dns_ttl` is for how long caches may keep a name's address, `grace` for how long a lease is kept that
    was not renewed in time, `reconcile_grace` for how long the owner of a lease has to be gone until it is freed. For
    `history_days` it stays known who had an address.

    Without `cni` no container runtime is served, without `docker` no dockerd.
    """

    listen: Endpoint
    store: Path
    retention: int
    dns_ttl: int
    grace: int
    history_days: int
    reconcile_grace: int
    pools: tuple[Pool, ...]
    cni: CniTable | None = None
    docker: DockerTable | None = None


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. A file without pools means the default ones."""

    listen: str = DEFAULT_LISTEN
    store: str | None = None
    retention: int = RETENTION
    dns_ttl: int = DNS_TTL
    grace: int = 0
    history_days: int = HISTORY_DAYS
    reconcile_grace: int = RECONCILE_GRACE
    pools: dict[str, Pool] | None = None
    cni: CniTable | None = None
    docker: DockerTable | None = None


def read_config(path: Path | None, listen: str | None, store: str | None, cni_socket: str | None = None) -> Config:
    """The configuration of a file, or of none, with what the command line says instead. Raises ConfigError."""
    file = File() if path is None else read_file(path)
    return Config(
        listen=read_listen(listen or file.listen),
        store=read_store(store or file.store),
        retention=file.retention,
        dns_ttl=file.dns_ttl,
        grace=file.grace,
        history_days=file.history_days,
        reconcile_grace=file.reconcile_grace,
        pools=DEFAULT_POOLS if file.pools is None else tuple(file.pools.values()),
        cni=read_cni(file.cni, cni_socket),
        docker=file.docker,
    )


def read_file(path: Path) -> File:
    """The file as it stands. Raises ConfigError, with the path, for one that is missing, no TOML, or else wrong."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    check_keys(path, "the file", document, File.__struct_fields__)
    check_keys(path, "[cni]", document.get("cni"), CniTable.__struct_fields__)
    check_keys(path, "[docker]", document.get("docker"), DockerTable.__struct_fields__)
    pools = document.get("pools", {})
    for name, table in pools.items() if isinstance(pools, dict) else ():
        check_keys(path, f"[pools.{name}]", table, POOL_KEYS)
        if isinstance(table, dict):
            table["name"] = name
    try:
        read = msgspec.convert(document, File)
        check_file(read)
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return read


def check_file(file: File) -> None:
    """Raise ConfigError for values that cannot be meant."""
    if file.retention < 1:
        raise ConfigError(f"retention is a number of changes, at least 1, not {file.retention}")
    if min(file.dns_ttl, file.grace, file.reconcile_grace) < 0 or file.history_days < 1:
        raise ConfigError("dns_ttl, grace and reconcile_grace are seconds, 0 at least, and history_days is 1 at least")
    for name, pool in (file.pools or {}).items():
        try:
            check_pool(pool)
        except Invalid as error:
            raise ConfigError(f"[pools.{name}]: {error.detail}") from None
    if file.cni is not None and file.cni.gc_grace < 0:
        raise ConfigError(f"cni.gc_grace is a number of seconds, not {file.cni.gc_grace}")
    if file.docker is not None:
        check_docker(file.docker)


def check_keys(path: Path, where: str, table: object, known: Sequence[str]) -> None:
    """Raise ConfigError, naming what there is, if a table has a key that is not known."""
    for key in table if isinstance(table, dict) else ():
        if key not in known:
            raise ConfigError(f"{path}: {where} has an unknown key {key!r}; there are {', '.join(known)}")


def read_cni(table: CniTable | None, socket: str | None) -> CniTable | None:
    """The table `[cni]` with the socket that the command line names instead."""
    return table if socket is None else replace(table or CniTable(), socket=socket)


def check_docker(table: DockerTable) -> None:
    """Raise ConfigError for values of the table `[docker]` that cannot be meant."""
    if table.grace < 0:
        raise ConfigError(f"docker.grace is a number of seconds, not {table.grace}")
    for pool in table.default_pools:
        try:
            base = read_cidr(pool.base)
        except Invalid as error:
            raise ConfigError(f"docker.default_pools: {error.detail}") from None
        if not base.length <= pool.size <= WIDTH[base.family]:
            raise ConfigError(f"docker.default_pools: {pool.base} has no networks of length {pool.size}")


def read_listen(text: str) -> Endpoint:
    """Read HOST:PORT; an IPv6 address stands in brackets. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not (colon and bare and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise ConfigError(f"listen is HOST:PORT, not {text!r}")
    if (":" in bare) != host.startswith("["):
        raise ConfigError(f"listen: an IPv6 address, and nothing else, stands in brackets, not {text!r}")
    return Endpoint(bare, int(port))


def read_store(text: str | None) -> Path:
    """Read sqlite:PATH; None means a file in the state directory. Raises ConfigError."""
    if text is None:
        return state_directory() / "ipamd.sqlite"
    scheme, _, path = text.partition(":")
    if scheme != "sqlite" or not path:
        raise ConfigError(f"store is sqlite:PATH, not {text!r}")
    return Path(path).expanduser()


def state_directory() -> Path:
    """Where state is kept: systemd's word, /var/lib/ipamd for root, else where the XDG specification has it."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/ipamd")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ipamd"
