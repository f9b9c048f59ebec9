"""Vectors that end before a server answers: a Corefile is read and set up in this process, or a function is asked.

What kdns can only find out at its start, such as that a host name does not resolve, it may complain of then.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir
from glob import glob
from pathlib import Path
from typing import Any

from kdns.app import DEFAULT_COREFILE
from kdns.banner import is_preferred, zone_lines
from kdns.corefile import Files, ServerBlock, parse
from kdns.corefile.args import Args
from kdns.corefile.keys import read_key
from kdns.errors import ConfigError, StartError
from kdns.instance import Instance, Surroundings, set_up
from kdns.listeners import banner, places
from kdns.metrics import Metrics
from kdns.plugins import ORDER
from kdns.wire import names
from tests.vectors.suites import PORT, Vector

Json = Mapping[str, Any]


def run(vectors: Sequence[Vector], directory: Path) -> dict[str, list[str]]:
    """The differences of every vector, none where it holds."""
    return {vector.id: list(_run(vector, directory / str(at))) for at, vector in enumerate(vectors)}


def listeners(corefile: str, directory: Path) -> list[str]:
    """The lines that a server prints of what a Corefile has it serve. StartError for a transport that is not there."""
    return banner(places(_instance(corefile, {}, directory, [])))


def _run(vector: Vector, directory: Path) -> Iterator[str]:
    if vector.level == "unit":
        yield from _FUNCTIONS[vector.case["function"]](vector.case["args"], vector.case["expect"])
        return
    directory.mkdir(parents=True)
    for name, text in vector.server.get("files", {}).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with chdir(directory):
        yield from _of_corefile(vector.server, vector.case["expect"], directory)


def _of_corefile(server: Json, expect: Json, directory: Path) -> Iterator[str]:
    text = server["corefile"].replace("@DIR@", str(directory)).replace("@PORT@", PORT)
    said: list[str] = []
    try:
        instance = _instance(text, server.get("env", {}), directory, said)
        if not expect["accept"]:
            asyncio.run(_start(instance))
    except (ConfigError, StartError) as fault:
        if expect["accept"]:
            yield f"refused: {fault}"
        elif expect.get("error_contains", "") not in str(fault):
            yield f"{expect['error_contains']!r} is not in {str(fault)!r}"
        return
    if not expect["accept"]:
        yield f"accepted, though {expect.get('error_contains') or 'an error'!r} was expected"
        return
    for key in expect.keys() - {"accept", "error_contains"}:
        yield from _OF_INSTANCE[key](expect[key], instance, said)


def _instance(text: str, environ: Mapping[str, str], directory: Path, said: list[str]) -> Instance:
    files = Files(_text_of, lambda pattern: sorted(glob(pattern)), said.append)  # noqa: PTH207 - as the server does it

    def blocks(corefile: str) -> tuple[ServerBlock, ...]:
        return parse(corefile, str(directory / "Corefile"), ORDER, environ, files)

    around = Surroundings(Metrics(), environ, directory, lambda _, message: said.append(message))
    return set_up(blocks(text) or blocks(DEFAULT_COREFILE.format(port=around.dns_port)), around)


def _text_of(path: str) -> str:
    return Path(path).read_bytes().decode(errors="replace")


async def _start(instance: Instance) -> None:
    """Start the plugins, though nothing listens, and end them."""
    try:
        await instance.start(lambda changed: None, lambda fault: None)
    finally:
        await instance.close(lambda fault: None)


def _keys(wanted: Sequence[str], instance: Instance, _: Sequence[str]) -> Iterator[str]:
    found = [str(key) for site in instance.sites for each in site.keys for key in each]
    if found != list(wanted):
        yield f"keys: {wanted} expected, {found} came"


def _banner(wanted: Sequence[str], instance: Instance, _: Sequence[str]) -> Iterator[str]:
    try:
        found = [line for line in banner(places(instance)) if not line.startswith("Warning: ")]
    except StartError as fault:
        yield str(fault)
        return
    if sorted(found) != sorted(wanted):
        yield f"banner: {wanted} expected, {found} came"


def _zones_of(instance: Instance) -> set[str]:
    return {names.show(key.zone) for site in instance.sites for each in site.keys for key in each}


def _zones(wanted: Sequence[str], instance: Instance, _: Sequence[str]) -> Iterator[str]:
    if set(wanted) != _zones_of(instance):
        yield f"zones: {wanted} expected, {_zones_of(instance)} came"


def _zones_include(wanted: Sequence[str], instance: Instance, _: Sequence[str]) -> Iterator[str]:
    if not _zones_of(instance).issuperset(wanted):
        yield f"zones: {wanted} expected among {_zones_of(instance)}"


def _log_contains(wanted: str, _: Instance, said: Sequence[str]) -> Iterator[str]:
    if not any(wanted in each for each in said):
        yield f"{wanted!r} expected among {said}"


_OF_INSTANCE: dict[str, Callable[[Any, Instance, Sequence[str]], Iterator[str]]] = {
    "keys": _keys,
    "banner": _banner,
    "zones": _zones,
    "zones_include": _zones_include,
    "log_contains": _log_contains,
}


def _start_up_zones(given: Json, expect: Json) -> Iterator[str]:
    """What is printed at start for the zones of one listener."""
    address, _, port = given["addr"].rpartition(":")
    if not port.isdigit():
        yield f"no address and port: {given['addr']}"
        return
    found = "".join(f"{line}\n" for line in zone_lines(given["protocol"], address, int(port), given["zones"]))
    if found != expect["output"]:
        yield f"{expect['output']!r} expected, {found!r} came"


def _preferred_syntax(given: Json, expect: Json) -> Iterator[str]:
    """Whether a zone is not warned of."""
    if is_preferred(given["zone"]) != expect["result"]:
        yield f"{expect['result']} expected"


def _origins(given: Json, expect: Json) -> Iterator[str]:
    """What a plugin's zones are, by its arguments and the server block's keys."""
    try:
        keys = tuple(tuple(read_key(_text(each))) for each in given["serverblock"] or ())
        asked = Args("erratic", (), keys, Metrics(), {}, Path(), lambda level, message: None)
        found = [names.show(zone) for zone in asked.origins([_text(each) for each in given["args"] or ()])]
    except ConfigError as fault:
        yield f"refused: {fault}"
        return
    if found != [_text(each) for each in expect["zones"]]:
        yield f"{expect['zones']} expected, {found} came"


def _text(value: str | Mapping[str, str]) -> str:
    """A text of a vector, or octets that are none."""
    return value if isinstance(value, str) else bytes.fromhex(value["hex"]).decode(errors="replace")


_FUNCTIONS: dict[str, Callable[[Json, Json], Iterator[str]]] = {
    "startUpZones": _start_up_zones,
    "zone has RFC 1035 preferred syntax (no warning)": _preferred_syntax,
    "zones of a plugin: its arguments, else the keys of the server block": _origins,
}
