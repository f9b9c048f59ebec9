"""The parameters of a request, as the API server reads them. Source: meta/v1 ListOptions and their validation."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from ipamd.kube.kinds import Kind, selectable_fields
from ipamd.kube.status import Cause, bad_options, bad_request, forbidden_field, unsupported
from ipamd.selectors import FieldSelector, LabelSelector, parse_fields, parse_labels

MATCHES = ("Exact", "NotOlderThan")
MATCH, INITIAL, VERSION = "resourceVersionMatch", "sendInitialEvents", "resourceVersion"


class ListOptions(NamedTuple):
    """Which objects, from which revision, and how they are sent. `timeout` is in seconds, 0 when none was given."""

    labels: LabelSelector = ()
    fields: FieldSelector = ()
    limit: int = 0
    token: str = ""
    version: str = ""
    match: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial: bool | None = None
    timeout: int = 0


class DeletePreconditions(Struct, frozen=True, rename="camel"):
    """What has to be so for a deletion to be done."""

    uid: str = ""
    resource_version: str = ""


class DeleteOptions(Struct, frozen=True, rename="camel"):
    """What we read of the body of a deletion. Nothing here is collected as garbage, so no propagation policy is."""

    preconditions: DeletePreconditions = DeletePreconditions()
    dry_run: tuple[str, ...] = ()


def list_options(kind: Kind, query: Mapping[str, str]) -> ListOptions:
    """Read the parameters of a list or a watch. Raises StatusError 400 or 422, or Malformed for a selector."""
    options = ListOptions(
        labels=parse_labels(query.get("labelSelector", "")),
        fields=field_selector(kind, query.get("fieldSelector", "")),
        limit=whole_number(query, "limit"),
        token=query.get("continue", ""),
        version=query.get(VERSION, ""),
        match=query.get(MATCH, ""),
        watch=flag(query, "watch"),
        bookmarks=flag(query, "allowWatchBookmarks"),
        initial=flag(query, INITIAL) if INITIAL in query else None,
        timeout=whole_number(query, "timeoutSeconds"),
    )
    if options.version:
        revision_of(options.version)
    causes = [*(watch_causes(options) if options.watch else list_causes(options))]
    if causes:
        raise bad_options(causes)
    if options.token and options.version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return options


def field_selector(kind: Kind, text: str) -> FieldSelector:
    """Read a field selector and check that the kind has its fields."""
    selector = parse_fields(text)
    known = selectable_fields(kind)
    for requirement in selector:
        if requirement.path not in known:
            raise bad_request(f"field label not supported: {requirement.path}")
    return selector


def list_causes(options: ListOptions) -> Iterator[Cause]:
    """Which parameters of a list do not go together."""
    if options.initial is not None:
        yield forbidden_field(INITIAL, f"{INITIAL} is forbidden for list")
    if not options.match:
        return
    if options.token:
        yield forbidden_field(MATCH, f"{MATCH} is forbidden when continue is provided")
    if not options.version:
        yield forbidden_field(MATCH, f"{MATCH} is forbidden unless {VERSION} is provided")
    if options.match not in MATCHES:
        yield unsupported(MATCH, options.match, MATCHES)
    elif options.match == "Exact" and options.version == "0":
        yield forbidden_field(MATCH, f'{MATCH} "Exact" is forbidden for {VERSION} "0"')


def watch_causes(options: ListOptions) -> Iterator[Cause]:
    """Which parameters of a watch do not go together."""
    if options.initial is None:
        if options.match:
            yield forbidden_field(MATCH, f"{MATCH} is forbidden for watch unless {INITIAL} is provided")
        return
    if not options.match:
        yield forbidden_field(MATCH, f"{INITIAL} requires setting {MATCH} to NotOlderThan")
    elif options.match != "NotOlderThan":
        yield unsupported(MATCH, options.match, ("NotOlderThan",))
    if options.initial and not options.bookmarks:
        yield forbidden_field(INITIAL, f"{INITIAL} requires allowWatchBookmarks")


def revision_of(version: str) -> int:
    """A resourceVersion as the revision that it is. Raises StatusError 400."""
    if not (version.isascii() and version.isdigit() and len(version) < 20):
        raise bad_request(f"Invalid value: {version!r}: resourceVersion must be a whole number")
    return int(version)


def is_dry_run(values: tuple[str, ...]) -> bool:
    """Whether the request is only to be tried. Raises StatusError 400 on anything but All."""
    if any(value != "All" for value in values):
        raise bad_request(f'dryRun: Unsupported value: "{",".join(values)}": supported values: "All"')
    return bool(values)


def whole_number(query: Mapping[str, str], name: str) -> int:
    """A parameter that is a number, not negative; 0 when absent. Raises StatusError 400."""
    text = query.get(name, "0") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_request(f"{name}: not a whole number: {text!r}")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is true or false; the bare name and "1" are true as well."""
    return query.get(name, "false").lower() in ("", "1", "true", "t")
