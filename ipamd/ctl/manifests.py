"""Reading manifests: YAML files with any number of documents, `List` kinds, directories, and standard input."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from ipamd.errors import Misused
from ipamd.json import Json, Object
from ipamd.kube.kinds import NAMESPACE, NODE

SUFFIXES = (".yaml", ".yml", ".json")  # what is read of a directory; JSON is YAML
FIRST = (NAMESPACE.name, NODE.name)  # what other objects need, in this order

# libyaml's loader, where PyYAML was built with it, is ten times as fast.
LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_manifests(sources: Iterable[str]) -> list[Object]:
    """The objects of all sources (files, directories, `-`), Namespaces and Nodes first. Raises Misused."""
    found = [manifest for source in sources for manifest in read_source(source)]
    return sorted(found, key=rank)


def rank(manifest: Object) -> int:
    """The place of an object's kind in the order of making."""
    kind = str(manifest.get("kind"))
    return FIRST.index(kind) if kind in FIRST else len(FIRST)


def read_source(source: str) -> Iterator[Object]:
    """The objects of one source."""
    if source == "-":
        yield from read_documents(sys.stdin.read(), "standard input")
        return
    path = Path(source)
    files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise Misused(f"no manifests in {source}: {', '.join(SUFFIXES)}")
    for file in files:
        try:
            content = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Misused(f"cannot read {file}: {error}") from error
        yield from read_documents(content, str(file))


def read_documents(content: str, name: str) -> Iterator[Object]:
    """The objects of a text with YAML documents."""
    try:
        documents: list[Json] = list(yaml.load_all(content, Loader=LOADER))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Misused(f"not YAML: {name}: {error}") from error
    for document in documents:
        if document is not None:
            yield from flattened(document, name)


def flattened(document: Json, name: str) -> Iterator[Object]:
    """The object itself, or those of a `List`."""
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise Misused(f"not a manifest, which has a kind: {name}")
    items = document.get("items")
    if str(document["kind"]).endswith("List") and isinstance(items, list):
        for item in items:
            yield from flattened(item, name)
    else:
        yield document
