"""The `Status` replies of the API server: what each refusal says, in its words.

Functions make StatusErrors; `body` turns one to the object that is sent, `from_ipam` an error of the allocator to one.
Source: k8s.io/apimachinery, api/errors and util/validation/field.
"""

from typing import NamedTuple, TypeAlias

from ipamd.errors import IpamError, StatusError
from ipamd.json import Json, Object
from ipamd.kube.kinds import NAMESPACE, Kind

Shown: TypeAlias = "Json | tuple[str, ...]"

REASONS = {
    400: "BadRequest",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    503: "ServiceUnavailable",
    507: "InsufficientStorage",
}


class Cause(NamedTuple):
    """What is wrong with one field. `message` is complete but for the name of the field."""

    field: str
    reason: str
    message: str


def wrong_value(field: str, value: Shown, rule: str) -> Cause:
    """The field's value breaks `rule`."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {rule}")


def shown(value: Shown) -> str:
    """A value as messages of the API server show it, which are made by Go."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[]string{" + ", ".join(f'"{item}"' for item in value) + "}"
    return str(value)


def missing(field: str, why: str = "") -> Cause:
    """The field has to be there."""
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def unsupported(field: str, value: str, choices: tuple[str, ...]) -> Cause:
    """The field's value is none of those that there are."""
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return Cause(field, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {listed}')


def forbidden_field(field: str, why: str) -> Cause:
    """The field may not be there, or may not change."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def duplicate(field: str, value: str) -> Cause:
    """The field's value stands there twice."""
    return Cause(field, "FieldValueDuplicate", f'Duplicate value: "{value}"')


def named(kind: Kind, name: str) -> Object:
    """The details that name an object."""
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}


def not_found(kind: Kind, name: str) -> StatusError:
    """There is no such object."""
    return StatusError(404, "NotFound", f'{kind.resource} "{name}" not found', named(kind, name))


def no_resource() -> StatusError:
    """There is nothing at this path."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> StatusError:
    """The name is in use."""
    return StatusError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', named(kind, name))


def conflict(kind: Kind, name: str, why: str) -> StatusError:
    """The object is not as the request takes it to be."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return StatusError(409, "Conflict", message, named(kind, name))


def modified(kind: Kind, name: str) -> StatusError:
    """The object has changed since the client read it."""
    return conflict(
        kind, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def forbidden(kind: Kind, name: str, why: str) -> StatusError:
    """The request is understood and never allowed."""
    return StatusError(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {why}', named(kind, name))


def terminating(kind: Kind, name: str, namespace: str) -> StatusError:
    """Nothing can be made in a Namespace that is being deleted."""
    error = forbidden(
        kind, name, f"unable to create new content in namespace {namespace} because it is being terminated"
    )
    cause: Json = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
    return StatusError(error.status, error.reason, error.message, {**(error.details or {}), "causes": [cause]})


def no_namespace(namespace: str) -> StatusError:
    """The Namespace of a new object does not exist."""
    return not_found(NAMESPACE, namespace)


def invalid(kind: Kind, name: str, causes: list[Cause]) -> StatusError:
    """The object breaks rules of its kind; every one is told."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    listed: list[Json] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    details: Object = {**named(kind, name), "kind": kind.name, "causes": listed}
    return StatusError(422, "Invalid", f'{kind.qualified} "{name}" is invalid: {told}', details)


def bad_request(message: str) -> StatusError:
    """The request cannot be read."""
    return StatusError(400, "BadRequest", message)


def internal_error(why: str) -> StatusError:
    """The server cannot do what it was asked for, through no fault of the request."""
    cause: Json = {"message": why}
    return StatusError(500, "InternalError", f"Internal error occurred: {why}", {"causes": [cause]})


def bad_options(causes: list[Cause]) -> StatusError:
    """The parameters of a list or watch do not go together."""
    told = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    return StatusError(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {told}')


def expired(message: str) -> StatusError:
    """What was asked for lies behind the compaction of the log: list again."""
    return StatusError(410, "Expired", message)


def ahead(asked: int, current: int) -> StatusError:
    """The client has seen a revision that this store has not reached."""
    cause: Json = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details: Object = {"causes": [cause], "retryAfterSeconds": 1}
    return StatusError(504, "Timeout", f"Too large resource version: {asked}, current: {current}", details)


def method_not_allowed() -> StatusError:
    """The resource has no such verb."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_acceptable() -> StatusError:
    """The client takes nothing that we can send."""
    return StatusError(406, "NotAcceptable", "only the following media types are accepted: application/json", {})


def unsupported_media(accepted: tuple[str, ...]) -> StatusError:
    """The body is of a type that is not read here."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return StatusError(415, "UnsupportedMediaType", message)


def from_ipam(error: IpamError) -> StatusError:
    """An error of the allocator or the store, where no Kubernetes rule has said more."""
    return StatusError(error.status, REASONS.get(error.status, "InternalError"), error.detail)


def body(error: StatusError) -> Object:
    """The `Status` object that tells a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        **({"details": error.details} if error.details is not None else {}),
        "code": error.status,
    }


def deleted(kind: Kind, name: str, uid: str) -> Object:
    """The `Status` object that tells that an object is gone."""
    details = {**named(kind, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
