"""64 clients at once, while the daemon lives and while it is killed: nothing is lost, nothing is given twice."""

import asyncio
from pathlib import Path

import pytest

from bench import kill
from bench.racing import Race

ANSWERS = 2500


async def race(port: int, seed: int) -> list[str]:
    """Have 64 clients race, and tell what was wrong."""
    ran = Race(seed)
    await ran.run(port, ANSWERS, ran.stop)
    assert ran.answers >= ANSWERS
    return [*await asyncio.to_thread(lambda: [*kill.found_wrong(port, ran)])]


async def test_what_64_clients_see_is_one_history(tmp_path: Path) -> None:
    config = tmp_path / "ipamd.toml"
    config.write_text(kill.CONFIG.format(cooldown=0))
    with kill.daemon(config, tmp_path) as (_, port):
        assert await race(port, 1) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_was_acknowledged_stands_after_a_kill(tmp_path: Path, seed: int) -> None:
    result = kill.run(tmp_path, rounds=3, seed=seed, most_answers=500)

    assert result.rounds == 3
    assert result.lost > 0
