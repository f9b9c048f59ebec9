"""A packet answered: the way from octets in to octets out, the same for every transport.

In this order (CoreDNS's): too short or a response, dropped; in the memo, or of names that are answered alike, sent;
refused by its header; unpacked; class and EDNS version looked at; the server block chosen; the block's chain asked; the
reply fitted to the client. Each step is a call to the module that knows how, so this one only ties them together.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from kdns.block import Block, Blocks, choose
from kdns.chain import Client, Reply, Request
from kdns.counting import DROPPED, Counting
from kdns.eager import Pending
from kdns.errors import Dropped, NoAnswer, WireError
from kdns.fitting import fitted, transferred
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.passage import Passage
from kdns.stencils import Stencils
from kdns.wire import codes, fit, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.question import Question, parse, refusal

Sent = bytes | Iterator[bytes] | None  # a message; on a stream perhaps several, a zone transfer; or no reply
Send = Callable[[Sent], object]
Asked = tuple[bytes, Client, Send]  # a packet, who sent it, and how it is answered

TRANSFERS = (codes.AXFR, codes.IXFR)
MAX_DEPTH = 8  # internal lookups within lookups: CoreDNS's loop counter


class Answers:
    """What one listener answers with: its label, its server blocks, the work under way.

    `any_class` is whether classes other than IN reach the chains (some block has chaos or forward), `updates` whether
    some block takes dynamic updates. `on_fault` is given
    the label and the fault of a query whose handling failed unexpectedly. `blocks` may be assigned anew at any time
    (reload): queries under way end in the chain that they began with. `keeps` is whether the memo may be used.
    """

    def __init__(
        self, label: str, blocks: Blocks, any_class: bool, metrics: Metrics, on_fault: Callable[[str, Exception], None]
    ):
        self.label = label
        self.blocks = blocks
        self.any_class = any_class
        self.keeps = True
        self.updates = False
        self.stencils = Stencils()
        self.metrics = metrics
        self._counting = Counting(metrics)
        self.pending = Pending()
        self._back: dict[Passage, list[tuple[Request, Reply, Send]]] = {}  # on the short way's way up
        self._on_fault = on_fault

    @property
    def blocks(self) -> Blocks:
        """The server blocks."""
        return self._blocks

    @blocks.setter
    def blocks(self, blocks: Blocks) -> None:
        self._blocks = blocks
        everything = blocks.get(names.ROOT, ())
        self._passage = everything[0].passage if len(everything) == 1 and everything[0].admits is None else None
        self._elsewhere = tuple(zone for zone in blocks if zone != names.ROOT)

    def respond(self, packet: bytes, client: Client, now: float, memo: Memo, send: Send) -> None:
        """Answer a packet: `send` is called once, now or later, with the reply or with None for no reply.

        Only a client of a stream is sent several messages, to be taken from their iterator one by one as it reads them.
        `now` is the monotonic time in seconds at which the packet was read.
        """
        known = self.known(packet, now, memo)
        if known is not None:
            send(known)
        else:
            self.consider(packet, client, now, memo, send)

    def consider(self, packet: bytes, client: Client, now: float, memo: Memo, send: Send) -> None:
        """The same for a packet of which `known` has just said that it is not."""
        self.consider_all([(packet, client, send)], now, memo)

    def consider_all(self, asked: Sequence[Asked], now: float, memo: Memo) -> None:
        """The same for several packets. Step by step, as in `_bring_back`."""
        questions = [_read(packet, send, updates=self.updates) for packet, _, send in asked]
        handed = [
            None if question is None else self._handed_on(question, client)
            for (_, client, _), question in zip(asked, questions, strict=True)
        ]
        for each, question, leaving in zip(asked, questions, handed, strict=True):
            if question is not None and not self._departs(leaving, question, each, now, memo):
                packet, client, send = each
                self.pending.begin(self._serve(question, packet, client, now, memo), send)

    def known(self, packet: bytes, now: float, memo: Memo) -> bytes | None:
        """The reply that needs no chain, or None. For any octets; arguments as in `respond`."""
        kept = memo.find(packet[2:], now)
        return self.stencils.draw(packet, now, memo) if kept is None else packet[:2] + kept

    def _handed_on(self, question: Question, client: Client) -> Question | None:
        """What is asked by the short way, if there is one; None of another block's question, and of a stream's."""
        if self._passage is None or client.takes_all or question.key.endswith(self._elsewhere):
            return None
        return self._passage.handed_on(question)

    def _departs(self, leaving: Question | None, question: Question, asked: Asked, now: float, memo: Memo) -> bool:
        """Whether a question goes the short way, as `leaving`; at its end the client is answered."""
        passage = self._passage
        if passage is None or leaving is None:
            return False
        packet, client, send = asked
        request = Request(question, client, self.label, names.ROOT, len(packet), self.ask, now)

        def told(reply: Reply | None) -> None:
            if reply is None:
                self.pending.leave()
                self.pending.begin(self._serve(question, packet, client, now, memo), send)
                return
            if not self._back:
                asyncio.get_running_loop().call_soon(self._bring_back)
            self._back.setdefault(passage, []).append((request, reply, send))

        self.pending.enter()
        begun = passage.depart(leaving, told)
        if not begun:
            self.pending.leave()
        return begun

    def _bring_back(self) -> None:
        """Answer with all replies that came in this turn of the event loop.

        Step by step, not reply by reply: code that runs again at once costs half of what it costs after all other.
        """
        back, self._back = self._back, {}
        for passage, told in back.items():
            asked = [request for request, _, _ in told]
            replies: list[Reply | bytes] = [reply for _, reply, _ in told]
            for returned in passage.returned:
                self._each(returned, asked, replies)
            self._each(_fitted, asked, replies)
            for (_, _, send), sent in zip(told, replies, strict=True):
                assert isinstance(sent, bytes)
                self.pending.leave()
                send(sent)

    def _each(
        self, step: Callable[[Request, Reply], Reply | bytes], asked: list[Request], replies: list[Reply | bytes]
    ) -> None:
        """One step of all replies, in their places. One that fails is SERVFAIL in octets from there on."""
        for at, request in enumerate(asked):
            reply = replies[at]
            if isinstance(reply, Reply):
                try:
                    replies[at] = step(request, reply)
                except Exception as fault:
                    replies[at] = self._failed(request.question, request.client, fault)

    async def _serve(self, question: Question, packet: bytes, client: Client, now: float, memo: Memo) -> Sent:
        """The reply's octets, or None for no reply. Raises nothing but cancellation."""
        changes = memo.changes
        try:
            reply = await self._reply(question, packet, client, now)
            if question.qtype in TRANSFERS and client.takes_all and _is_zone(reply):
                return transferred(question, reply)
            sent = fitted(question, reply, client)
        except Dropped:
            return None
        except Exception as fault:  # around one query: nothing that a client sends may stop the server
            return self._failed(question, client, fault)
        if reply.keep is not None and self.keeps and memo.changes == changes:
            memo.add(packet[2:], sent[2:], reply.keep)
            if reply.keep.alike is not None and self._is_alone(reply.keep.alike.zone):
                self.stencils.cut(packet, sent, question, reply, memo)
        return sent

    def _failed(self, question: Question, client: Client, fault: Exception) -> bytes:
        self.metrics.family("panics_total").add(())
        self._on_fault(self.label, fault)
        return fitted(question, Reply(codes.SERVFAIL), client)

    async def _reply(self, question: Question, packet: bytes, client: Client, now: float) -> Reply:
        request = Request(question, client, self.label, names.ROOT, len(packet), self.ask, now)
        if question.qclass != codes.IN and not self.any_class:
            return self._refused(request)
        if question.edns is not None and question.edns.version:
            return Reply(codes.BADVERS, edns=Edns(0))
        block = choose(self.blocks, request)
        if block is None or block.handler is None:
            return self._refused(request)
        if question.is_update and question.key not in block.updates:  # a plugin would take it for a query of the SOA
            return Reply(codes.NOTAUTH if block.updates else codes.NOTIMP)
        return await _ask(block, request)

    async def ask(self, request: Request, name: Name, qtype: int) -> Reply:
        """An internal lookup through this listener's own blocks: see chain.Ask."""
        if request.depth >= MAX_DEPTH:
            return Reply(codes.SERVFAIL)
        asked = request.asking(name, qtype)._replace(depth=request.depth + 1)
        block = choose(self.blocks, asked)
        if block is None or block.handler is None:
            return Reply(codes.REFUSED)
        try:
            return await _ask(block, asked)
        except Dropped:
            return Reply(codes.SERVFAIL)

    def _is_alone(self, zone: Name) -> bool:
        """Whether all names of a zone come to the block that its apex comes to."""
        return not any(names.is_below(other, zone) and other != zone for other in self.blocks)

    def _refused(self, request: Request) -> Reply:
        size = fit.uncompressed_size(request.question, ((), (), ()))
        self._counting.count(self._counting.kind(request, codes.REFUSED, "", DROPPED), request.size, size, 0.0)
        return Reply(codes.REFUSED)


