"""The rules of ObjectMeta: names, labels, and the fields that the server fills in.

Source: k8s.io/apimachinery, api/validation/objectmeta.go and util/validation.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from ipamd.json import Json, Object
from ipamd.kube.document import child, peek, text
from ipamd.kube.generated_names import generated_name
from ipamd.kube.kinds import Kind
from ipamd.kube.shapes import Meta
from ipamd.kube.status import Cause, missing, wrong_value
from ipamd.selectors import KEY, VALUE, VALUE_RULE

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_1035_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
ANNOTATIONS_SIZE = 256 * 1024  # octets of all keys and values together

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
DNS_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
NAME_RULES = {"Namespace": (LABEL, LABEL_RULE), "Service": (DNS_1035_LABEL, DNS_1035_RULE)}


class Moment(NamedTuple):
    """What a transaction takes from the world: the time, in seconds since the epoch, and a random UUID."""

    now: float
    uid: str

    @property
    def time(self) -> str:
        """The time as the API writes it: RFC 3339, UTC, whole seconds."""
        return datetime.fromtimestamp(int(self.now), UTC).isoformat()[:19] + "Z"  # strftime takes ten times as long

    @property
    def precise_time(self) -> str:
        """The time with microseconds."""
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def metadata_causes(kind: Kind, meta: Meta) -> Iterator[Cause]:
    """What is wrong with an object's name, labels and annotations."""
    if not meta.name:
        yield missing("metadata.name", "name or generateName is required")
    else:
        pattern, rule = NAME_RULES.get(kind.name, (SUBDOMAIN, SUBDOMAIN_RULE))
        if not pattern.fullmatch(meta.name):
            yield wrong_value("metadata.name", meta.name, rule)
    yield from label_causes("metadata.labels", meta.labels)
    if sum(len(k.encode()) + len(v.encode()) for k, v in meta.annotations.items()) > ANNOTATIONS_SIZE:
        yield Cause(
            "metadata.annotations", "FieldValueTooLong", f"Too long: may not be more than {ANNOTATIONS_SIZE} bytes"
        )
    for key in meta.annotations:
        if not KEY.fullmatch(key.lower()):
            yield wrong_value("metadata.annotations", key, KEY_RULE)


def label_causes(field: str, labels: dict[str, str]) -> Iterator[Cause]:
    """What is wrong with keys and values of labels, or of a selector."""
    for key, value in labels.items():
        if not KEY.fullmatch(key):
            yield wrong_value(field, key, KEY_RULE)
        if not VALUE.fullmatch(value):
            yield wrong_value(field, value, VALUE_RULE)


def stamp_new(kind: Kind, document: Object, namespace: str, moment: Moment) -> None:
    """Fill in what the server gives a new object: kind, namespace, name from generateName, uid, time, generation."""
    meta = child(document, "metadata")
    prefix = text(meta, "generateName")
    if prefix and not text(meta, "name"):
        meta["name"] = generated_name(prefix, moment.uid)
    given: Object = {"namespace": namespace} if kind.namespaced else {}
    given |= {"uid": moment.uid, "creationTimestamp": moment.time, "generation": 1}
    write_metadata(kind, document, given)


def stamp_changed(kind: Kind, document: Object, old: Object) -> None:
    """Carry over what a client cannot change."""
    before = child(old, "metadata")
    fixed = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp", "generateName")
    write_metadata(kind, document, {key: before[key] for key in fixed if key in before})


def count_generation(document: Object, old: Object) -> None:
    """The generation counts changes of more than metadata and status; to be called when defaults are filled in."""
    generation = peek(old, "metadata", "generation")
    if desired(document) != desired(old) and isinstance(generation, int):
        child(document, "metadata")["generation"] = generation + 1


def write_metadata(kind: Kind, document: Object, fixed: Object) -> None:
    """Set the fields that are the server's, and remove those that a client may not set."""
    meta = child(document, "metadata")
    for key in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "managedFields", "selfLink"):
        meta.pop(key, None)
    meta.update(fixed)
    document["apiVersion"] = kind.api_version
    document["kind"] = kind.name


def desired(document: Object) -> dict[str, Json]:
    """The part of an object that its generation counts."""
    return {key: value for key, value in document.items() if key not in ("metadata", "status")}
