"""Reading Kubernetes requests: the object that a path names, the body by its content type, what the client accepts."""

from collections.abc import Callable
from functools import partial

import msgspec
from aiohttp import web

from ipamd.errors import EncodedBody
from ipamd.json import Json, Object
from ipamd.kube import protobuf
from ipamd.kube.document import decode, decode_any, without_nulls
from ipamd.kube.kinds import Kind
from ipamd.kube.objects import Target
from ipamd.kube.options import DeleteOptions, is_dry_run
from ipamd.kube.status import bad_request, unsupported_media
from ipamd.kube.strategic import strategic_merge
from ipamd.patch import json_patch, merge

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
INCLUDES = ("Metadata", "None", "Object")

Patch = Callable[[Json], Json]


def target_of(request: web.Request, kind: Kind, subresource: str) -> Target:
    """The object that the path names; without a name, any of the namespace."""
    found = request.match_info
    return Target(kind, found.get("namespace", ""), found.get("name", ""), subresource)


def media_type(request: web.Request) -> str:
    """The content type of the body without parameters; JSON when none is given."""
    return request.content_type if "Content-Type" in request.headers else JSON


async def read_body(request: web.Request) -> bytes:
    """The body. Raises EncodedBody when it is compressed."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise EncodedBody(f"the body is in Content-Encoding {encoding}; send it as it is")
    return await request.read()


async def read_object(request: web.Request) -> Object:
    """The body as an object. Raises StatusError 400 or 415, or Malformed."""
    match media_type(request):
        case "application/json":
            return decode(await read_body(request))
        case protobuf.MEDIA:
            return protobuf.decode(await read_body(request))
    raise unsupported_media((JSON, protobuf.MEDIA))


async def read_patch(request: web.Request, kind: Kind) -> Patch:
    """The body as a function that patches an object. Raises StatusError 415, as for server-side apply, or Malformed."""
    media = media_type(request)
    if media not in PATCHES:
        raise unsupported_media(PATCHES)
    body = decode_any(await read_body(request))
    match media:
        case "application/json-patch+json":
            return partial(json_patch, operations=body)
        case "application/merge-patch+json":
            return partial(merge, patch=body)
    return partial(strategic_merge, kind.name, patch=body)


async def read_delete_options(request: web.Request) -> DeleteOptions:
    """The body of a deletion; an empty one asks for nothing. Raises StatusError 400 or 415."""
    raw = await read_body(request)
    if not raw:
        return DeleteOptions()
    if media_type(request) != JSON:
        raise unsupported_media((JSON,))
    try:
        return msgspec.convert(without_nulls(decode(raw)), DeleteOptions)
    except msgspec.ValidationError as error:
        raise bad_request(f"not DeleteOptions: {error}") from error


def dry_run(request: web.Request, more: tuple[str, ...] = ()) -> bool:
    """Whether the request is only to be tried; `more` are the values of its body."""
    return is_dry_run((*request.query.getall("dryRun", []), *more))


def wants_table(request: web.Request) -> bool:
    """Whether a Table is the first thing that the client accepts."""
    first = request.headers.get("Accept", "").split(",")[0].replace(" ", "")
    return first.startswith(JSON) and "as=Table" in first.split(";") and "g=meta.k8s.io" in first.split(";")


def accepts_json(request: web.Request) -> bool:
    """Whether the client takes JSON at all."""
    accepted = request.headers.get("Accept", "*/*")
    kinds = {part.split(";")[0].strip() for part in accepted.split(",")}
    return bool(kinds & {JSON, "application/*", "*/*", ""})


def included(request: web.Request) -> str:
    """What a row of a Table is to carry of its object. Raises StatusError 400."""
    include = request.query.get("includeObject", "Metadata")
    if include not in INCLUDES:
        raise bad_request(
            f'includeObject: Unsupported value: "{include}": supported values: "Metadata", "None", "Object"'
        )
    return include
