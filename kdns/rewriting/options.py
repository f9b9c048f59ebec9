"""Rules that set, append, replace or unset an EDNS option of the query: a local one, NSID, or the client's subnet.

A query without OPT gets one. What `revert` changed comes back in the reply as the client sent it.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from kdns.chain import Reply, Request
from kdns.rewriting.rules import Change, Rule, Undo, at_once
from kdns.wire import edns, fit, names
from kdns.wire.edns import Edns

SET, APPEND, REPLACE, UNSET = "set", "append", "replace", "unset"
UDP_SIZE = 4096  # octets, in an OPT that the query did not have

Value = Callable[[Request], bytes | None]  # None: there is nothing to set
Options = list[tuple[int, bytes]]

_VARIABLES: dict[str, Value] = {
    "qname": lambda request: names.show(request.question.qname).encode(),
    "qtype": lambda request: request.question.qtype.to_bytes(2, "big"),
    "client_ip": lambda request: ip_address(request.client.address).packed,
    "client_port": lambda request: request.client.port.to_bytes(2, "big"),
    "protocol": lambda request: request.client.proto.encode(),
    "server_ip": lambda request: _same_family(request.client.local_address, request.client.is_ipv6),
    "server_port": lambda request: request.client.local_port.to_bytes(2, "big"),
}
_OF_PACKET = ("qname", "qtype")


def edns0_rule(words: Sequence[str]) -> Rule:
    """`local|nsid|subnet set|append|replace|unset ... [revert]`. ValueError for anything else."""
    if len(words) < 2:
        raise ValueError("too few arguments for an EDNS0 rule")
    kind, action = words[0].lower(), words[1].lower()
    if action == UNSET:
        return _unset(kind, words)
    if action not in (SET, APPEND, REPLACE):
        raise ValueError(f'invalid action: "{action}"')
    revert = words[-1] == "revert"
    arguments = words[2 : len(words) - revert]
    if kind == "local":
        return _local(action, arguments, revert)
    if kind == "nsid":
        if arguments:
            raise ValueError("EDNS0 NSID rules can accept no more than one arg")
        return Rule(_changing(action, edns.NSID, lambda request: b"", revert=revert))
    if kind == "subnet":
        return _subnet(action, arguments, revert)
    raise ValueError(f'invalid rule type "{kind}"')


def echoed(opt: Edns, local: frozenset[int]) -> Edns:
    """The OPT of a reply whose writer gave none: the query's, with the options that servers send back."""
    kept = [(code, data) for code, data in edns.each_option(opt.options) if code in fit.ECHOED | local]
    return Edns(opt.size, edns.pack_options(kept), opt.flags & edns.DO)


def _unset(kind: str, words: Sequence[str]) -> Rule:
    count = {"local": (3, "two arguments"), "nsid": (2, "one argument"), "subnet": (2, "one argument")}.get(kind)
    if count is None:
        raise ValueError(f'invalid rule type "{kind}"')
    if len(words) != count[0]:
        raise ValueError(f"{kind} unset action requires exactly {count[1]}")
    code = {"nsid": edns.NSID, "subnet": edns.ECS}.get(kind) or _number(words[2], 16)

    def apply(request: Request) -> Change:
        opt = request.question.edns or Edns(UDP_SIZE)
        left = [(found, data) for found, data in edns.each_option(opt.options) if found != code]
        return Change(_with_options(request, opt, left))

    return Rule(apply, local=code if kind == "local" else None)


def _local(action: str, arguments: Sequence[str], revert: bool) -> Rule:
    if len(arguments) != 2:
        raise ValueError("EDNS0 local rules require three or four args")
    code, text = _number(arguments[0], 16), arguments[1]
    if text.startswith("{") and text.endswith("}"):
        value = _variable(text)
        return Rule(_changing(action, code, value, revert=revert, single=True), text[1:-1] in _OF_PACKET, code)
    octets = _hex(text[2:]) if text.startswith("0x") else text.encode()
    return Rule(_changing(action, code, lambda request: octets, revert=revert), local=code)


