"""The Corefile: text to server blocks, and what a plugin's set-up gets of them.

Reading order: lexer (characters to tokens), parser (tokens to blocks, imports, environment), keys (what a block is
served on), args (a directive's words and lines, with errors that know their place).
"""

from kdns.corefile.args import Args, Directive, Fall, Line
from kdns.corefile.durations import duration, show_duration
from kdns.corefile.keys import Key, Served, inspect
from kdns.corefile.parser import Files, ServerBlock, parse

__all__ = [
    "Args",
    "Directive",
    "Fall",
    "Files",
    "Key",
    "Line",
    "Served",
    "ServerBlock",
    "duration",
    "inspect",
    "parse",
    "show_duration",
]
