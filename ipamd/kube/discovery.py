"""What a client asks before anything else: which groups, versions and resources there are.

Everything follows from the table of kinds. Sources: meta/v1 APIVersions, APIGroupList, APIResourceList; version.Info.
"""

from ipamd.json import Json, Object
from ipamd.kube.kinds import KINDS, POD, Kind

GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS if kind.group))
VERBS: tuple[Json, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS_VERBS: tuple[Json, ...] = ("get", "patch", "update")
IN_ALL = ("Pod", "Service")  # the kinds that `kubectl get all` means
KUBERNETES = (1, 33)  # the minor version whose answers these are


def core_versions(address: str) -> Object:
    """`/api`. `address` is HOST:PORT under which the client has reached us."""
    where: Json = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def groups() -> Object:
    """`/apis`."""
    listed: list[Json] = [group(name) for name in GROUPS]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(name: str) -> Object:
    """`/apis/GROUP`."""
    version: Object = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version}


def resources(group_name: str) -> Object:
    """`/api/v1` (the group "") and `/apis/GROUP/v1`."""
    kinds = [kind for kind in KINDS if kind.group == group_name]
    listed: list[Json] = [entry for kind in kinds for entry in entries(kind)]
    version = kinds[0].api_version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}


def entries(kind: Kind) -> list[Object]:
    """A kind and its status, as resources."""
    main: Object = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": [*VERBS],
    }
    if kind.shorts:
        main["shortNames"] = [*kind.shorts]
    if kind.name in IN_ALL:
        main["categories"] = ["all"]
    status: Object = {
        "name": f"{kind.plural}/status",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": [*STATUS_VERBS],
    }
    binding: Object = {
        "name": f"{kind.plural}/binding",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": "Binding",
        "verbs": ["create"],
    }
    return [main, *([binding] if kind is POD else []), *([status] if kind.has_status else [])]


def version(of_ipamd: str, platform: str) -> Object:
    """`/version`: the Kubernetes version that is spoken, with ours as build metadata."""
    major, minor = KUBERNETES
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": f"v{major}.{minor}.0+ipamd.{of_ipamd}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": platform,
    }
