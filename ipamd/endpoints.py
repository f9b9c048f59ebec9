"""Service + Pods -> EndpointSlices, as Kubernetes' endpointslice controller makes them.

A slice holds at most 100 endpoints of one address family and one set of ports: Pods that give a named port different
numbers go to different slices. `reconcile` changes as little as it can: an endpoint stays in the slice where it is, a
new one goes to the fullest slice with room, and a slice that empties is used again before another is made. Given one
Pod it looks at that Pod's endpoints alone, given all of them at everything; both come to the same endpoints.
A family without endpoints keeps one empty slice, so that "no backends" can be told from "unknown".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from ipamd.kube.generated_names import LONGEST_PREFIX, generated_name
from ipamd.kube.shapes import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    Meta,
    ObjectReference,
    OwnerReference,
    Pod,
    Service,
    ServicePort,
)

MAX_ENDPOINTS = 100  # a slice; the controller's --max-endpoints-per-slice
MANAGER = "endpointslice-controller.k8s.io"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER = ("Failed", "Succeeded")  # phases of a Pod that has ended for good


class Group(NamedTuple):
    """What the endpoints of one slice have in common."""

    family: str
    ports: tuple[EndpointPort, ...]


class Changes(NamedTuple):
    """What has to be stored: slices that are new or differ, and the names of those that go."""

    put: list[EndpointSlice]
    delete: list[str]


Wanted = Mapping[str, list[tuple[Group, Endpoint]]]  # by name of the Pod


class Draft:
    """A slice while it is being filled."""

    def __init__(self, slice_: EndpointSlice) -> None:
        self.slice = slice_
        self.group = Group(slice_.address_type, slice_.ports)
        self.endpoints = list(slice_.endpoints)


def selects(service: Service, labels: Mapping[str, str]) -> bool:
    """Whether the Service has endpoints that we keep, and a Pod with these labels is one of them."""
    return is_managed(service) and all(labels.get(key) == value for key, value in service.spec.selector.items())


def is_managed(service: Service) -> bool:
    """Whether its slices are made here: those of a Service without a selector are written by somebody else."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def endpoints_of(service: Service, pod: Pod) -> list[tuple[Group, Endpoint]]:
    """The endpoints of `service` that `pod` gives: one a family, none when it has ended or has no address."""
    if pod.status.phase in OVER:
        return []
    ports = tuple(endpoint_ports(service, pod))
    found = []
    for family in service.spec.ip_families:
        addresses = tuple(a for a in pod.addresses if (":" in a) == (family == "IPv6"))
        if addresses:
            found.append((Group(family, ports), endpoint(service, pod, addresses)))
    return found


def endpoint(service: Service, pod: Pod, addresses: tuple[str, ...]) -> Endpoint:
    """The endpoint for the addresses that a Pod has in one family."""
    meta, spec = pod.metadata, pod.spec
    terminating = bool(meta.deletion_timestamp)
    ready = service.spec.publish_not_ready_addresses or (pod.is_ready and not terminating)
    named = spec.hostname and spec.subdomain == service.metadata.name
    return Endpoint(
        addresses=addresses,
        conditions=EndpointConditions(ready=ready, serving=pod.is_ready, terminating=terminating),
        hostname=spec.hostname if named else None,
        target_ref=ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid),
        node_name=spec.node_name or None,
    )


def endpoint_ports(service: Service, pod: Pod) -> Iterator[EndpointPort]:
    """The ports of the Service as this Pod has them; a named port that it has not is left out."""
    for port in service.spec.ports:
        number = target_port(port, pod)
        if number is not None:
            yield EndpointPort(name=port.name, port=number, protocol=port.protocol, app_protocol=port.app_protocol)


def target_port(port: ServicePort, pod: Pod) -> int | None:
    """The number of the Pod's port behind a Service's port; None when no container has a port of that name."""
    if isinstance(port.target_port, int):
        return port.target_port or port.port
    sidecars = (c for c in pod.spec.init_containers if c.restart_policy == "Always")
    for container in (*pod.spec.containers, *sidecars):
        for candidate in container.ports:
            if (candidate.name, candidate.protocol) == (port.target_port, port.protocol):
                return candidate.container_port
    return None


def name_prefix(service_name: str) -> str:
    """What the names of its slices begin with."""
    return f"{service_name}-"[:LONGEST_PREFIX]


