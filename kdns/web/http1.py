"""HTTP/1.1 on one connection, without I/O: h11 reads and writes, an Application says what about."""

from collections.abc import Callable
from http import HTTPStatus

import h11

from kdns.tracing import within
from kdns.web.exchange import Application, Ask, Request, Response


class Http1:
    """One connection: `feed` octets, and `write` is called with others. `ask` may call back now or later.

    Requests are answered one after another. After `closing` no further request is read.
    """

    def __init__(self, application: Application, ask: Ask, write: Callable[[bytes], None]) -> None:
        self._application = application
        self._ask = ask
        self._write = write
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self.busy = False
        self.answered = 0
        self.closing = False

    def feed(self, octets: bytes | None) -> None:
        """Octets came; empty: no more will come; None: look at what has come before."""
        try:
            if octets is not None:
                self._http.receive_data(octets)
            self._go_on()
        except h11.RemoteProtocolError as fault:
            self._refuse(fault.error_status_hint)

    def close(self) -> None:
        """Answer the request under way and no other."""
        self.closing = True

    def _go_on(self) -> None:
        while not self.busy and not self.closing:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    self._request = event
                    self._body.clear()
                    if self._http.they_are_waiting_for_100_continue:
                        self._send(h11.InformationalResponse(status_code=100, headers=[]))
                case h11.Data():
                    room = self._application.largest_body + 1 - len(self._body)
                    self._body += event.data[:room]
                    if len(self._body) > self._application.largest_body:
                        self._refuse(413)
                case h11.EndOfMessage():
                    self._handle()
                case h11.ConnectionClosed():
                    self.closing = True
                case _:  # NEED_DATA, PAUSED
                    return

    def _handle(self) -> None:
        assert self._request is not None
        self.busy = True
        request = _plain(self._request, bytes(self._body))
        found = self._application.packet(request)
        if isinstance(found, Response):
            self._respond(found)
        else:
            self._ask(found, request.within, self._reply)

    def _reply(self, reply: bytes | None) -> None:
        self._respond(self._application.response(reply))

    def _respond(self, response: Response) -> None:
        self.busy = False
        self.answered += 1
        if self._http.our_state is not h11.SEND_RESPONSE:
            return
        headers = [*response.headers, ("content-length", str(len(response.body)))]
        if self.closing:
            headers.append(("connection", "close"))
        self._send(h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status)))
        self._send(h11.Data(data=response.body))
        self._send(h11.EndOfMessage())
        if self._http.states[h11.SERVER] is h11.DONE and self._http.states[h11.CLIENT] is h11.DONE:
            self._http.start_next_cycle()
            self.feed(None)
        else:
            self.closing = True

    def _refuse(self, status: int) -> None:
        self.closing = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [("content-length", "0"), ("connection", "close")]
            self._send(h11.Response(status_code=status, headers=headers, reason=_reason(status)))
            self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        octets = self._http.send(event)
        if octets:
            self._write(octets)


def _reason(status: int) -> str:
    """`OK`, `Not Found`, ...: HTTP/1.1 has it behind the number, and some clients show it."""
    return HTTPStatus(status).phrase


def _plain(request: h11.Request, body: bytes) -> Request:
    path, _, query = request.target.decode("ascii", "replace").partition("?")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Request(request.method.decode("ascii"), path, query, content_type, body, within(headers))
