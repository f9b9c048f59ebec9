"""A Reply as the octets that its client gets: see wire.fit for the rules."""

from collections.abc import Iterator

from kdns.chain import Client, Reply
from kdns.wire import codes, fit
from kdns.wire.question import Question


def fitted(question: Question, reply: Reply, client: Client) -> bytes:
    """A reply as the octets for this client: see wire.fit."""
    sections = reply.answer, reply.authority, reply.additional
    limit, compress_above = fit.limits(question, "tcp" if client.takes_all else "udp", client.is_ipv6, reply.bound)
    word, opt = _word(question, reply), _opt(question, reply)
    if reply.signer is None:
        return fit.fit(question, word, sections, opt, limit, compress_above)
    return reply.signer.sign(fit.fit(question, word, sections, opt, limit - reply.signer.room, compress_above))


def transferred(question: Question, reply: Reply) -> Iterator[bytes]:
    """A zone as the reply to AXFR or IXFR on a stream, in as many messages as it takes."""
    messages = fit.split(question, _word(question, reply), reply.answer, _opt(question, reply))
    return messages if reply.signer is None else reply.signer.each(messages)


def _word(question: Question, reply: Reply) -> int:
    return fit.flags(question, reply.flags, reply.rcode) & ~reply.cleared


def _opt(question: Question, reply: Reply) -> bytes:
    if question.edns is None and reply.edns is None:
        return b""
    if reply.rcode == codes.BADVERS:
        return fit.opt(None, reply.edns, reply.rcode, 0)
    size = question.edns.size if question.edns else 0
    size = min(size, reply.bound) if reply.bound else size
    return fit.opt(question.edns, reply.edns, reply.rcode, size)