def _subnet(action: str, arguments: Sequence[str], revert: bool) -> Rule:
    if len(arguments) != 2:
        raise ValueError("EDNS0 subnet rules require three or four args")
    bits = _number(arguments[0], 16), _number(arguments[1], 16)
    for count, limit, family in zip(bits, (32, 128), ("IPv4", "IPv6"), strict=True):
        if count > limit:
            raise ValueError(f"invalid {family} bit mask length {count}")

    def value(request: Request) -> bytes:
        """The option's data (RFC 7871 section 6): family, prefix length, scope 0, as many octets as the prefix has."""
        is_ipv6 = request.client.is_ipv6
        network = ip_network((request.client.address, bits[is_ipv6]), strict=False)
        head = bytes((0, 2 if is_ipv6 else 1, network.prefixlen, 0))
        return head + network.network_address.packed[: (network.prefixlen + 7) // 8]

    return Rule(_changing(action, edns.ECS, value, revert=revert, single=True), of_packet=False)


def _changing(
    action: str, code: int, value: Value, *, revert: bool, single: bool = False
) -> Callable[[Request], Change | None]:
    """The work of a rule that is not UNSET. `single`: nothing is appended where there is such an option."""

    def apply(request: Request) -> Change | None:
        data = value(request)
        if data is None:
            return None
        opt = request.question.edns or Edns(UDP_SIZE)
        options = list(edns.each_option(opt.options))
        place = next((at for at, (found, _) in enumerate(options) if found == code), None)
        undo = _without(code)
        if place is not None and action != APPEND:
            undo = _with_again(code, options[place][1])
            options[place] = code, data
        elif action == REPLACE or (place is not None and single):
            return Change(_with_options(request, opt, options), matched=False)
        else:
            options.append((code, data))
        return Change(_with_options(request, opt, options), (undo,) if revert else ())

    return apply


def _with_options(request: Request, opt: Edns, options: Options) -> Request:
    changed = opt._replace(options=edns.pack_options(options))
    return request._replace(question=request.question._replace(edns=changed))


def _without(code: int) -> Undo:
    return at_once(lambda reply: _with_first(reply, code, []))


def _with_again(code: int, data: bytes) -> Undo:
    return at_once(lambda reply: _with_first(reply, code, [(code, data)]))


def _with_first(reply: Reply, code: int, instead: Options) -> Reply:
    """The reply with something else in the place of the first option of a code."""
    if reply.edns is None:
        return reply
    options = list(edns.each_option(reply.edns.options))
    at = next((at for at, (found, _) in enumerate(options) if found == code), len(options))
    left = [*options[:at], *instead, *options[at + 1 :]] if at < len(options) else options
    return reply._replace(edns=reply.edns._replace(options=edns.pack_options(left)))


def _variable(text: str) -> Value:
    name = text[1:-1]
    if name in _VARIABLES:
        return _VARIABLES[name]
    namespace, _, label = name.partition("/")
    if not namespace or not label:
        raise ValueError(f'unsupported variable name "{text}"')
    return lambda request: (request.labels or {}).get(name, "").encode() or None


def _same_family(address: str, is_ipv6: bool) -> bytes | None:
    packed = ip_address(address).packed
    return packed if len(packed) == (16 if is_ipv6 else 4) else None


def _number(text: str, bits: int) -> int:
    """A number as Go's base 0 reads it: decimal, 0x, 0b, 0o, or octal after a plain 0."""
    try:
        number = int(text, 8 if re.fullmatch("0[0-7]+", text) else 0) if text[:1].isdigit() else -1
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if number >= 1 << bits:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return number


def _hex(text: str) -> bytes:
    wrong = re.search("[^0-9a-fA-F]", text)
    if wrong:
        raise ValueError(f"encoding/hex: invalid byte: U+{ord(wrong[0]):04X} {wrong[0]!r}")
    if len(text) % 2:
        raise ValueError("encoding/hex: odd length hex string")
    return bytes.fromhex(text)
