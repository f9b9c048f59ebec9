"""kubeconfig files: a context's cluster and user as an Access.

Strategy: the file is decoded to the few fields that we use; what would change how we authenticate but is not supported
(`exec` and `auth-provider` plugins, basic authentication, impersonation, proxies) is refused with a sentence, since a
client that quietly leaves it out would fail in a way that nobody understands. Relative paths are relative to the file,
and inline data goes before a file, as in client-go.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from kdns.transport.access import Access, Pem, server_url


class _Cluster(Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = None


class _User(Struct, rename="kebab"):
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = field(default=None, name="tokenFile")
    exec_: object = field(default=None, name="exec")
    auth_provider: object = None
    username: str | None = None
    impersonated: str | None = field(default=None, name="as")


class _Context(Struct):
    cluster: str = ""
    user: str = ""


class _NamedCluster(Struct):
    name: str
    cluster: _Cluster | None = None


class _NamedUser(Struct):
    name: str
    user: _User | None = None


class _NamedContext(Struct):
    name: str
    context: _Context | None = None


class _KubeConfig(Struct, rename="kebab"):
    current_context: str | None = None
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None


def from_kubeconfig(path: Path, context: str = "") -> Access:
    """The server and credentials of a context of the file, by default its current one. ValueError if that cannot be."""
    config = _read(path)
    name = context or config.current_context or ""
    contexts = {row.name: row.context or _Context() for row in config.contexts or ()}
    if name not in contexts:
        raise ValueError(f'context "{name}" does not exist in {path}')
    chosen = contexts[name]
    clusters = {row.name: row.cluster or _Cluster() for row in config.clusters or ()}
    users = {row.name: row.user or _User() for row in config.users or ()}
    if chosen.cluster not in clusters:
        raise ValueError(f'cluster "{chosen.cluster}" of context "{name}" does not exist in {path}')
    if chosen.user and chosen.user not in users:
        raise ValueError(f'user "{chosen.user}" of context "{name}" does not exist in {path}')
    return _access(clusters[chosen.cluster], users.get(chosen.user, _User()), path)


def _read(path: Path) -> _KubeConfig:
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=_KubeConfig)
    except FileNotFoundError:
        raise ValueError(f"stat {path}: no such file or directory") from None
    except OSError as missing:
        raise ValueError(f"open {path}: {(missing.strerror or str(missing)).lower()}") from missing
    except msgspec.DecodeError as wrong:
        raise ValueError(f"{path} is no kubeconfig file: {wrong}") from wrong


def _access(cluster: _Cluster, user: _User, path: Path) -> Access:
    _refuse_unsupported(cluster, user, path)
    where = path.parent
    certificate = _pem(user.client_certificate, user.client_certificate_data, where)
    key = _pem(user.client_key, user.client_key_data, where)
    if (certificate is None) != (key is None):
        raise ValueError(f"{path}: client-certificate and client-key go together")
    return Access(
        server_url(cluster.server if "://" in cluster.server else f"http://{cluster.server}"),
        authority=_pem(cluster.certificate_authority, cluster.certificate_authority_data, where),
        certificate=certificate,
        key=key,
        token=user.token or "",
        token_file=where / user.token_file if user.token_file else None,
        server_name=cluster.tls_server_name or None,
        verify=not cluster.insecure_skip_tls_verify,
    )


def _refuse_unsupported(cluster: _Cluster, user: _User, path: Path) -> None:
    unsupported: Mapping[str, object] = {
        "exec": user.exec_,
        "auth-provider": user.auth_provider,
        "username": user.username,
        "as": user.impersonated,
        "proxy-url": cluster.proxy_url,
    }
    for name, given in unsupported.items():
        if given:
            raise ValueError(f"{path}: {name!r} is not supported; use a token, a tokenFile or a client certificate")


def _pem(file: str | None, data: str | None, where: Path) -> Pem | None:
    if data:
        try:
            return base64.b64decode(data).decode("ascii", "ignore")
        except binascii.Error as wrong:
            raise ValueError(f"certificate or key data that is no base64: {wrong}") from wrong
    return where / file if file else None
