"""Entity tags and the header fields that compare them (RFC 9110 section 13)."""

from aiohttp import ETag, web

from ipamd.conditions import Condition
from ipamd.http.routes import Parameter

IF_MATCH = Parameter("If-Match", "do it only if the ETag is one of these, or `*`: if it is there", is_field=True)
IF_NONE_MATCH = Parameter(
    "If-None-Match", "do it only if the ETag is none of these, or `*`: if it is not there", is_field=True
)


def tag(revision: int) -> dict[str, str]:
    """The field that tells the entity tag of a thing: its revision."""
    return {"ETag": f'"{revision}"'}


def condition_of(request: web.Request) -> Condition:
    """What a request asks of the thing that it would change; tags are compared strongly (section 8.8.3.2)."""
    return Condition(strong(request.if_match), strong(request.if_none_match))


def is_known(request: web.Request, revision: int) -> bool:
    """Whether the client has the thing as it is at that revision, or wants it only if it is not there."""
    tags = request.if_none_match
    return tags is not None and any(each.value in ("*", str(revision)) for each in tags)


def strong(tags: tuple[ETag, ...] | None) -> frozenset[str] | None:
    """The values of those tags that are not weak."""
    return None if tags is None else frozenset(each.value for each in tags if not each.is_weak)
