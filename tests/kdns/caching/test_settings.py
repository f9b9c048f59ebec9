"""The cache directive as values."""

import pytest

from kdns.caching.settings import Settings, Shelf, read
from kdns.errors import ConfigError
from kdns.wire import names
from tests.kdns.asking import args

ROOT = (names.ROOT,)
ORG = (names.parse("example.org"),)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("cache", Settings(ROOT)),
        ("cache 30", Settings(ROOT, Shelf(most=30), Shelf(most=30))),
        ("cache example.org", Settings(ORG)),
        ("cache 30 EXAMPLE.org", Settings(ORG, Shelf(most=30), Shelf(most=30))),
        ("cache {\n success 5000\n}", Settings(ROOT, Shelf(5000))),
        ("cache {\n success 5000 100 10\n denial 200 50 0\n}", Settings(ROOT, Shelf(5000, 100, 10), Shelf(200, 50, 0))),
        ("cache 30 {\n denial 10\n}", Settings(ROOT, Shelf(most=30), Shelf(10, 30))),
        ("cache {\n prefetch 3\n}", Settings(ROOT, prefetch=3)),
        ("cache {\n prefetch 3 5m 20%\n}", Settings(ROOT, prefetch=3, gap=300, percentage=20)),
        ("cache {\n serve_stale\n}", Settings(ROOT, stale=3600)),
        ("cache {\n serve_stale 1m IMMEDIATE 30s 5s\n}", Settings(ROOT, stale=60, stale_ttl=30, recheck=5)),
        (
            "cache {\n serve_stale 1m verify 100ms 30s 5s\n}",
            Settings(ROOT, stale=60, verify=True, verify_timeout=0.1, stale_ttl=30, recheck=5),
        ),
        (
            "cache {\n serve_stale_policy prefer_positive\n serve_stale\n}",
            Settings(ROOT, stale=3600, prefer_positive=True),
        ),
        ("cache {\n servfail 0\n}", Settings(ROOT, servfail=0)),
        ("cache {\n disable success\n}", Settings(ROOT, except_success=ROOT)),
        ("cache {\n disable denial example.org\n}", Settings(ROOT, except_denial=ORG)),
        ("cache {\n keepttl\n}", Settings(ROOT, keep_ttl=True)),
    ],
)
def test_the_directive_says_what_is_kept(text: str, settings: Settings) -> None:
    assert read(args(text)) == settings


def test_without_zones_the_server_blocks_own_count() -> None:
    assert read(args("cache", zones="example.org")).zones == ORG


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cache 0", "cache TTL can not be zero or negative: 0"),
        ("cache\ncache", "this plugin can only be used once per Server Block"),
        ("cache {\n success\n}", "Wrong argument count or unexpected line ending after 'success'"),
        ("cache {\n success many\n}", 'strconv.Atoi: parsing "many": invalid syntax'),
        ("cache {\n success 1 0\n}", "cache TTL can not be zero or negative: 0"),
        ("cache {\n denial 1 1 -1\n}", "cache min TTL can not be negative: -1"),
        ("cache {\n positive 15\n}", "Wrong argument count or unexpected line ending after 'positive'"),
        ("cache {\n prefetch -1\n}", "prefetch amount should be positive: -1"),
        ("cache {\n prefetch 1 soon\n}", 'time: invalid duration "soon"'),
        ("cache {\n prefetch 1 1m 10\n}", "last character of percentage should be `%`, but is: '0'"),
        ("cache {\n prefetch 1 1m 9%\n}", r"percentage should fall in range \[10, 90\]: 9"),
        ("cache {\n serve_stale -1s\n}", "invalid negative duration for serve_stale"),
        ("cache {\n serve_stale 1m later\n}", "invalid value for serve_stale refresh mode: later"),
        ("cache {\n serve_stale 1m immediate 100ms\n}", "must be a whole number of seconds"),
        ("cache {\n serve_stale 1m immediate 4294967296s\n}", "exceeds the DNS TTL range"),
        ("cache {\n serve_stale 1m immediate 1s 6m\n}", "failure recheck cannot exceed 5 minutes"),
        ("cache {\n serve_stale 1m immediate 1s 1s 1s\n}", "Wrong argument count"),
        ("cache {\n serve_stale 1m verify x\n}", "invalid serve_stale verify timeout: time: invalid duration"),
        ("cache {\n serve_stale 1m verify -1s\n}", "invalid negative timeout for serve_stale verify"),
        ("cache {\n serve_stale_policy prefer_positive\n}", "serve_stale_policy requires serve_stale"),
        (
            "cache {\n serve_stale\n serve_stale_policy prefer_positive\n serve_stale_policy prefer_positive\n}",
            "serve_stale_policy can only be specified once",
        ),
        ("cache {\n serve_stale\n serve_stale_policy other\n}", "invalid serve_stale_policy: other"),
        ("cache {\n servfail 6m\n}", "caching SERVFAIL responses over 5 minutes is not permitted"),
        ("cache {\n servfail -1s\n}", "invalid negative ttl for servfail"),
        ("cache {\n disable all\n}", 'cache type for disable must be "success" or "denial"'),
        ("cache {\n disable success a..b\n}", "invalid disabled zone: a..b"),
        ("cache {\n keepttl 1\n}", "Wrong argument count"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read(args(text))