def reconcile(
    service: Service, slices: Iterable[EndpointSlice], taken: Iterable[str], wanted: Wanted, now: str, *, only: str = ""
) -> Changes:
    """What to change so that the `slices` of `service` hold the endpoints `wanted`.

    `only` names the one Pod that `wanted` is about: the endpoints of all others stay as they are. `taken` are names in
    use by other slices. `now` (RFC 3339) becomes the trigger time of every slice that changes.
    """
    existing = list(slices)
    drafts = [Draft(slice_) for slice_ in existing if slice_.address_type in service.spec.ip_families]
    missing = {(pod, group): endpoint for pod, found in wanted.items() for group, endpoint in found}
    for draft in drafts:
        draft.endpoints = list(renewed(draft, missing, only))
    used = {*taken, *(slice_.metadata.name for slice_ in existing)}
    for (_, group), new in missing.items():
        place(service, group, drafts, used).endpoints.append(new)
    kept = [draft for family in service.spec.ip_families for draft in settled(service, family, drafts, used)]
    before = {slice_.metadata.name: slice_ for slice_ in existing}
    put = [written(service, draft, now) for draft in kept if differs(service, draft, before)]
    names = {draft.slice.metadata.name for draft in kept}
    return Changes(put, [name for name in before if name not in names])


def renewed(draft: Draft, missing: dict[tuple[str, Group], Endpoint], only: str) -> Iterator[Endpoint]:
    """The endpoints that stay in a slice, each as it is to be; what has found its place is no longer missing."""
    for old in draft.slice.endpoints:
        pod = old.target_ref.name if old.target_ref else ""
        if only and pod != only:
            yield old
        elif (new := missing.pop((pod, draft.group), None)) is not None:
            yield new


def place(service: Service, group: Group, drafts: list[Draft], used: set[str]) -> Draft:
    """Where a new endpoint goes: the fullest slice of its group with room, an empty one of its family, or a new one."""
    fitting = [d for d in drafts if d.group == group and len(d.endpoints) < MAX_ENDPOINTS]
    if fitting:
        return max(fitting, key=lambda draft: len(draft.endpoints))
    for draft in drafts:
        if not draft.endpoints and draft.group.family == group.family:
            draft.group = group
            return draft
    drafts.append(new_draft(service, group, used))
    return drafts[-1]


def settled(service: Service, family: str, drafts: list[Draft], used: set[str]) -> list[Draft]:
    """The slices of a family that stay: those with endpoints, or else one empty one without ports."""
    own = [draft for draft in drafts if draft.group.family == family]
    filled = [draft for draft in own if draft.endpoints]
    if filled:
        return filled
    empty = own[0] if own else new_draft(service, Group(family, ()), used)
    empty.group = Group(family, ())
    return [empty]


def new_draft(service: Service, group: Group, used: set[str]) -> Draft:
    """An empty slice under a name that depends on the Service and the group alone, as far as it is free."""
    prefix = name_prefix(service.metadata.name)
    attempt = 0
    while (name := generated_name(prefix, f"{service.metadata.uid} {group} {attempt}")) in used:
        attempt += 1
    used.add(name)
    meta = Meta(name=name, generate_name=prefix, namespace=service.metadata.namespace)
    return Draft(EndpointSlice(metadata=meta, address_type=group.family, ports=group.ports))


def slice_labels(service: Service) -> dict[str, str]:
    """The labels of every slice of `service`: its own, and those by which its slices are found."""
    labels = {k: v for k, v in service.metadata.labels.items() if k not in (SERVICE_NAME, MANAGED_BY, HEADLESS)}
    if service.is_headless:
        labels[HEADLESS] = ""
    return {**labels, SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}


def differs(service: Service, draft: Draft, before: Mapping[str, EndpointSlice]) -> bool:
    """Whether a slice has to be written."""
    old = before.get(draft.slice.metadata.name)
    return (
        old is None
        or old.endpoints != tuple(draft.endpoints)
        or old.ports != draft.group.ports
        or old.metadata.labels != slice_labels(service)
    )


def written(service: Service, draft: Draft, now: str) -> EndpointSlice:
    """The slice as it is to be stored."""
    owner = OwnerReference("v1", "Service", service.metadata.name, service.metadata.uid, True, True)
    meta = msgspec.structs.replace(
        draft.slice.metadata,
        labels=slice_labels(service),
        annotations={TRIGGER_TIME: now},
        owner_references=(owner,),
        generation=draft.slice.metadata.generation + 1,
    )
    return EndpointSlice(meta, draft.group.family, tuple(draft.endpoints), draft.group.ports)
