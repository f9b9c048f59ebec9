"""Tokens to server blocks: keys, directives, snippets, `import`, environment variables.

    corefile := { block }        block := keys [ "{" ] directives [ "}" ]
    keys     := key { (SP | "," SP | "," NL) key }
    snippet  := "(" name ")" "{" tokens "}"

An import is replaced by the tokens of a snippet, a file or the files of a glob, where it stands. Directives of a name
are collected a block; what their words mean is the plugin's business (args). Files are read through `Files`, so that
parsing itself touches nothing.
"""

import posixpath
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from kdns.corefile.lexer import Token, lex, same_line
from kdns.errors import ConfigError

MAX_IMPORTS = 10_000
MAX_TOKENS = 2_000_000  # what snippets that import snippets may grow to
MAX_REPLACEMENTS = 100  # environment variables whose values name variables
MAX_WORD = 1 << 20  # characters to which they may make a word grow


class Files(NamedTuple):
    """How imports reach the disk: text of a path (OSError if that fails), sorted paths of a glob, where to warn."""

    read: Callable[[str], str]
    glob: Callable[[str], list[str]]
    warn: Callable[[str], None]


class ServerBlock(NamedTuple):
    """One block: its keys as written, and every occurrence of each directive, tokens one behind the other."""

    keys: tuple[Token, ...]
    directives: Mapping[str, tuple[Token, ...]]


def parse(
    text: str, file: str, known: Collection[str], environ: Mapping[str, str], files: Files
) -> tuple[ServerBlock, ...]:
    """The server blocks of a Corefile. ConfigError with file and line for whatever is not one.

    `known` are the directives' names; relative imports are relative to the directory of the file that has them.
    """
    return _Parser(lex(text, file), known, environ, files).blocks()


