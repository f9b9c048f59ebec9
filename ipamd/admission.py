"""Which owners a pool is for: by namespace, by labels, by node. Pure: what is known of the owner is an argument.

A pool that says nothing is for everybody. `why_not` names the first thing that keeps an owner out, for people.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from ipamd.errors import Invalid, Malformed
from ipamd.model import Owner, Pool
from ipamd.selectors import LabelSelector, matches_labels, parse_labels

Labels = Mapping[str, str]


class Applicant(NamedTuple):
    """Who asks: the owner, its labels, its node, and how to look up the labels of namespaces and nodes."""

    owner: Owner
    labels: Labels
    node: str
    namespace_labels: Callable[[str], Labels]
    node_labels: Callable[[str], Labels]


def is_for_all(pool: Pool) -> bool:
    """Whether the pool keeps nobody out."""
    return not (pool.namespaces or pool.namespace_selector or pool.selector or pool.nodes or pool.node_selector)


def why_not(pool: Pool, applicant: Applicant) -> str:
    """What keeps the applicant out of the pool; empty if nothing does."""
    namespace = applicant.owner.namespace
    if pool.per_node and applicant.owner.kind == "Node":  # its block is for the pods that the pool is for
        return _why_not_there(pool, applicant)
    if pool.namespaces and namespace not in pool.namespaces:
        return f"it is for namespaces {', '.join(pool.namespaces)}, {of(namespace, 'in')}"
    if pool.namespace_selector and not _fits(pool.namespace_selector, applicant.namespace_labels(namespace)):
        return f"it is for namespaces with labels {pool.namespace_selector}, {of(namespace, 'in')}"
    if pool.selector and not _fits(pool.selector, applicant.labels):
        return f"the owner has no labels {pool.selector}"
    return _why_not_there(pool, applicant)


def _why_not_there(pool: Pool, applicant: Applicant) -> str:
    node = applicant.node
    if pool.nodes and node not in pool.nodes:
        return f"it is for nodes {', '.join(pool.nodes)}, {of(node, 'on')}"
    if pool.node_selector and not _fits(pool.node_selector, applicant.node_labels(node)):
        return f"it is for nodes with labels {pool.node_selector}, {of(node, 'on')}"
    return ""


def of(place: str, preposition: str) -> str:
    """Which namespace or node the owner is of, if any, as the end of a sentence."""
    return f"not {place!r}" if place else f"and the owner is {preposition} none"


def check(pool: Pool) -> None:
    """Raise Invalid for a selector that cannot be read."""
    for text in (pool.namespace_selector, pool.selector, pool.node_selector):
        try:
            _parsed(text)
        except Malformed as fault:
            raise Invalid(f"{text!r} is no selector: {fault.detail}") from None


def _fits(selector: str, labels: Labels) -> bool:
    return matches_labels(_parsed(selector), labels)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> LabelSelector:
    return parse_labels(text) if text else ()
