"""What the module `drain` does, where no compiler was at hand: recvmmsg(2) and sendmmsg(2), called by ctypes.

A batch takes two system calls instead of two a datagram, and no object is made of an address that nobody looks at. The
kernel's structures lie in one array each, made once: a reply is written over the query that it answers, behind the ID,
and leaves by the very header that the query came with. What the kernel wrote into those is put right before the next
batch. All writing from Python goes through memory views, which know their bounds.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Callable

from kdns.memo import Entry
from kdns.transport.sockets import IP_PKTINFO, IPV6_PKTINFO

BATCH = 64
MORE = 4  # the rules of going on are those of drain.c, and explained there
MANY = 24
MOST = 128
REST = 10_000  # nanoseconds
SLACK = 1_000  # nanoseconds
LONGEST = 4096  # octets taken of a query
STRIDE = LONGEST + 192  # octets from packet to packet
ROOM = LONGEST - 2  # octets that a reply may have behind its ID to be written over its query
HEADER = 12  # octets: what is shorter is no message
NAME = 28  # octets of a sockaddr_in6; a sockaddr_in is shorter
CONTROL = socket.CMSG_SPACE(20)  # one in6_pktinfo; an in_pktinfo is shorter

Known = Callable[[bytes], bytes | None]
Row = tuple[bytes, str, int, str, bytes]

_PR_SET_TIMERSLACK = 29  # <linux/prctl.h>
_WAY = struct.Struct(f"={NAME}s{CONTROL}sII")  # address, control message, and how long they are


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Mmsghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_uint32),
        ("size", ctypes.c_uint32),  # what recvmmsg took
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_WORDS, _LONGS = ctypes.sizeof(_Mmsghdr) // 4, ctypes.sizeof(_Mmsghdr) // 8  # of a header, in views of such
_NAME_SIZE, _SIZE = _Mmsghdr.name_size.offset // 4, _Mmsghdr.size.offset // 4
_CONTROL_SIZE = _Mmsghdr.control_size.offset // 8
_KIND, _INFO = 3, 4  # 32-bit words before the kind and before the data of a control message
_INTERFACE_OF_IPV6 = 8  # and before the interface in an in6_pktinfo
_PLACES = tuple(
    (i * STRIDE, i * STRIDE + 2, i * _WORDS + _SIZE, 2 * i + 1, i * CONTROL // 4 + _KIND) for i in range(BATCH)
)
"""Where things of the places are: packet, what is behind its ID, its size, the length of its piece, the kind of its
control message."""


def works() -> bool:
    """Whether this system has both calls, and structures as they are laid out here."""
    is_known = sys.platform == "linux" and ctypes.sizeof(ctypes.c_void_p) == 8
    return is_known and all(hasattr(ctypes.PyDLL(None), call) for call in ("recvmmsg", "sendmmsg"))


class Drain:
    """The batches of one non-blocking UDP socket, which stays its owner's: as `drain.Drain`."""

    def __init__(self, fd: int) -> None:
        number, pointer, count = ctypes.c_int, ctypes.c_void_p, ctypes.c_uint
        system = ctypes.PyDLL(None)  # these calls do not wait: nobody else needs the interpreter meanwhile
        self._fd = fd
        self._recvmmsg = ctypes.PYFUNCTYPE(number, number, pointer, count, number, pointer)(("recvmmsg", system))
        self._sendmmsg = ctypes.PYFUNCTYPE(number, number, pointer, count, number)(("sendmmsg", system))
        self._nanosleep = ctypes.PYFUNCTYPE(number, pointer, pointer)(("nanosleep", system))
        system.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(SLACK))
        self._rest = _Timespec(0, REST)
        packets = (ctypes.c_ubyte * (BATCH * STRIDE))()
        names = (ctypes.c_ubyte * (BATCH * NAME))()
        controls = (ctypes.c_ubyte * (BATCH * CONTROL))()
        pieces = (_Iovec * BATCH)(
            *(_Iovec(ctypes.addressof(packets) + at, LONGEST) for at in range(0, BATCH * STRIDE, STRIDE))
        )
        headers = (_Mmsghdr * BATCH)()
        for i in range(BATCH):
            name, control = ctypes.addressof(names) + i * NAME, ctypes.addressof(controls) + i * CONTROL
            piece = ctypes.addressof(pieces) + i * ctypes.sizeof(_Iovec)
            headers[i] = _Mmsghdr(name, NAME, piece, 1, control, CONTROL)
        self._arrays = (packets, names, controls, pieces, headers)  # what the pointers point into
        self._at = ctypes.addressof(headers)
        self._packets, self._names, self._controls, self._pieces, self._headers = (
            memoryview(array).cast("B") for array in self._arrays
        )
        self._infos = self._controls.cast("I")
        self._lengths = self._pieces.cast("Q")
        self._sizes, self._longs = self._headers.cast("I"), self._headers.cast("Q")
        self._ready = bytes(headers), bytes(pieces)
        self._held: list[bytes] = []  # what pieces point into, until it is sent

    def batch(self, hot: dict[bytes, Entry], now: float, known: Known, /) -> list[Row]:
        """Take up to 64 queries that wait and answer those in `hot`, or to which `known` gives octets; while all are in
        `hot` and others come meanwhile, some more. The others come with what `send` needs.
        """
        rest: list[Row] = []
        taken = 0
        while True:
            kept = self._answer(hot, now, known, rest)
            taken += kept
            if kept < MORE or taken >= MOST:
                return rest
            if kept < MANY:
                self._nanosleep(ctypes.addressof(self._rest), None)

    def send(self, replies: list[tuple[bytes, bytes]], /) -> None:
        """Send replies, each behind what `batch` gave for it. TypeError, ValueError for what it did not give."""
        for first in range(0, len(replies), BATCH):
            some = replies[first : first + BATCH]
            self._make_ready()
            for i, (way, reply) in enumerate(some):
                self._address(i, way)
                self._point(i, reply)
            self._send(0, len(some))

    def _answer(self, hot: dict[bytes, Entry], now: float, known: Known, rest: list[Row]) -> int:
        """Answer a batch: how many queries it had if all answers were kept ones, or 0."""
        self._make_ready()
        count = self._recvmmsg(self._fd, self._at, BATCH, socket.MSG_DONTWAIT, None)
        packets, sizes, lengths, infos = self._packets, self._sizes, self._lengths, self._infos
        kept = first = 0  # the first that is not sent
        for i, (start, body, size_at, length_at, kind_at) in enumerate(_PLACES[: max(count, 0)]):
            if infos[kind_at] == IP_PKTINFO:
                infos[kind_at + 1] = 0
            elif infos[kind_at] == IPV6_PKTINFO:
                self._forget_interface(i)
            entry = hot.get(packets[body : start + sizes[size_at]].tobytes())
            if entry is not None and now < entry.until:
                entry.hits = hits = entry.hits + 1
                tail = entry.tails[hits % len(entry.tails)]
                if len(tail) <= ROOM:
                    packets[body : body + len(tail)] = tail
                    lengths[length_at] = len(tail) + 2
                else:
                    self._point(i, packets[start:body].tobytes() + tail)
                kept += 1
                continue
            reply = self._ask(i, first, packets[start : start + sizes[size_at]].tobytes(), known, rest)
            if reply is not None:
                self._point(i, reply)
            else:
                self._send(first, i)
                first = i + 1
        self._send(first, count)
        return kept if kept == count else 0

    def _forget_interface(self, i: int) -> None:
        """Have a reply over IPv6 leave by any interface; link-local addresses need theirs."""
        at = i * CONTROL + 4 * _INFO
        if not (self._controls[at] == 0xFE and self._controls[at + 1] & 0xC0 == 0x80):
            self._infos[i * CONTROL // 4 + _INTERFACE_OF_IPV6] = 0

    def _ask(self, i: int, first: int, packet: bytes, known: Known, rest: list[Row]) -> bytes | None:
        """What is known of a query that is not kept; if nothing is, it is appended to `rest`. Should `known` fail, the
        replies from `first` on are sent before.
        """
        if len(packet) < HEADER:
            return None
        has_failed = True
        try:
            reply = known(packet)
            has_failed = False
        finally:
            if has_failed:
                self._send(first, i)
        if reply is None:
            rest.append(self._row(i, packet))
        return reply

    def _row(self, i: int, packet: bytes) -> Row:
        name = self._names[i * NAME : (i + 1) * NAME].tobytes()
        control = self._controls[i * CONTROL : (i + 1) * CONTROL].tobytes()
        name_size = self._sizes[i * _WORDS + _NAME_SIZE]
        control_size = self._longs[i * _LONGS + _CONTROL_SIZE]
        family, port = int.from_bytes(name[:2], sys.byteorder), int.from_bytes(name[2:4])
        is_ipv6 = family == socket.AF_INET6
        host = socket.inet_ntop(family, name[8:24] if is_ipv6 else name[4:8])
        way = _WAY.pack(name, control, name_size, control_size)
        return packet, host, port, _destination(control) if control_size else "", way

    def _address(self, i: int, way: bytes) -> None:
        """Have place `i` send where a way says."""
        if len(way) != _WAY.size:
            raise TypeError("not a way that batch gave")
        name, control, name_size, control_size = _WAY.unpack(way)
        if name_size > NAME or control_size > CONTROL:
            raise ValueError("not a way that batch gave")
        self._names[i * NAME : (i + 1) * NAME] = name
        self._controls[i * CONTROL : (i + 1) * CONTROL] = control
        self._sizes[i * _WORDS + _NAME_SIZE] = name_size
        self._longs[i * _LONGS + _CONTROL_SIZE] = control_size

    def _point(self, i: int, octets: bytes) -> None:
        """Have place `i` send these."""
        self._held.append(octets)
        self._lengths[2 * i] = ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p).value or 0
        self._lengths[2 * i + 1] = len(octets)

    def _send(self, first: int, end: int) -> None:
        """Send these places. UDP promises nothing: a reply that cannot be sent is skipped."""
        while first < end:
            at = self._at + first * ctypes.sizeof(_Mmsghdr)
            first += max(self._sendmmsg(self._fd, at, end - first, socket.MSG_DONTWAIT), 1)

    def _make_ready(self) -> None:
        """Have all places take queries again."""
        self._headers[:], self._pieces[:] = self._ready
        self._held.clear()


def _destination(control: bytes) -> str:
    """The address in a control message that says where a query came to."""
    (kind,) = struct.unpack_from("=I", control, 4 * _KIND)
    if kind == IP_PKTINFO:
        return socket.inet_ntop(socket.AF_INET, control[4 * _INFO + 8 : 4 * _INFO + 12])
    return socket.inet_ntop(socket.AF_INET6, control[4 * _INFO : 4 * _INFO + 16])