class _Parser:
    def __init__(self, tokens: list[Token], known: Collection[str], environ: Mapping[str, str], files: Files) -> None:
        self._tokens = tokens
        self._at = 0
        self._known = known
        self._environ = environ
        self._files = files
        self._snippets: dict[str, list[Token]] = {}
        self._imports = 0

    def blocks(self) -> tuple[ServerBlock, ...]:
        found = []
        while self._at < len(self._tokens):
            keys = self._keys()
            name = _snippet_name(keys)
            if name is not None and self._at < len(self._tokens):
                self._define(name, keys[0])
            elif keys or self._at < len(self._tokens):
                keys = keys or [self._tokens[self._at]._replace(text="")]  # the brace stands for the root
                found.append(ServerBlock(tuple(keys), self._contents()))
        return tuple(found)

    def _keys(self) -> list[Token]:
        keys: list[Token] = []
        another = False
        while self._at < len(self._tokens):
            token = self._replaced()
            if token.text == "import" and self._begins_line():
                self._import()
                continue
            if token.text == "{":
                if another:
                    raise self._error("Expected another address but had '{' - check for extra comma")
                return keys
            another = token.text.endswith(",")
            if key := token.text.removesuffix(","):
                keys.append(token._replace(text=key))
            self._at += 1
            if not another and self._begins_line():
                return keys
        if another:
            raise self._error("Unexpected EOF")
        return keys

    def _contents(self) -> dict[str, tuple[Token, ...]]:
        braced = self._at < len(self._tokens) and self._tokens[self._at].text == "{"
        self._at += braced
        found: dict[str, list[Token]] = {}
        while self._at < len(self._tokens) and self._tokens[self._at].text != "}":
            if self._tokens[self._at].text == "import":
                self._import()
                continue
            name, tokens = self._directive()
            found.setdefault(name, []).extend(tokens)
        # As in CoreDNS, a brace that ends the last directive's block will do for the server block's too.
        if braced and self._at >= len(self._tokens) and self._tokens[-1].text != "}":
            raise self._expected("}")
        self._at += braced
        return {name: tuple(tokens) for name, tokens in found.items()}

    def _directive(self) -> tuple[str, list[Token]]:
        name = self._replaced()
        if name.text not in self._known:
            raise self._error(f"Unknown directive '{name.text}'")
        tokens = [name]
        nesting = 0
        self._at += 1
        while self._at < len(self._tokens):
            text = self._tokens[self._at].text
            if text == "{":
                nesting += 1
            elif not nesting and self._begins_line():
                return name.text, tokens
            elif text == "}":
                nesting -= 1
                if nesting < 0:
                    raise self._error("Unexpected '}' because no matching opening brace")
            elif text == "import" and self._begins_line():
                self._import()
                continue
            tokens.append(self._replaced())
            self._at += 1
        if nesting:
            raise self._error("Unexpected EOF")
        return name.text, tokens

    def _define(self, name: str, key: Token) -> None:
        if name in self._snippets:
            raise _failed(key, f"redeclaration of previously declared snippet {name}")
        if self._tokens[self._at].text != "{":
            raise self._expected("{")
        start, nesting = self._at + 1, 0
        while self._at < len(self._tokens):
            text = self._tokens[self._at].text
            nesting += (text == "{") - (text == "}")
            self._at += 1
            if not nesting:
                self._snippets[name] = self._tokens[start : self._at - 1]
                return
        raise self._expected("}")

    def _import(self) -> None:
        """Put what is imported in place of the two tokens `import PATTERN`; the cursor then stands on its first."""
        start = self._at
        if not self._on_same_line(start + 1):
            raise self._error("Wrong argument count or unexpected line ending after 'import'")
        self._at += 1
        pattern = self._replaced()
        if not pattern.text:
            raise self._error("Import requires a non-empty filepath")
        if self._on_same_line(start + 2):
            raise self._error("Import takes only one argument (glob pattern or file)")
        snippet = self._snippets.get(pattern.text)
        self._imports += 1
        if self._imports > MAX_IMPORTS:
            kind = "file" if snippet is None else "snippet"
            raise self._error(f"maximum {kind} import depth ({MAX_IMPORTS}) exceeded")
        tokens = self._imported(pattern) if snippet is None else snippet
        self._tokens[start : start + 2] = tokens
        self._at = start
        if len(self._tokens) > MAX_TOKENS:
            raise _failed(pattern, f"imports grew the configuration to more than {MAX_TOKENS} words")

    def _imported(self, pattern: Token) -> list[Token]:
        wanted = pattern.text
        if wanted.count("*") > 1 or wanted.count("?") > 1 or ("[" in wanted and "]" in wanted):
            raise self._error(f"Glob pattern may only contain one wildcard (*), but has others: {wanted}")
        path = posixpath.join(posixpath.dirname(pattern.file), wanted)
        found = self._files.glob(path)
        if not found and any(char in wanted for char in "*?[]"):
            self._files.warn(f"No files matching import glob pattern: {wanted}")
        elif not found:
            raise self._error(f"File to import not found: {wanted}")
        tokens: list[Token] = []
        for file in found:
            try:
                tokens += lex(self._files.read(file), file)
            except IsADirectoryError:
                raise self._error(f"Could not import {file}: is a directory") from None
            except OSError as fault:
                raise self._error(f"Could not import {wanted}: {fault.strerror}") from None
        return tokens

    def _replaced(self) -> Token:
        token = self._tokens[self._at]
        text = token.text
        for start, end in (("{%", "%}"), ("{$", "}")):
            text = self._substituted(text, start, end)
        if text != token.text:
            token = self._tokens[self._at] = token._replace(text=text)
        return token

    def _substituted(self, text: str, start: str, end: str) -> str:
        for _ in range(MAX_REPLACEMENTS):
            at = text.find(start)
            stop = text.find(end, at)
            if at < 0 or stop <= at + len(start):
                return text
            reference = text[at : stop + len(end)]
            value = self._environ.get(reference[len(start) : -len(end)], "")
            if len(text) + text.count(reference) * len(value) > MAX_WORD:
                break
            text = text.replace(reference, value)
        raise self._error(f"environment variables that name each other in '{self._tokens[self._at].text}'")

    def _begins_line(self) -> bool:
        """Whether the token under the cursor is the first of its line."""
        return not self._at or (
            self._at < len(self._tokens) and not same_line(self._tokens[self._at - 1], self._tokens[self._at])
        )

    def _on_same_line(self, at: int) -> bool:
        return at < len(self._tokens) and same_line(self._tokens[at - 1], self._tokens[at])

    def _error(self, message: str) -> ConfigError:
        return _failed(self._tokens[min(self._at, len(self._tokens) - 1)], message)

    def _expected(self, wanted: str) -> ConfigError:
        token = self._tokens[min(self._at, len(self._tokens) - 1)]
        place = f"{token.file}:{token.line}"
        return ConfigError(f"{place} - Syntax error: Unexpected token '{token.text}', expecting '{wanted}'")


def _failed(token: Token, message: str) -> ConfigError:
    return ConfigError(f"{token.file}:{token.line} - Error during parsing: {message}")


def _snippet_name(keys: list[Token]) -> str | None:
    if len(keys) == 1 and keys[0].text.startswith("(") and keys[0].text.endswith(")"):
        return keys[0].text[1:-1]
    return None
