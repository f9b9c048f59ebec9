"""`/v1/events`: what has happened that an operator wants to know of."""

from aiohttp import web
from msgspec import Struct

from ipamd.errors import Malformed
from ipamd.events import Events
from ipamd.http.codec import rfc3339, shown
from ipamd.http.query import number
from ipamd.http.routes import Parameter, Route

AFTER = (Parameter("after", "only events behind this number", type="integer"),)


class EventBody(Struct):
    """Something that happened; `number` is what to ask behind for what comes next."""

    number: int
    time: str
    kind: str
    subject: str
    text: str


class EventList(Struct):
    """The last events, the oldest first."""

    events: list[EventBody]


def routes(events: Events) -> tuple[Route, ...]:
    """The route of `/v1/events`."""

    async def list_events(request: web.Request) -> web.Response:
        """The events that are kept."""
        after = number(request.query, "after", 0, range(1 << 62))
        return shown(EventList([EventBody(each.number, rfc3339(each.time), *each[2:]) for each in events.after(after)]))

    return (Route("GET", "/v1/events", "List events", list_events, {200: EventList}, None, AFTER, (Malformed,)),)
