"""Replies with a hole where the name goes: how names never asked before are answered without the chain.

A reply whose chain said that other names are answered alike (`Keep.alike`) is cut once into what all of these have in
common. A further query of the same shape - the same octets but for ID and name, and a name as long - then needs one
look at the index: its reply is the common part around its own name and its own answer section.

Only what is exactly so is cut: the reply to the question that was asked must come out of the stencil octet by octet.
What is compressed, truncated, of several orders (loadbalance) or with data in the additional section is not, nor is a
query with EDNS options or capitals. A name that is asked for again goes to the memo, which is faster still.
"""

from collections.abc import Callable
from typing import NamedTuple

from kdns.chain import Alike, Keep, Member, Reply
from kdns.memo import Memo
from kdns.wire.question import Question

MAX_STENCILS = 4096  # a listener: kinds of replies times lengths of names
MAX_SEEN = 1 << 16  # names that are remembered to have been asked for once
TAILS = (4, 15)  # octets behind a name: type and class, or these and an OPT without options

# The query's octets around its name, without the ID; where the name ends; which socket it came to, by its memo: what
# fits, and as what it is counted, is of the transport.
Shape = tuple[bytes, int, Memo]


class Stencil:
    """What replies of one shape and kind have in common: header without ID, and all behind the answer section."""

    __slots__ = ("head", "hits", "keep", "rest", "tallies")

    def __init__(self, head: bytes, rest: bytes, keep: Keep, tallies: tuple[Callable[[int], None], ...]) -> None:
        self.head = head
        self.rest = rest
        self.keep = keep
        self.tallies = tallies
        self.hits = 0

    def settle(self) -> None:
        """Report the replies since the last time to those that count."""
        if self.hits:
            for tally in self.tallies:
                tally(self.hits)
            self.hits = 0


class Cut(NamedTuple):
    """The stencils of one shape, by kind and length of the answer section."""

    alike: Alike
    asked: Question  # for its type and class
    kinds: dict[tuple[object, int], Stencil]


class Stencils:
    """The stencils of one listener."""

    def __init__(self) -> None:
        self._cuts: dict[Shape, Cut] = {}
        self._count = 0
        self._seen: set[int] = set()

    def draw(self, packet: bytes, now: float, memo: Memo) -> bytes | None:
        """The reply to a packet, or None: ask the chain. `now` in monotonic seconds.

        A name that is asked for the second time is kept in the memo.
        """
        end = packet.find(0, 12) + 1  # a label may have such an octet as well; then the name is not in the zone
        cut = self._cuts.get((packet[2:12] + packet[end:], end, memo))
        if cut is None:
            return None
        alike, asked, kinds = cut
        name = packet[12:end]
        if not name.islower():
            return None
        member = alike.find(Question(0, 0, name, name, asked.qtype, asked.qclass))
        if member is None:
            return None
        answer = b"".join(member.answer)
        stencil = kinds.get((member.kind, len(answer)))
        if stencil is None or now >= stencil.keep.until:
            return None
        stencil.hits += 1
        reply = b"".join((packet[:2], stencil.head, packet[12 : end + 4], answer, stencil.rest))
        self._remember(packet, reply, member, stencil, memo)
        return reply

    def cut(self, packet: bytes, sent: bytes, asked: Question, reply: Reply, memo: Memo) -> None:
        """Cut a reply, which was sent so, if it is one that can be cut; for queries that come with the same memo."""
        end, keep = 12 + len(asked.qname), reply.keep
        if keep is None or keep.alike is None or keep.variants > 1:
            return
        if len(packet) - end not in TAILS or asked.qname != asked.key:
            return
        member = keep.alike.find(Question(0, 0, asked.key, asked.key, asked.qtype, asked.qclass))
        if member is None:
            return
        answer = b"".join(member.answer)
        common = b"".join((*reply.authority, *reply.additional))
        if not sent[12:].startswith(packet[12 : end + 4] + answer + common):
            return
        cuts = self._cuts_of((packet[2:12] + packet[end:], end, memo), keep.alike, asked)
        kind = member.kind, len(answer)
        before = cuts.get(kind)
        if before is not None:
            before.settle()
        self._count += before is None
        again = Keep((), keep.until, keep.tallies)
        cuts[kind] = Stencil(sent[2:12], sent[end + 4 + len(answer) :], again, keep.alike.tallies)

    def settle(self) -> None:
        """Tally all replies so far: called before the metrics are read."""
        for cut in self._cuts.values():
            for stencil in cut.kinds.values():
                stencil.settle()

    def clear(self) -> None:
        """Drop everything (the configuration changed)."""
        self.settle()
        self._cuts.clear()
        self._seen.clear()
        self._count = 0

    def _cuts_of(self, shape: Shape, alike: Alike, asked: Question) -> dict[tuple[object, int], Stencil]:
        if self._count >= MAX_STENCILS:
            self.clear()
        found = self._cuts.get(shape)
        if found is None or found.alike.zone != alike.zone:
            self.settle()
            found = self._cuts[shape] = Cut(alike, asked, {})
            self._count = sum(len(cut.kinds) for cut in self._cuts.values())
        return found.kinds

    def _remember(self, packet: bytes, reply: bytes, member: Member, stencil: Stencil, memo: Memo) -> None:
        mark = hash(packet[2:])
        if mark in self._seen:
            memo.add(packet[2:], reply[2:], Keep(member.names, *stencil.keep[1:]))
        else:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen.add(mark)
