"""What expressions may ask of a query: the functions of views and templates."""

from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address, ip_network

from kdns.chain import Request
from kdns.errors import EvaluationError
from kdns.expression.functions import Function
from kdns.expression.values import Kind, Value
from kdns.wire import codes, fit, names

_ANSWERS: Mapping[str, tuple[Kind, Callable[[Request], Value]]] = {
    "type": (Kind.STRING, lambda request: codes.type_name(request.question.qtype)),
    "name": (Kind.STRING, lambda request: names.show(request.question.key)),
    "class": (Kind.STRING, lambda request: codes.class_name(request.question.qclass)),
    "proto": (Kind.STRING, lambda request: request.client.proto),
    "size": (Kind.INT, lambda request: request.size),
    "client_ip": (Kind.STRING, lambda request: request.client.address),
    "port": (Kind.STRING, lambda request: str(request.client.port)),
    "id": (Kind.INT, lambda request: request.question.id),
    "opcode": (Kind.INT, lambda request: (request.question.flags & codes.OPCODE_MASK) >> 11),
    "do": (Kind.BOOL, lambda request: request.question.do),
    "bufsize": (Kind.INT, lambda request: fit.limits(request.question, request.client.proto, False)[0]),
    "server_ip": (Kind.STRING, lambda request: request.client.local_address),
    "server_port": (Kind.STRING, lambda request: str(request.client.local_port)),
}


def in_cidr(address: str, cidr: str) -> bool:
    """Whether an address is in a network. EvaluationError if one of them is none."""
    try:
        wanted = ip_address(address)
    except ValueError:
        raise EvaluationError("first argument is not an IP address") from None
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        raise EvaluationError(f"invalid CIDR address: {cidr}") from None
    return wanted in network


SCOPE: Mapping[str, Function] = {
    "incidr": Function(2, 2, (Kind.STRING,), Kind.BOOL),
    "metadata": Function(1, 1, (Kind.STRING,), Kind.STRING),
} | {name: Function(0, 0, (Kind.ANY,), kind) for name, (kind, _) in _ANSWERS.items()}


def frame(request: Request) -> dict[str, Value]:
    """The functions of SCOPE as they answer for one query."""

    def metadata(label: str) -> str:
        return (request.labels or {}).get(label, "")

    answers = {name: partial(ask, request) for name, (_, ask) in _ANSWERS.items()}
    return {"incidr": in_cidr, "metadata": metadata, **answers}
