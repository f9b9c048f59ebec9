"""The parameters in a query, read strictly. Raises Malformed for what cannot be read."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from ipamd.errors import Malformed
from ipamd.http.routes import Handler, Parameter, Route

Query = Mapping[str, str]

TRIAL = (Parameter("dryRun", "`All`: show what would come of it, and keep nothing"),)


def checked(route: Route) -> Handler:
    """What serves the route, once it is sure that the query has only the parameters of the route."""
    known = [each for each in route.parameters if not (each.is_in_path or each.is_field)]

    async def handle(request: web.Request) -> web.StreamResponse:
        check_known(request.query, known)
        return await route.handle(request)

    return handle


def check_known(query: Query, parameters: Sequence[Parameter]) -> None:
    """Refuse a parameter that there is not, so that a misspelt one is not silently passed over."""
    known = sorted(parameter.name for parameter in parameters)
    for name in query:
        if name not in known:
            there_are = f"there are {', '.join(known)}" if known else "this path has none"
            raise Malformed(f"unknown parameter {name!r}; {there_are}")


def number(query: Query, name: str, default: int, allowed: range) -> int:
    """A number in the range."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) in allowed):
        raise Malformed(f"{name} is a number from {allowed[0]} to {allowed[-1]}, not {text!r}")
    return int(text)


def flag(query: Query, name: str) -> bool:
    """`true` or `false`, which it is unless it says otherwise."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise Malformed(f"{name} is true or false, not {text!r}")
    return text == "true"


def is_dry_run(query: Query) -> bool:
    """Whether the request is only to be tried: see TRIAL."""
    text = query.get("dryRun")
    if text not in (None, "All"):
        raise Malformed(f"dryRun is All, or not there, not {text!r}")
    return text is not None
