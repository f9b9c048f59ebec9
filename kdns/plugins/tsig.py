"""tsig: check the signatures of queries, sign the replies to them, refuse queries that should have one (RFC 8945).

Syntax:
    tsig [ZONES...] {
        secret NAME SECRET                        # a key: its name, and its secret in Base64
        secrets FILE                              # keys in the form of BIND's `key "NAME" { ... };`
        require all|none|TYPE...                  # types of queries that must be signed; none
        require_opcode all|none|OPCODE...         # and opcodes: QUERY IQUERY STATUS NOTIFY UPDATE; none
    }

The algorithms are HMAC with SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512, whichever the client takes. A query that is
not signed and must be is REFUSED; one whose signature does not hold is NOTAUTH, and says why. Plugins behind this one
see no signature. What a query leads to inside the server (aliases) needs none.
"""

import json
import time
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdns.chain import Handler, Reply, Request, repeatable
from kdns.corefile import Args, Line
from kdns.errors import NoAnswer, WireError
from kdns.reach import Reach
from kdns.wire import codes, names, tsig
from kdns.wire.names import Name
from kdns.wire.question import Question

OPCODES = {"QUERY": 0, "IQUERY": 1, "STATUS": 2, "NOTIFY": 4, "UPDATE": 5}


@dataclass
class Settings:
    """What the directive says; None of types or opcodes: all; of a secret: it cannot be used."""

    zones: tuple[Name, ...]
    secrets: dict[Name, bytes | None] = field(default_factory=dict)
    types: frozenset[int] | None = frozenset()
    opcodes: frozenset[int] | None = frozenset()

    def requires(self, asked: Question) -> bool:
        """Whether a query has to be signed."""
        opcode = (asked.flags & codes.OPCODE_MASK) >> 11
        return self.types is None or asked.qtype in self.types or self.opcodes is None or opcode in self.opcodes


@repeatable
class Tsig:
    """The plugin of one server block. `wall` tells Unix seconds."""

    def __init__(self, settings: Settings, wall: Callable[[], float], log: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._wall = wall
        self._log = log

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below, signed as the query was."""
        asked = request.question
        if not asked.signed and (request.signed_by or not self._settings.requires(asked)):
            return await rest(request)
        if not any(names.is_below(asked.key, zone) for zone in self._settings.zones):
            return await rest(request)
        if not asked.signed:
            return Reply(codes.REFUSED, by="tsig")
        try:
            checked = tsig.check(asked.signed, self._settings.secrets, int(self._wall()))
        except WireError as fault:
            raise NoAnswer(fault.rcode) from None
        if checked.error:
            reply = Reply(codes.NOTAUTH, by="tsig")
        else:
            bare = request.about(asked._replace(signed=b""))
            reply = await self._answer(bare._replace(signed_by=checked.signature.key.lower()), rest)
        return reply._replace(signer=tsig.Signer(checked, self._wall), keep=None)

    def reach(self) -> list[Reach]:
        """Its zones."""
        return [Reach(self._settings.zones)]

    async def _answer(self, request: Request, rest: Handler) -> Reply:
        """The reply from below, an empty one where there was none: it must be signed too."""
        try:
            return await rest(request)
        except NoAnswer as unwritten:
            if unwritten.reason is not None:
                self._log("ERROR", f"request handler returned an error: {unwritten.reason}")
            return Reply(unwritten.rcode)


def setup(args: Args) -> Tsig:
    """The plugin of one server block. ConfigError in CoreDNS's words."""
    directive = args.once()
    settings = Settings(args.origins(directive.words))
    for line in directive.lines:
        _property(args, settings, line)
    return Tsig(settings, time.time, args.log)


def _property(args: Args, settings: Settings, line: Line) -> None:
    match line.name:
        case "secret":
            name, secret = line.expect(2)
            _add(args, settings, line, name, secret)
        case "secrets":
            (path,) = line.expect(1)
            for name, secret in _keys(line, _read(line, path)):
                _add(args, settings, line, name, secret)
        case "require":
            settings.types = _required(line, _type)
        case "require_opcode":
            settings.opcodes = _required(line, _opcode)
        case _:
            raise line.error(f"unknown property '{line.name}'")


def _add(args: Args, settings: Settings, line: Line, name: str, secret: str) -> None:
    key = _name(line, name)
    if key in settings.secrets:
        raise line.error(f'key "{names.show(key)}" redefined')
    settings.secrets[key] = _octets(secret)
    if not settings.secrets[key]:
        args.warn(f'the secret of key "{names.show(key)}" is no Base64: what it signs is not taken')


def _octets(secret: str) -> bytes | None:
    """A secret of one octet or more; None of what is none."""
    try:
        return b64decode(secret, validate=True) or None
    except Error:
        return None


def _required(line: Line, number: Callable[[Line, str], int]) -> frozenset[int] | None:
    if not line.args:
        raise line.wrong_count()
    if line.args[0] == "all":
        return None
    return frozenset() if line.args[0] == "none" else frozenset(number(line, word) for word in line.args)


def _type(line: Line, word: str) -> int:
    try:
        if word == word.upper():
            return codes.type_number(word)
    except KeyError:
        pass
    raise line.error(f"unknown query type '{word}'")


def _opcode(line: Line, word: str) -> int:
    if word not in OPCODES:
        raise line.error(f"unknown opcode '{word}'")
    return OPCODES[word]


def _name(line: Line, text: str) -> Name:
    try:
        return names.parse(text).lower()
    except WireError as fault:
        raise line.error(str(fault)) from None


def _read(line: Line, path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError as fault:
        raise line.error(f"open {path}: {str(fault.strerror).lower()}") from None


def _keys(line: Line, text: str) -> Iterator[tuple[str, str]]:
    """The names and secrets of a key file. What stands behind a name in its line is passed over, as in CoreDNS."""
    rows = iter(text.splitlines())
    for row in rows:
        words = row.split()
        if not words:
            continue
        if words[0] != "key":
            raise line.error(f"unexpected token {_quoted(words[0])}")
        name = words[1].strip('"{') if len(words) > 1 else ""
        if not name:
            raise line.error(f"expected key name {_quoted(row)}")
        secret = _secret(line, rows)
        if not secret:
            raise line.error(f'expected secret for key "{names.show(_name(line, name))}"')
        yield name, secret


def _secret(line: Line, rows: Iterator[str]) -> str:
    """The secret of a key, up to its closing brace or the file's end; empty if there is none."""
    found = ""
    for row in rows:
        words = row.split() or ["algorithm"]
        match words[0]:
            case "secret":
                found = words[1].strip('";') if len(words) > 1 else ""
                if not found:
                    raise line.error(f"expected secret key {_quoted(row)}")
            case "}" | "};":
                break
            case other if other != "algorithm":
                raise line.error(f"unexpected token {_quoted(other)}")
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
