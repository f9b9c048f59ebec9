"""What a name in a cluster zone asks for: the grammar of Kubernetes' DNS names as CoreDNS reads it.

    svc | pod                                   like the apex: there, without records
    NS.svc                                      a namespace
    SVC.NS.svc                                  a service
    EP.SVC.NS.svc                               an endpoint of it
    _PORT._PROTO.SVC.NS.svc                     a port of it (the underscores may be missing)
    EP.CLUSTER.SVC.NS.svc                       in a clusterset, without any underscore: an endpoint in a cluster
    ZONE....pin|prefer._zone.SVC.NS.svc         its endpoints in a topology zone (`zonal`)
    1-2-3-4.NS.pod                              a pod by its address; labels in front of it do not matter
    1.2.3.4.NS.pod | 1.2.3.4.NS.svc             the same (`dotted_pod_names`)

There are no wildcards. Names are read from the key's octets; the parts are slices of it.
"""

from typing import NamedTuple

from kdns.cluster.entries import NO_NAME, Label, Labels
from kdns.wire.names import Name

SVC: Label = b"\x03svc"
POD: Label = b"\x03pod"

_ZONE: Label = b"\x05_zone"
_PINNED: dict[Label, bool] = {b"\x03pin": True, b"\x06prefer": False}


class Grammar(NamedTuple):
    """Which names a zone has besides those of every cluster."""

    clusterset: bool = False
    zonal: bool = False
    dotted: bool = False


class Asked(NamedTuple):
    """A parsed name. Labels have their length octet; b"" stands for a part that the name does not have.

    `branch` is SVC, POD, or b"" for the apex and the two branches themselves. `name` is the service's, or spells the
    pod's address. `port` and `protocol` are without underscore, NO_NAME where any will do. `topology` is a zone's
    name, and `pin` whether only endpoints in it are wanted.
    """

    branch: Label = b""
    namespace: Label = b""
    name: Label = b""
    endpoint: Labels = b""
    port: Label = NO_NAME
    protocol: Label = NO_NAME
    topology: bytes = b""
    pin: bool = False

    @property
    def has_port(self) -> bool:
        """Whether a port or a protocol was asked for."""
        return self.port != NO_NAME or self.protocol != NO_NAME


APEX = Asked()


def split(key: Name, zone: Name) -> list[Label] | None:
    """The labels of a key in front of `zone`; None if it is not in that zone."""
    if not key.endswith(zone):
        return None
    end = len(key) - len(zone)
    found = []
    at = 0
    while at < end:
        after = at + 1 + key[at]
        found.append(key[at:after])
        at = after
    return found if at == end else None


def read(labels: list[Label], grammar: Grammar) -> Asked | None:
    """What the labels in front of a zone ask for; None where the grammar has no such name (NXDOMAIN)."""
    count = len(labels)
    if not count:
        return APEX
    branch = labels[-1]
    if branch not in (SVC, POD):
        return None
    match count:
        case 1:
            return APEX
        case 2:
            return Asked(branch, labels[0])
        case 3:
            return Asked(branch, labels[1], labels[0])
        case 4:
            return Asked(branch, labels[2], labels[1], labels[0])
        case 5:
            return _pair(labels, branch, grammar)
    return _longer(labels, branch, grammar)


def _pair(labels: list[Label], branch: Label, grammar: Grammar) -> Asked:
    first, second, name, namespace, _ = labels
    if grammar.clusterset and not (_is_marked(first) or _is_marked(second)):
        return Asked(branch, namespace, name, first + second)
    return Asked(branch, namespace, name, b"", bare(first), bare(second))


def _longer(labels: list[Label], branch: Label, grammar: Grammar) -> Asked | None:
    name, namespace = labels[-3], labels[-2]
    if grammar.dotted and len(labels) == 6 and all(label[1:].isdigit() for label in labels[:4]):
        address = b"-".join(label[1:] for label in labels[:4])
        return (
            Asked(POD, namespace, bytes((len(address),)) + address) if len(address) <= len("255-255-255-255") else None
        )
    if not grammar.zonal or grammar.clusterset or branch != SVC or labels[-4] != _ZONE:
        return None
    pin = _PINNED.get(labels[-5])
    if pin is None:
        return None
    topology = b".".join(label[1:] for label in labels[:-5])  # a zone's name may have dots
    return Asked(branch, namespace, name, topology=topology, pin=pin)


def _is_marked(label: Label) -> bool:
    return label[1:2] == b"_"


def bare(label: Label) -> Label:
    """A label without the underscore in front."""
    return bytes((len(label) - 2,)) + label[2:] if _is_marked(label) else label
