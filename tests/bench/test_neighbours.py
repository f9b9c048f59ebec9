"""The Corefiles of the comparison with a CoreDNS: each one is one that kdns serves."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.neighbours import HOSTS, RESOLV_CONF, SCENES, UPSTREAM, WEIGHTED
from kdns.corefile import Files, ServerBlock, parse
from kdns.instance import Surroundings, set_up
from kdns.metrics import Metrics
from kdns.plugins import ORDER


def is_there(blocks: tuple[ServerBlock, ...]) -> bool:
    """Whether every directive has a plugin."""
    return all(find_spec(f"kdns.plugins.{name}") for block in blocks for name in block.directives)


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_a_corefile(name: str, tmp_path: Path) -> None:
    for file, text in {
        "hosts": HOSTS,
        "resolv.conf": RESOLV_CONF,
        "example.org": UPSTREAM,
        "weights": WEIGHTED,
    }.items():
        (tmp_path / file).write_text(text)
    (tmp_path / "zones").mkdir()
    fillings = {"@PORT@": "53", "@UPSTREAM@": "54", "@GRPC@": "55", "@DIR@": str(tmp_path)}
    fillings |= dict.fromkeys(("@API@", "@ETCD@", "@NOMAD@"), "http://127.0.0.1:1")
    corefile = SCENES[name].corefile
    for place, value in fillings.items():
        corefile = corefile.replace(place, value)

    blocks = parse(corefile, "Corefile", ORDER, {}, Files(lambda path: "", lambda pattern: [], print))

    if is_there(blocks):
        around = Surroundings(Metrics(), {}, tmp_path, lambda level, message: None)
        assert len(set_up(blocks, around).sites) == len(blocks)