def _read(packet: bytes, send: Send, *, updates: bool) -> Question | None:
    """The question of a packet; None if it has none that is answered, and then that is said."""
    if len(packet) < 12 or packet[2] & 0x80:
        send(None)
        return None
    refused = refusal(packet, updates=updates)
    if refused is None and len(packet) == 12:
        refused = codes.SERVFAIL  # CoreDNS's library unpacks a bare header to a message without a question
    if refused is not None:
        send(fit.header_only(packet, refused, keep_opcode=refused != codes.FORMERR))
        return None
    try:
        return parse(packet)
    except WireError as fault:
        send(_unreadable(packet, fault))
        return None


def _fitted(request: Request, reply: Reply) -> bytes:
    return fitted(request.question, reply, request.client)


async def _ask(block: Block, request: Request) -> Reply:
    assert block.handler is not None
    try:
        return await block.handler(request.within(block.zone, block.view))
    except NoAnswer as unwritten:
        return Reply(unwritten.rcode)


def _is_zone(reply: Reply) -> bool:
    """Whether a reply to a transfer is one, and not an error or a denial."""
    return bool(reply.answer) and not reply.authority and not reply.additional


def _unreadable(packet: bytes, fault: WireError) -> bytes:
    """FORMERR; with the question where that much could be read."""
    try:
        end = names.end_of(packet, 12)
    except WireError:
        end = len(packet)
    header = fit.header_only(packet, fault.rcode, keep_opcode=False)
    if end + 4 > len(packet):
        return header
    return header[:4] + b"\0\1" + header[6:] + packet[12 : end + 4]
