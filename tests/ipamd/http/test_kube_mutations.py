"""Objects and patches with anything in them: the daemon refuses or takes them, and never fails."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.ipamd.daemon import Daemon

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo"
ROUNDS = 3000
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 70000, 1e30, "", "x", "é", "\x00", "10.0.0.1", "None", "fd00::1", "10.244.0.0/24"),
    *([], {}, [None], [[]], {"a": None}, {"$patch": "delete"}, [{"$patch": "replace"}], ["x"], "ExternalName", 30000),
)
PATCHES = ("merge-patch", "strategic-merge-patch", "json-patch", "apply-patch")


CLUSTERED = {"Namespace": "namespaces", "Node": "nodes", "ServiceCIDR": "servicecidrs", "IPAddress": "ipaddresses"}
PARENT = {"resource": "services", "namespace": "default", "name": "web"}


def manifests() -> Iterator[Any]:
    for file in sorted(DEMO.glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())
    for number in range(4):
        yield networking("ServiceCIDR", {"cidrs": [f"10.{number}.0.0/16", f"fd00:{number}::/112"]})
        yield networking("IPAddress", {"parentRef": PARENT}, name=f"10.{number}.0.9")


def networking(kind: str, spec: Any, name: str = "") -> Any:
    return {"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document where something else could stand."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from spots(value[key])


def mutated(random: Random, document: Any) -> Any:
    """The document with junk in up to three places."""
    document = deepcopy(document)
    for _ in range(random.randint(1, 3)):
        container, key = random.choice([*spots(document)] or [({}, "")])
        if isinstance(container, dict) and random.random() < 0.2:
            container[f"{key}s"] = deepcopy(random.choice(JUNK))
        elif not isinstance(container, dict) or key in container:
            container[key] = deepcopy(random.choice(JUNK))
    return document


def path_of(document: Any) -> str:
    if document["kind"] in CLUSTERED:
        root = f"/apis/{document['apiVersion']}" if "/" in document["apiVersion"] else "/api/v1"
        return f"{root}/{CLUSTERED[document['kind']]}"
    kind = {"Pod": "pods", "Service": "services"}.get(document["kind"])
    root = "/api/v1" if kind else "/apis/discovery.k8s.io/v1"
    return f"{root}/namespaces/default/{kind or 'endpointslices'}"


def requests(random: Random) -> Iterator[tuple[str, str, bytes, str]]:
    """Method, path, body and content type of every request."""
    documents = [*manifests()]
    for number in range(ROUNDS):
        original = random.choice(documents)
        name = f"10.0.0.{number % 40}" if original["kind"] == "IPAddress" else f"m{number % 40}"
        given = {**original, "metadata": {**original["metadata"], "namespace": "default", "name": name}}
        if original["kind"] in CLUSTERED:
            del given["metadata"]["namespace"]
        path, document = path_of(original), mutated(random, given)
        raw = json.dumps(document).encode()
        if random.random() < 0.1:
            cut = random.randrange(len(raw))
            raw = raw[:cut] + bytes([random.randrange(256)]) + raw[cut + random.randrange(2) :]
        match random.randrange(6):
            case 0 | 1 | 2:
                yield "POST", path, raw, "application/json"
            case 3:
                yield "PUT", f"{path}/{name}", raw, "application/json"
            case 4:
                operations = [{"op": random.choice(["add", "remove", "test"]), "path": "/spec", "value": document}]
                kind = random.choice(PATCHES)
                body = json.dumps(operations).encode() if kind == "json-patch" else raw
                yield "PATCH", f"{path}/{name}", body, f"application/{kind}+json"
            case _:
                body = b"" if random.random() < 0.5 else raw
                yield "DELETE", f"{path}/{name}", body, "application/json"


def test_nothing_that_is_sent_makes_the_daemon_fail(daemon: Daemon) -> None:
    statuses: set[int] = set()
    with closing(http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)) as connection:
        for method, path, body, media in requests(Random(20)):
            connection.request(method, path, body, {"Content-Type": media})
            response = connection.getresponse()
            content = response.read()
            statuses.add(response.status)
            assert response.status < 500, (method, path, body, content, daemon.errors.read_text())
    for plural in ("pods", "services", "nodes", "namespaces"):
        assert daemon.request("GET", f"/api/v1/{plural}", headers=TABLE).body["kind"] == "Table"

    assert {200, 201, 400, 404, 409, 415, 422} <= statuses
    assert daemon.errors.read_text() == ""
