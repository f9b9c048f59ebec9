"""Where objects are: from the words that people use for kinds, and from manifests, to the paths of the API."""

from typing import NamedTuple
from urllib.parse import quote

from ipamd.errors import Misused
from ipamd.json import Object
from ipamd.kube.document import text
from ipamd.kube.kinds import BY_NAME, KINDS, Kind

DEFAULT_NAMESPACE = "default"


class Place(NamedTuple):
    """An object, or with an empty name all of a kind; an empty namespace means all of them."""

    kind: Kind
    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """The path of all objects of the kind, in the namespace."""
        root = f"/apis/{self.kind.group}/v1" if self.kind.group else "/api/v1"
        scope = f"/namespaces/{quote(self.namespace, safe='')}" if self.namespace else ""
        return f"{root}{scope}/{self.kind.plural}"

    @property
    def path(self) -> str:
        """The path of the object."""
        return f"{self.collection}/{quote(self.name, safe='')}" if self.name else self.collection

    def __str__(self) -> str:
        group = f".{self.kind.group}" if self.kind.group else ""
        return f"{self.kind.name.lower()}{group}/{self.name}"


def kind_named(word: str) -> Kind:
    """The kind that a person means: pod, pods, po, Pod, endpointslices.discovery.k8s.io. Raises Misused."""
    low = word.lower()
    for kind in KINDS:
        if low in (kind.name.lower(), kind.plural, kind.resource, *kind.shorts):
            return kind
    raise Misused(f"there is no kind {word!r}; there are {', '.join(kind.plural for kind in KINDS)}")


def place_of(manifest: Object) -> Place:
    """Where the object of a manifest is. Raises Misused when it is none that is served."""
    name, version = text(manifest, "kind"), text(manifest, "apiVersion")
    kind = BY_NAME.get(name)
    if kind is None or version != kind.api_version:
        raise Misused(f"no such kind here: {version or '?'} {name or '?'}")
    namespace = (text(manifest, "metadata", "namespace") or DEFAULT_NAMESPACE) if kind.namespaced else ""
    return Place(kind, namespace, text(manifest, "metadata", "name"))
