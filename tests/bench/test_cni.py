"""The benchmark of the CNI plugin; what it measures is not judged here."""

from pathlib import Path

from bench import cni


def test_both_plugins_add(tmp_path: Path) -> None:
    with cni.plugins(tmp_path, leases=3) as adders:
        taken = {name: cni.seconds_each(add, cni.FULL, "c", at_once=4) for name, add in adders.items()}
        shown = cni.row("alone", adders, 1, "new-{}-{}")

    assert set(taken) == {"ipamd", "host-local"}
    assert min(taken.values()) > 0
    assert len([*(tmp_path / cni.FULL).glob("10.*")]) == 3 + cni.ADDS
    assert shown.title == "alone"
    assert shown.ratio == shown.ours / shown.theirs
