"""A collector of dnstap messages, by the frame stream codec and the message classes that others wrote."""

import asyncio
from typing import Any, cast

from dnstap_pb import dnstap_pb2 as pb
from fstrm import FSTRM_CONTROL_FINISH, FSTRM_CONTROL_READY, FSTRM_CONTROL_STOP, FSTRM_DATA_FRAME, FstrmCodec

CONTENT_TYPE = b"protobuf:dnstap.Dnstap"


class Collector(asyncio.Protocol):
    """The reader's end of one connection. `kinds` are the control frames that came, `accepts` is what it takes."""

    def __init__(self, accepts: bytes = CONTENT_TYPE) -> None:
        self._accepts = accepts
        self._codec = FstrmCodec()
        self.kinds: list[int] = []
        self.content_types: list[list[bytes]] = []
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.lost = asyncio.get_running_loop().create_future()
        self.made = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._codec.append(data)
        while self._codec.process():
            kind, content_types, payload = self._codec.decode()
            if kind == FSTRM_DATA_FRAME:
                self.messages.put_nowait(pb.Dnstap.FromString(payload))
                continue
            self.kinds.append(kind)
            self.content_types.append(content_types)
            if kind == FSTRM_CONTROL_READY:
                self.transport.write(self._codec.encode_ctrlaccept(self._accepts))
            elif kind == FSTRM_CONTROL_STOP:
                self.transport.write(self._codec.encode(FSTRM_CONTROL_FINISH))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)

    async def next(self) -> Any:
        """The next message."""
        return await asyncio.wait_for(self.messages.get(), 10)
