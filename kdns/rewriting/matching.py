"""How rules match names and make others of them: text in presentation format, lower-cased, with the last dot.

Text and not labels, because operators glue with it: `suffix .ingress.a` turns `x.ingress.a.` into what TO has behind.
"""

import re
from collections.abc import Callable

from kdns.corefile.patterns import MAX_PATTERN, Match, Pattern, compiled

EXACT, PREFIX, SUFFIX, SUBSTRING, REGEX = "exact", "prefix", "suffix", "substring", "regex"
KINDS = (EXACT, PREFIX, SUFFIX, SUBSTRING, REGEX)

_GROUP = re.compile(r"\{(0|[1-9][0-9]{0,3})\}")

Replacer = Callable[[str], str | None]  # what becomes of a name, None if it does not match


def normal(text: str) -> str:
    """A name as queries are compared: lower-cased, with the last dot."""
    return text.lower() if text.endswith(".") else text.lower() + "."


def replacer(kind: str, old: str, new: str = "") -> Replacer:
    """The replacement of `old` by `new` for a kind other than REGEX."""
    if kind == EXACT:
        return lambda name: new if name == old else None
    if kind == PREFIX:
        return lambda name: new + name.removeprefix(old) if name.startswith(old) else None
    if kind == SUFFIX:
        return lambda name: name.removesuffix(old) + new if name.endswith(old) else None
    return lambda name: name.replace(old, new) if old in name else None


def by_pattern(pattern: Pattern, template: str) -> Replacer:
    """The whole name becomes `template`, its `{1}` the first group of the match, `{0}` all of it."""

    def replaced(name: str) -> str | None:
        match = pattern.search(name)
        return None if match is None else _filled(template, name, match)

    return replaced


def matcher(kind: str, text: str, rule: str) -> Replacer:
    """For rules that only match. ValueError in the words of a `rule` rule for another kind or a wrong pattern."""
    if kind not in KINDS:
        raise ValueError(f"{rule} rule supports only exact, prefix, suffix, substring, and regex name matching")
    if kind != REGEX:
        return replacer(kind, normal(text))
    return by_pattern(pattern(text, f" in a {rule} rule", f"invalid regex pattern in a {rule} rule"), "")


def pattern(text: str, where: str, fault: str) -> Pattern:
    """A regular expression. ValueError: `where` follows "pattern too long", `fault` stands before one that is none."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long{where}: {len(text)} > {MAX_PATTERN}")
    try:
        return compiled(text)
    except ValueError:
        raise ValueError(f"{fault}: {text}") from None


def template_pattern(text: str, template: str) -> Pattern:
    """A regular expression whose groups `template` may use. ValueError if it uses more than there are."""
    found = pattern(text, "", "invalid regex matching pattern")
    if len(set(_GROUP.findall(template))) > found.groups:
        raise ValueError(
            f"the rewrite regex pattern ({template}) uses more subexpressions than its corresponding matching "
            f"regex pattern ({text})"
        )
    return found


def _filled(template: str, name: str, match: Match) -> str:
    groups = (name[match.start() : match.end()], *match.groups())

    def value(group: re.Match[str]) -> str:
        number = int(group[1])
        return groups[number] or "" if number < len(groups) else group[0]

    return _GROUP.sub(value, template)
