"""Strategic merge patch: a merge patch in which certain lists merge item by item, as the Kubernetes API types declare.

A list that MERGE_KEYS names is merged by the member that names its items (containers by `name`, ports of a Service by
`port`), every other list is replaced. Directives in the patch steer it: `$patch: replace|delete|merge`, `$retainKeys`,
`$setElementOrder/FIELD`, `$deleteFromPrimitiveList/FIELD` (source: sig-api-machinery, strategic-merge-patch.md).
"""

from collections.abc import Mapping

import msgspec

from ipamd.errors import Malformed
from ipamd.json import Json, Object

MergeKeys = Mapping[tuple[str, ...], str]  # path of a list, without indices, to the member that names its items
PRIMITIVE = ""  # the "merge key" of a list of plain values that is merged as a set

METADATA: MergeKeys = {
    ("metadata", "ownerReferences"): "uid",
    ("metadata", "finalizers"): PRIMITIVE,
}
CONTAINER: MergeKeys = {
    ("ports",): "containerPort",
    ("env",): "name",
    ("volumeMounts",): "mountPath",
    ("volumeDevices",): "devicePath",
}
MERGE_KEYS: Mapping[str, MergeKeys] = {
    "Namespace": {**METADATA, ("status", "conditions"): "type"},
    "Node": {
        **METADATA,
        ("spec", "podCIDRs"): PRIMITIVE,
        ("status", "conditions"): "type",
        ("status", "addresses"): "type",
    },
    "Pod": {
        **METADATA,
        **{
            ("spec", containers, *path): key
            for containers in ("containers", "initContainers", "ephemeralContainers")
            for path, key in {(): "name", **CONTAINER}.items()
        },
        ("spec", "volumes"): "name",
        ("spec", "imagePullSecrets"): "name",
        ("spec", "schedulingGates"): "name",
        ("spec", "resourceClaims"): "name",
        ("spec", "hostAliases"): "ip",
        ("spec", "topologySpreadConstraints"): "topologyKey",
        ("status", "conditions"): "type",
        ("status", "podIPs"): "ip",
    },
    "Service": {**METADATA, ("spec", "ports"): "port", ("status", "conditions"): "type"},
    "EndpointSlice": METADATA,
    "ServiceCIDR": {**METADATA, ("status", "conditions"): "type"},
    "IPAddress": METADATA,
}


def strategic_merge(kind: str, document: Json, patch: Json) -> Json:
    """`document` of that kind with the strategic merge patch applied.

    Raises Malformed when an item of a merged list lacks its key, or a directive is not one of those above.
    """
    return strategic(document, patch, MERGE_KEYS[kind], ())


def strategic(document: Json, patch: Json, keys: MergeKeys, path: tuple[str, ...]) -> Json:
    """Merge `patch` into the value at `path`."""
    if not isinstance(patch, dict):
        return patch
    match patch.get("$patch", "merge"):
        case "replace":
            return {key: value for key, value in patch.items() if key != "$patch"}
        case "delete":
            return {}
        case "merge":
            pass
        case other:
            raise Malformed(f"Unknown patch type found: {other}")
    result: Object = dict(document) if isinstance(document, dict) else {}
    if "$retainKeys" in patch:
        kept = items(patch["$retainKeys"], "$retainKeys")
        result = {key: value for key, value in result.items() if key in kept}
    for key, value in patch.items():
        if not key.startswith("$"):
            merge_member(result, key, value, keys, path)
    for key, value in patch.items():
        directive(result, key, value, keys, path)
    return result


def directive(result: Object, key: str, value: Json, keys: MergeKeys, path: tuple[str, ...]) -> None:
    """Carry out a directive about one list of `result`, after the merge; other members are none."""
    name, _, field = key.partition("/")
    if name == "$deleteFromPrimitiveList":
        gone = set(map(identity, items(value, key)))
        result[field] = [item for item in items(result.get(field), field) if identity(item) not in gone]
    if name == "$setElementOrder" and field in result:
        merge_key = keys.get((*path, field), PRIMITIVE)
        result[field] = ordered(items(result[field], field), items(value, key), merge_key)


def merge_member(result: Object, key: str, value: Json, keys: MergeKeys, path: tuple[str, ...]) -> None:
    """Merge one member of a strategic patch into `result`."""
    here = (*path, key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list) and here in keys:
        result[key] = merge_list(items(result.get(key), key), value, keys, here)
    else:
        result[key] = strategic(result.get(key), value, keys, here)


def merge_list(existing: list[Json], patch: list[Json], keys: MergeKeys, path: tuple[str, ...]) -> Json:
    """Merge the items of a list: by the member that `keys` names for it, or as a set of plain values."""
    merge_key = keys[path]
    if merge_key == PRIMITIVE:
        present = set(map(identity, existing))
        return [*existing, *(item for item in patch if identity(item) not in present)]
    if {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]
    result, gone = list(existing), set[int]()
    places: dict[bytes, list[int]] = {}
    for place, old in enumerate(existing):
        if isinstance(old, dict):
            places.setdefault(identity(old.get(merge_key)), []).append(place)
    for item in patch:
        name = identity(item_key(item, merge_key))
        if isinstance(item, dict) and item.get("$patch") == "delete":
            gone.update(places.pop(name, ()))
        elif name in places:
            place = places[name][0]
            result[place] = strategic(result[place], item, keys, path)
        else:
            places[name] = [len(result)]
            result.append(strategic({}, item, keys, path))
    return [item for place, item in enumerate(result) if place not in gone]


def item_key(item: Json, merge_key: str) -> Json:
    """The value by which an item of a merged list is known."""
    if not isinstance(item, dict) or merge_key not in item:
        raise Malformed(f"map: {item} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def ordered(existing: list[Json], order: list[Json], merge_key: str) -> Json:
    """`existing` in the order wanted; an item that `order` does not name stays behind the one that it stood behind."""
    wanted = [identity(item_key(item, merge_key) if merge_key else item) for item in order]
    named = set(wanted)
    head: list[Json] = []
    runs: dict[bytes, list[Json]] = {}  # each item that is named, and those that stay behind it
    run = head
    for item in existing:
        name = identity(item.get(merge_key) if merge_key and isinstance(item, dict) else item)
        if name not in named:
            run.append(item)
        elif name not in runs:
            run = runs[name] = [item]
    return [*head, *(item for name in dict.fromkeys(wanted) for item in runs.get(name, ()))]


def identity(value: Json) -> bytes:
    """What equal values share, so that items are found in one step: a list may have as many as a body can hold."""
    return msgspec.json.encode(value, order="deterministic")


def items(value: Json, what: str) -> list[Json]:
    """`value` as a list; an absent one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{what} is not a list")
    return value
