"""The OpenAPI 3.1 document of `/v1`, made from the routes and from the types that check their bodies."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from ipamd import VERSION
from ipamd.errors import IpamError, Malformed
from ipamd.http.codec import JSON, PROBLEM, Problem
from ipamd.http.routes import Parameter, Refusals, Route
from ipamd.json import Json, Object

REFERENCE = "#/components/schemas/{name}"


def document(routes: Sequence[Route]) -> Object:
    """The document for these routes."""
    bodies: list[type[Struct]] = [Problem]
    for route in routes:
        bodies += [kind for kind in (route.body, *route.replies.values()) if kind is not None]
    ordered = sorted(set(bodies), key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=REFERENCE)
    paths: Object = {}
    for route in routes:
        operations = paths.setdefault(route.path, {})
        assert isinstance(operations, dict)
        operations[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ipamd", "version": VERSION, "summary": "Pools of addresses, and leases on them"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def operation(route: Route) -> Object:
    """What one method does."""
    replies: Object = {str(status): success(kind) for status, kind in route.replies.items()}
    by_status: dict[int, list[type[IpamError]]] = {}
    refusals: Refusals = (*route.refusals, Malformed)  # for a parameter that the route has not
    for kind in dict.fromkeys(refusals):
        by_status.setdefault(kind.status, []).append(kind)
    replies |= {str(status): refusal(kinds) for status, kinds in sorted(by_status.items())}
    name = route.handle.__qualname__.replace("Handlers.", "-").lower()
    described: Object = {"summary": route.summary, "operationId": name, "responses": replies}
    if route.parameters:
        described["parameters"] = [parameter(each) for each in route.parameters]
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": content(JSON, route.body)}
    return described


def success(kind: type[Struct] | None) -> Object:
    """A reply that carries a body of this type, or none."""
    if kind is None:
        return {"description": "Done"}
    return {"description": (kind.__doc__ or "").split(".")[0], "content": content(JSON, kind)}


def refusal(kinds: Sequence[type[IpamError]]) -> Object:
    """A reply that refuses for one of these reasons, which share a status."""
    codes = ", ".join(f"`{kind.code}`: {kind.title}" for kind in kinds)
    return {"description": codes, "content": content(PROBLEM, Problem)}


def parameter(each: Parameter) -> Object:
    """One parameter."""
    place = "path" if each.is_in_path else "header" if each.is_field else "query"
    schema: Object = {"type": each.type}
    return {"name": each.name, "in": place, "required": each.is_in_path, "description": each.text, "schema": schema}


def content(media: str, kind: type[Struct]) -> Json:
    """A body of this type."""
    return {media: {"schema": {"$ref": REFERENCE.format(name=kind.__name__)}}}
