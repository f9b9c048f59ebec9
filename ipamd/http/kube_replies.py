"""Kubernetes replies: objects, lists, Tables and Status, as HTTP responses.

Stored JSON is sent as it is stored; only a Table has to be made from decoded objects.
"""

from collections.abc import Sequence
from time import time

import msgspec
from aiohttp import web

from ipamd.errors import IpamError, StatusError, TooLarge
from ipamd.http.kube_requests import JSON, included, wants_table
from ipamd.http.routes import LARGEST_BODY
from ipamd.json import Object
from ipamd.kube import status
from ipamd.kube.document import child, decode, peek
from ipamd.kube.kinds import Kind
from ipamd.kube.table import table


def send(body: Object, code: int = 200) -> web.Response:
    """A document."""
    return web.Response(body=msgspec.json.encode(body), status=code, content_type=JSON)


def send_object(request: web.Request, kind: Kind, body: bytes, code: int = 200) -> web.Response:
    """One object, as it is or as a Table of one row."""
    if wants_table(request):
        document = decode(body)
        meta: Object = {"resourceVersion": peek(document, "metadata", "resourceVersion")}
        return send(as_table(request, kind, [body], meta), code)
    return web.Response(body=body, status=code, content_type=JSON)


def send_list(request: web.Request, kind: Kind, bodies: Sequence[bytes], metadata: Object) -> web.Response:
    """A list of objects. `metadata` has the revision and, when there is more, the continue token."""
    if wants_table(request):
        return send(as_table(request, kind, bodies, metadata))
    head = msgspec.json.encode({"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": metadata})
    return web.Response(body=head[:-1] + b',"items":[' + b",".join(bodies) + b"]}", content_type=JSON)


def as_table(
    request: web.Request, kind: Kind, bodies: Sequence[bytes], metadata: Object, *, head: bool = True
) -> Object:
    """Objects as a Table; ages are as of now."""
    return table(kind, map(decode, bodies), metadata, time(), included(request), head=head)


def bookmark(kind: Kind, revision: int, *, initial_events_end: bool = False) -> bytes:
    """The object of a BOOKMARK event: a kind and a resourceVersion; the annotation ends the initial events."""
    document: Object = {"kind": kind.name, "apiVersion": kind.api_version}
    child(document, "metadata")["resourceVersion"] = str(revision)
    if initial_events_end:
        child(document, "metadata", "annotations")["k8s.io/initial-events-end"] = "true"
    return msgspec.json.encode(document)


def refuse(error: Exception) -> web.Response:
    """The Status that tells why a request on a Kubernetes path was refused."""
    told = told_by(error)
    return send(status.body(told), told.status)


def told_by(error: Exception) -> StatusError:
    """What an error says on a Kubernetes path."""
    match error:
        case StatusError():
            return error
        case IpamError():
            return status.from_ipam(error)
        case web.HTTPNotFound():
            return status.no_resource()
        case web.HTTPMethodNotAllowed():
            return status.method_not_allowed()
        case web.HTTPRequestEntityTooLarge():
            return status.from_ipam(TooLarge(f"Request entity too large: limit is {LARGEST_BODY}"))
        case web.HTTPException():
            return StatusError(error.status, status.REASONS.get(error.status, "InternalError"), error.reason)
    return StatusError(500, "InternalError", "Internal error occurred: see the log of the daemon")
