"""What a plugin's set-up gets: its directive's words and lines, and errors that know their file and line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from kdns.corefile.keys import Key, named
from kdns.corefile.lexer import Token, same_line
from kdns.errors import ConfigError
from kdns.metrics import Metrics
from kdns.wire import names
from kdns.wire.names import Name

T = TypeVar("T")


class Line(NamedTuple):
    """The words of one line of a block; the first is the property's name."""

    words: tuple[str, ...]
    file: str
    line: int

    @property
    def name(self) -> str:
        """The property."""
        return self.words[0]

    @property
    def args(self) -> tuple[str, ...]:
        """The words behind the property."""
        return self.words[1:]

    def error(self, message: str) -> ConfigError:
        """The error to raise, with file and line."""
        return ConfigError(f"{self.file}:{self.line} - Error during parsing: {message}")

    def wrong_count(self) -> ConfigError:
        """The error for too many or too few words."""
        return self.error(f"Wrong argument count or unexpected line ending after '{self.words[-1]}'")

    def expect(self, low: int, high: int | None = None) -> tuple[str, ...]:
        """The words behind the property if there are `low` to `high` (by default exactly `low`) of them."""
        if not low <= len(self.args) <= (low if high is None else high):
            raise self.wrong_count()
        return self.args

    def read(self, word: str, reader: Callable[[str], T], failure: str = "") -> T:
        """What `reader` makes of a word; for a ValueError of its, the error with its text behind `failure`."""
        try:
            return reader(word)
        except ValueError as fault:
            raise self.error(f"{failure}{fault}") from None


class Directive(NamedTuple):
    """One occurrence of a directive: its line, and the lines of its block."""

    head: Line
    lines: tuple[Line, ...] = ()
    has_block: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words behind the directive's name."""
        return self.head.args

    def properties(self, sizes: Mapping[str, int]) -> Iterator[Line]:
        """The lines of the block, and again what stands behind a property that has so many words as `sizes` says.

        CoreDNS reads those words and no further, so that `prefix 64:ff9b::/96 allow_ipv4` are two properties.
        """
        for line in self.lines:
            words = line.words
            while words:
                end = 1 + sizes.get(words[0], len(words))
                yield line._replace(words=words[:end])
                words = words[end:]

    def error(self, message: str) -> ConfigError:
        """The error to raise, with file and line of the directive."""
        return self.head.error(message)

    def wrong_count(self) -> ConfigError:
        """The error for too many or too few words behind the directive."""
        return self.head.wrong_count()

    def expect(self, low: int, high: int | None = None) -> tuple[str, ...]:
        """The words if there are `low` to `high` (by default exactly `low`) of them."""
        return self.head.expect(low, high)

    def read(self, word: str, reader: Callable[[str], T], failure: str = "") -> T:
        """What `reader` makes of a word, as of a line's."""
        return self.head.read(word, reader, failure)

    def alone(self, low: int, high: int | None = None) -> tuple[str, ...]:
        """The words, as `expect` counts them, of a directive that has no properties: a block is refused."""
        if self.has_block:
            raise self.error("Unexpected token '{', expecting argument")
        return self.expect(low, high)


class Fall(NamedTuple):
    """`fallthrough [ZONES...]`: for which names a plugin hands on what it does not know. None: never."""

    zones: tuple[Name, ...] | None = None

    def through(self, key: Name) -> bool:
        """Whether a question for this (lower-cased) name goes on to the next plugin."""
        zones = self.zones or ()
        return key.endswith(zones) and any(names.is_below(key, zone) for zone in zones)


class Args(NamedTuple):
    """A directive as its plugin sees it, with what the plugin may need to know of the block around it.

    `keys` are the block's keys a word (each with all zones that a CIDR stands for); `directory` is what relative paths
    are relative to; `addresses` are those that the block is bound to, none for all; `log` takes a level (INFO, WARNING,
    ERROR, DEBUG) and a text and may be kept for later.
    """

    name: str
    directives: tuple[Directive, ...]
    keys: tuple[tuple[Key, ...], ...]
    metrics: Metrics
    environ: Mapping[str, str]
    directory: Path
    log: Callable[[str, str], None]
    addresses: tuple[str, ...] = ()

    @property
    def zones(self) -> tuple[Name, ...]:
        """Every zone of the server block."""
        return tuple(key.zone for each in self.keys for key in each)

    def once(self) -> Directive:
        """The one occurrence of the directive; ConfigError for a second one."""
        if len(self.directives) > 1:
            raise self.directives[1].error("this plugin can only be used once per Server Block")
        return self.directives[0]

    def origins(self, words: Sequence[str]) -> tuple[Name, ...]:
        """The zones that `words` name, or without words the server block's own (of a CIDR key the first)."""
        if words:
            return self._named(words)
        return tuple(each[0].zone for each in self.keys)

    def fallthrough(self, line: Line) -> Fall:
        """The meaning of a `fallthrough [ZONES...]` line."""
        return Fall(self._named(line.args) if line.args else (names.ROOT,))

    def warn(self, message: str) -> None:
        """Log a warning in the plugin's name."""
        self.log("WARNING", message)

    def _named(self, words: Sequence[str]) -> tuple[Name, ...]:
        """The zones of all words that are one; as in CoreDNS the others are passed over, here with a warning."""
        found = [(word, named(word)) for word in words]
        for word in (word for word, zones in found if not zones):
            self.warn(f"no zone, and ignored: {word!r}")
        return tuple(zone for _, zones in found for zone in zones)


def directives(tokens: Sequence[Token]) -> tuple[Directive, ...]:
    """The occurrences of a directive from its tokens as the parser collects them.

    An occurrence begins where a line begins outside a block; a block is opened by `{` as the last word of its line.
    """
    found: list[Directive] = []
    lines = _lines(tokens)
    at = 0
    while at < len(lines):
        head = lines[at]
        at += 1
        if len(head.words) < 2 or head.words[-1] != "{":
            found.append(Directive(head))
            continue
        inside, at = _block(lines, at)
        found.append(Directive(head._replace(words=head.words[:-1]), inside, has_block=True))
    return tuple(found)


def _lines(tokens: Sequence[Token]) -> list[Line]:
    """Tokens by line; a closing brace is a line of its own, and what follows one begins a new line."""
    found: list[list[Token]] = []
    for number, token in enumerate(tokens):
        brace = token.text == "}" and not token.quoted
        after_brace = bool(number) and tokens[number - 1].text == "}" and not tokens[number - 1].quoted
        after_open = bool(number) and tokens[number - 1].text == "{" and not tokens[number - 1].quoted
        if not number or brace or after_brace or after_open or not same_line(tokens[number - 1], token):
            found.append([])
        found[-1].append(token)
    return [Line(tuple(token.text for token in line), line[0].file, line[0].line) for line in found]


def _block(lines: Sequence[Line], at: int) -> tuple[tuple[Line, ...], int]:
    """The lines up to the closing brace, and where it goes on; inner braces stay words of their lines."""
    start, nesting = at, 1
    while at < len(lines):
        words = lines[at].words
        nesting += (words[-1] == "{") - (words == ("}",))
        at += 1
        if not nesting:
            break
    return tuple(lines[start : at - 1]), at
