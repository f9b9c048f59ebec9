"""The OpenAPI documents that kubectl asks for before it writes, and for `kubectl explain`.

kubectl reads from them which kinds can be patched with `dryRun` and `fieldValidation`, and does not validate what it
finds no schema of. So they list the patch operation of every kind with its parameters; version 3 has schemas of what is
read here of each kind, which only `explain` looks at. Version 2 is wanted as protobuf (gnostic's openapi.v2.Document);
`swagger_protobuf` writes the few messages of it that are used.
"""

from collections.abc import Iterator, Sequence

import msgspec

from ipamd.json import Json, Object
from ipamd.kube.document import child
from ipamd.kube.kinds import KINDS, Kind

PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
TYPE_META: Object = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
TITLE = "ipamd: the Kubernetes kinds that DNS needs"


def path_of(kind: Kind) -> str:
    """The path of an object of that kind, as OpenAPI writes it."""
    root = f"/apis/{kind.group}/v1" if kind.group else "/api/v1"
    return f"{root}/{'namespaces/{namespace}/' if kind.namespaced else ''}{kind.plural}/{{name}}"


def group_version_kind(kind: Kind) -> Object:
    """What tells which kind an operation is about."""
    return {"group": kind.group, "kind": kind.name, "version": "v1"}


def swagger(version: str) -> Object:
    """`/openapi/v2` as JSON (Swagger 2.0)."""
    query: list[Json] = [{"name": name, "in": "query", "type": "string"} for name in PARAMETERS]
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": version},
        "paths": {path_of(kind): {"patch": operation(kind, query)} for kind in KINDS},
    }


def operation(kind: Kind, parameters: list[Json]) -> Object:
    """The patch operation of a kind."""
    return {
        "operationId": f"patch{kind.name}",
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        GROUP_VERSION_KIND: group_version_kind(kind),
    }


def v3_index() -> Object:
    """`/openapi/v3`: where the document of each group and version is."""
    roots = dict.fromkeys(f"apis/{kind.group}/v1" if kind.group else "api/v1" for kind in KINDS)
    return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}


def v3(group: str, version: str) -> Object:
    """`/openapi/v3/api/v1` (the group "") and `/openapi/v3/apis/GROUP/v1`."""
    query: list[Json] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in PARAMETERS]
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": version},
        "paths": {path_of(kind): {"patch": operation(kind, query)} for kind in KINDS if kind.group == group},
        "components": {"schemas": schemas([kind for kind in KINDS if kind.group == group])},
    }


def schemas(kinds: Sequence[Kind]) -> Object:
    """The schemas of these kinds, and of what is in them: the fields that are read here, for all others are kept."""
    _, found = msgspec.json.schema_components(
        [kind.shape for kind in kinds], ref_template="#/components/schemas/{name}"
    )
    made = {name: plain(schema) for name, schema in found.items()}
    for kind in kinds:
        schema = child(made, kind.name)
        schema[GROUP_VERSION_KIND] = [group_version_kind(kind)]
        schema["properties"] = {**TYPE_META, **child(schema, "properties")}
    return made


def plain(schema: Json) -> Json:
    """A schema without what kubectl cannot show: alternatives and defaults."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    options = schema.get("anyOf")
    if isinstance(options, list):
        rest = [option for option in options if option != {"type": "null"}]
        return plain(rest[0]) if len(rest) == 1 else {"type": "string", "format": "int-or-string"}
    return {key: plain(value) for key, value in schema.items() if key not in ("default", "title", "required")}


def swagger_protobuf(version: str) -> bytes:
    """`/openapi/v2` as protobuf. The numbers are the fields of openapi.v2.Document and the messages within it."""
    info = message(1, TITLE.encode()) + message(2, version.encode())
    paths = b"".join(message(2, message(1, path_of(kind).encode()) + message(2, path_item(kind))) for kind in KINDS)
    return message(1, b"2.0") + message(2, info) + message(8, paths)


def path_item(kind: Kind) -> bytes:
    """A PathItem that has a patch operation only."""
    parameters = b"".join(message(8, query_parameter(name)) for name in PARAMETERS)
    yaml = "".join(f'{key}: "{value}"\n' for key, value in group_version_kind(kind).items())
    extension = message(1, GROUP_VERSION_KIND.encode()) + message(2, message(2, yaml.encode()))
    return message(8, message(5, f"patch{kind.name}".encode()) + parameters + message(13, extension))


def query_parameter(name: str) -> bytes:
    """A ParametersItem: Parameter, NonBodyParameter, then the parameter of the query."""
    parameter = message(2, b"query") + message(4, name.encode()) + message(6, b"string")
    return message(1, message(2, message(3, parameter)))


def message(number: int, content: bytes) -> bytes:
    """A length-delimited field (wire type 2)."""
    return bytes([*varint(number << 3 | 2), *varint(len(content))]) + content


def varint(value: int) -> Iterator[int]:
    """`value`, not negative, seven bits an octet, the lowest first."""
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
