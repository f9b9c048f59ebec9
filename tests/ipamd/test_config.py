"""The configuration: what is read, what is refused, and that the shipped file says what ipamd does without one."""

from pathlib import Path

import pytest

from ipamd.config import DEFAULT_POOLS, CniTable, DefaultPool, DockerTable, Endpoint, read_config, state_directory
from ipamd.errors import ConfigError
from ipamd.model import Pool

SHIPPED = Path(__file__).parents[2] / "configs" / "ipamd.toml"


def written(tmp_path: Path, text: str) -> Path:
    """A file with that text."""
    path = tmp_path / "ipamd.toml"
    path.write_text(text)
    return path


def test_the_shipped_file_says_what_ipamd_does_without_one() -> None:
    assert read_config(SHIPPED, None, None) == read_config(None, None, None)


def test_a_file_sets_everything(tmp_path: Path) -> None:
    text = """
        listen = "[::1]:9"
        store = "sqlite:/x/y.sqlite"
        retention = 5
        [pools.p]
        cidrs = ["10.0.0.0/24", "10.0.2.0/24"]
        purpose = "lb"
        strategy = "random"
        exclude = ["10.0.0.1"]
        gateway = "10.0.0.2"
        block_size = 28
    """
    config = read_config(written(tmp_path, text), None, None)

    assert (config.listen, config.store, config.retention) == (Endpoint("::1", 9), Path("/x/y.sqlite"), 5)
    assert str(config.listen) == "[::1]:9"
    assert config.pools == (Pool("p", ("10.0.0.0/24", "10.0.2.0/24"), "lb", "random", ("10.0.0.1",), "10.0.0.2", 28),)


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'listen = "127.0.0.1:1"\nstore = "sqlite:/a"')
    config = read_config(path, "0.0.0.0:2", "sqlite:/b")

    assert (config.listen, config.store) == (Endpoint("0.0.0.0", 2), Path("/b"))
    assert config.pools == DEFAULT_POOLS


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lissen = 1", "unknown key 'lissen'; there are listen, store, retention, dns_ttl, grace, "),
        ("[pools.p]\ncidr = []", r"\[pools.p\] has an unknown key 'cidr'; there are cidrs, purpose"),
        ("[pools.p]", "cidrs"),
        ("[pools.p]\ncidrs = ['10.0.0.1/8']", r"ipamd.toml: \[pools.p\]: 10.0.0.1/8 has bits set"),
        ("[pools.p]\ncidrs = ['10.0.0.0/8']\npurpose = 'x'", "purpose"),
        ("[pools.P]\ncidrs = ['10.0.0.0/8']", "no name of a pool"),
        ("pools = 3", "pools"),
        ("[cni]\nsokket = 'x'", r"\[cni\] has an unknown key 'sokket'; there are socket, gc_grace"),
        ("[cni]\ngc_grace = -1", "cni.gc_grace is a number of seconds, not -1"),
        ("[docker]\nsock = 'x'", r"\[docker\] has an unknown key 'sock'; there are socket, api, grace, default_pools"),
        ("[docker]\ngrace = -1", "ipamd.toml: docker.grace is a number of seconds, not -1"),
        ("[docker]\ndefault_pools = [{base = 'x', size = 24}]", "docker.default_pools: "),
        ("[docker]\ndefault_pools = [{base = '10.0.0.0/16', size = 8}]", "10.0.0.0/16 has no networks of length 8"),
        ("[docker]\ndefault_pools = [{base = '10.0.0.0/16', size = 33}]", "10.0.0.0/16 has no networks of length 33"),
        ("retention = 'x'", "retention"),
        ("retention = 0", "ipamd.toml: retention is a number of changes, at least 1, not 0"),
        ("history_days = 0", "ipamd.toml: dns_ttl, grace and reconcile_grace are seconds, 0 at least, and"),
        ("listen = '127.0.0.1'", "listen is HOST:PORT"),
        ("listen = '127.0.0.1:70000'", "listen is HOST:PORT"),
        ("listen = '::1:80'", "stands in brackets"),
        ("listen = '[127.0.0.1]:80'", "stands in brackets"),
        ("listen = ':80'", "listen is HOST:PORT"),
        ("store = 'etcd:x'", "store is sqlite:PATH"),
        ("store = 'sqlite:'", "store is sqlite:PATH"),
        ("x = ", "ipamd.toml is no TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_config(written(tmp_path, text), None, None)


def test_container_runtimes_are_served_where_the_file_or_the_flag_says(tmp_path: Path) -> None:
    assert read_config(None, None, None).cni is None
    assert read_config(written(tmp_path, "[cni]"), None, None).cni == CniTable("/run/ipamd/cni.sock", 10)
    table = written(tmp_path, '[cni]\nsocket = "/x/cni.sock"\ngc_grace = 60')
    assert read_config(table, None, None).cni == CniTable("/x/cni.sock", 60)
    assert read_config(table, None, None, "/y/cni.sock").cni == CniTable("/y/cni.sock", 60)
    assert read_config(None, None, None, "/y/cni.sock").cni == CniTable("/y/cni.sock", 10)


def test_dockerd_is_served_where_the_file_says(tmp_path: Path) -> None:
    assert read_config(None, None, None).docker is None
    assert read_config(written(tmp_path, "[docker]"), None, None).docker == DockerTable()
    text = """
        [docker]
        socket = "/x/other.sock"
        api = ""
        grace = 0
        default_pools = [{base = "10.0.0.0/8", size = 24}, {base = "fd00::/48", size = 64}]
    """
    pools = (DefaultPool("10.0.0.0/8", 24), DefaultPool("fd00::/48", 64))
    assert read_config(written(tmp_path, text), None, None).docker == DockerTable("/x/other.sock", "", 0, pools)


def test_what_the_shipped_file_shows_of_containers_are_the_defaults(tmp_path: Path) -> None:
    _, _, tables = SHIPPED.read_text().partition("# [cni]\n")
    lines = [line.removeprefix("# ") for line in f"[cni]\n{tables}".splitlines() if not line.startswith("# Docker:")]
    config = read_config(written(tmp_path, "\n".join(lines)), None, None)

    assert (config.cni, config.docker) == (CniTable(), DockerTable())


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nope.toml: No such file"):
        read_config(tmp_path / "nope.toml", None, None)


@pytest.mark.parametrize(
    ("variables", "user", "expected"),
    [
        ({"STATE_DIRECTORY": "/run/a:/run/b"}, 1000, "/run/a"),
        ({}, 0, "/var/lib/ipamd"),
        ({"XDG_STATE_HOME": "/x"}, 1000, "/x/ipamd"),
        ({"HOME": "/home/u"}, 1000, "/home/u/.local/state/ipamd"),
    ],
)
def test_state_is_kept_where_the_system_has_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], user: int, expected: str
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.geteuid", lambda: user)

    assert state_directory() == Path(expected)
