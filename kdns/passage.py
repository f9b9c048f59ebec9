"""The short way of questions that every plugin hands on, down to one that asks an upstream.

The chain costs a coroutine a plugin, twice. Where nothing happens on the way down but that a question is handed on, and
nothing on the way up but that each plugin looks at the reply, the plugins say so (`step`, see kdns.chain), and are
called one after the other without any coroutine. Whatever is not as simple as that (a name that a plugin is there for,
a question that is in the cache or under way, an upstream that does not reply) goes through the chain: the short way
decides nothing by itself.
"""

from collections.abc import Iterable
from typing import Any

from kdns.chain import Departure, Step
from kdns.wire import codes
from kdns.wire.question import Question

_APART = frozenset({codes.AXFR, codes.IXFR})


class Passage:
    """The short way through one server block.

    `spared` are the zones with whose names plugins do more; `returned` what plugins make of a reply, on its way up;
    `depart` is the last plugin's (see Departure).
    """

    def __init__(self, steps: Iterable[Step], departure: Departure) -> None:
        steps = tuple(steps)
        self.spared = (*(zone for step in steps for zone in step.spared), *departure.spared)
        self._hands_on = tuple(step.hands_on for step in steps if step.hands_on is not None)
        self.returned = tuple(step.returned for step in reversed(steps) if step.returned is not None)
        self.depart = departure.depart

    def handed_on(self, question: Question) -> Question | None:
        """What the last plugin is to ask by the short way; None of a question that does not go it."""
        if not is_plain(question) or question.key.endswith(self.spared):
            return None
        for hands_on in self._hands_on:
            handed = hands_on(question)
            if handed is None:
                return None
            question = handed
        return question


def passage(plugins: Iterable[Any]) -> Passage | None:
    """The short way through a chain, if there is one.

    None of its plugins may do more than hand on, and none behind the first one that may change the question looks at
    the reply: it would see another request there.
    """
    steps: list[Step] = []
    for plugin in plugins:
        step = plugin.step() if hasattr(plugin, "step") else None
        if isinstance(step, Departure):
            return Passage(steps, step)
        if step is None or (step.returned is not None and any(before.hands_on for before in steps)):
            return None
        steps.append(step)
    return None


def is_plain(question: Question) -> bool:
    """Whether it is an ordinary query: class IN, no transfer, no signature, no EDNS that plugins might care about."""
    _, flags, _, _, qtype, qclass, edns, authority, signed, _ = question
    if flags & codes.OPCODE_MASK or qclass != codes.IN or qtype in _APART or authority or signed:
        return False
    return edns is None or not (edns.version or edns.options)
