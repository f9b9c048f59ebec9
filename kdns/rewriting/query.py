"""Rules that change the question: its name, type or class."""

from collections.abc import Sequence

from kdns.chain import Request
from kdns.errors import SERVFAIL, NoAnswer, WireError
from kdns.rewriting import answer
from kdns.rewriting.matching import (
    EXACT,
    KINDS,
    REGEX,
    SUFFIX,
    Replacer,
    by_pattern,
    normal,
    replacer,
    template_pattern,
)
from kdns.rewriting.rules import Change, Rule, Undo
from kdns.wire import codes, names


def name_rule(words: Sequence[str]) -> Rule:
    """`[KIND] FROM TO [answer ...]`. ValueError for anything else."""
    if len(words) < 2:
        raise ValueError("too few arguments for a name rule")
    kind, old, new = (EXACT, words[0], words[1]) if len(words) == 2 else (words[0].lower(), words[1], words[2])
    auto, undo = answer.read(kind, words[3:]) if len(words) > 3 else (False, ())
    if kind not in KINDS:
        supported = "exact, prefix, suffix, substring, and regex name matching"
        raise ValueError(f"name rule supports only {supported}, received: {kind}")
    if kind == SUFFIX and auto:
        undo = (*answer.renamed_by(replacer(SUFFIX, normal(new), normal(old))), *undo)
    return _renaming(_replacer(kind, old, new), undo, auto=kind == EXACT or (auto and kind != SUFFIX))


def type_rule(words: Sequence[str]) -> Rule:
    """`FROM TO`, types by name. ValueError for anything else."""
    old, new = _pair("type", words)
    before, after = _number("type", old), _number("type", new)

    def apply(request: Request) -> Change | None:
        if request.question.qtype != before:
            return None
        return Change(request._replace(question=request.question._replace(qtype=after)))

    return Rule(apply)


def class_rule(words: Sequence[str]) -> Rule:
    """`FROM TO`, classes by name. ValueError for anything else."""
    old, new = _pair("class", words)
    before, after = _number("class", old), _number("class", new)

    def apply(request: Request) -> Change | None:
        if request.question.qclass != before:
            return None
        return Change(request._replace(question=request.question._replace(qclass=after)))

    return Rule(apply)


def _replacer(kind: str, old: str, new: str) -> Replacer:
    if kind == REGEX:
        return by_pattern(template_pattern(old, new), normal(new))
    if kind == EXACT:
        template_pattern(normal(new), normal(old))  # CoreDNS reads TO as a pattern here: what it refuses is refused
    return replacer(kind, normal(old), normal(new))


def _renaming(replace: Replacer, undo: tuple[Undo, ...], *, auto: bool) -> Rule:
    def apply(request: Request) -> Change | None:
        before = request.question.key
        text = replace(names.show(before))
        if text is None:
            return None
        try:
            after = names.parse(text)
        except WireError:
            raise NoAnswer(SERVFAIL, f"invalid name after rewrite: {text}") from None
        back = answer.mapped_back(after, before) if auto else ()
        return Change(request.asking(after), (*back, *undo))

    return Rule(apply)


def _pair(rule: str, words: Sequence[str]) -> tuple[str, str]:
    if len(words) != 2:
        raise ValueError(f"{rule} rules must have exactly two arguments")
    return words[0].upper(), words[1].upper()


def _number(rule: str, name: str) -> int:
    try:
        return codes.type_number(name) if rule == "type" else codes.class_number(name)
    except KeyError:
        raise ValueError(f'invalid {rule} "{name}"') from None
