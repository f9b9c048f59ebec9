"""DNS over gRPC to one upstream: service coredns.dns.DnsService, method Query, one DnsPacket each way.

The channel connects when it is first used, and again after the connection was lost; all calls share one. DnsPacket
(`bytes msg = 1`) is on the wire what protobuf's own BytesValue is.
"""

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from kdns.eager import in_task
from kdns.errors import UpstreamError
from kdns.transport.address import Address, is_ip, join
from kdns.wire import query
from kdns.wire.question import Question

METHOD = "/coredns.dns.DnsService/Query"
MAX_PACKET = 65_535 + 4  # octets: a message, a tag and a length
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_PACKET),
    ("grpc.max_send_message_length", MAX_PACKET),
    ("grpc.enable_http_proxy", 0),
)


class Grpc:
    """The client side of one upstream, encrypted where there are `credentials`. To be made while the loop runs."""

    def __init__(self, address: Address, credentials: grpc.ChannelCredentials | None) -> None:
        self.to = address.host if address.scheme == "unix" else str(address)
        where = f"unix:{address.host}" if address.scheme == "unix" else target(address.host, address.port)
        options = list[tuple[str, int | str]](OPTIONS)
        if address.server_name:
            options.append(("grpc.ssl_target_name_override", address.server_name))
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(where, options)
        else:
            self._channel = grpc.aio.secure_channel(where, credentials, options)
        self._query = self._channel.unary_unary(METHOD, BytesValue.SerializeToString, BytesValue.FromString)

    async def exchange(self, question: Question, deadline: float) -> bytes | None:
        """The reply's octets before the monotonic time `deadline`; None if the upstream says that it has no such name.

        UpstreamError if there is no reply. What the octets are is not looked at.
        """
        await in_task()  # gRPC's calls belong to one
        packet = BytesValue(value=query.pack(question, question.id))
        try:
            reply = await self._query(packet, timeout=max(0.0, deadline - time.monotonic()))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise UpstreamError(f"rpc error: code = {error.code().name} desc = {error.details()}") from None
        message: bytes = reply.value
        return message

    async def close(self) -> None:
        """Let no more calls begin; those under way have until their deadline."""
        await self._channel.close(grace=None)


def target(host: str, port: int) -> str:
    """An address, or a host name, as gRPC has it."""
    if not is_ip(host):
        return f"dns:///{host}:{port}"
    return f"ipv{6 if ':' in host else 4}:{join(host, port)}"


def credentials(files: Sequence[Path]) -> grpc.ChannelCredentials:
    """What encrypted connections are made with: [CA | CERT KEY | CERT KEY CA]; without a CA the system's are trusted.

    OSError for files that cannot be read.
    """
    authorities = files[-1] if len(files) in (1, 3) else ssl.get_default_verify_paths().cafile
    shown = [file.read_bytes() for file in files[:2]] if len(files) > 1 else [None, None]
    return grpc.ssl_channel_credentials(Path(authorities).read_bytes() if authorities else None, shown[1], shown[0])
