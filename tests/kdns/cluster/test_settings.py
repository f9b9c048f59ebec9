"""The properties of a `kubernetes` directive."""

from pathlib import Path

import pytest

from kdns.cluster.settings import Settings, read
from kdns.corefile import Fall
from kdns.errors import ConfigError
from kdns.wire import names
from tests.kdns.asking import args

CLUSTER, SET = names.parse("cluster.local"), names.parse("clusterset.local")


def settings(properties: str, zones: str = "cluster.local", **more: object) -> Settings:
    return read(args(f"kubernetes {zones} {{\n{properties}\n}}", **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("", {}),
        ("endpoint http://a:1", {"endpoint": "http://a:1"}),
        ("tls c.pem k.pem /ca.pem", {"tls": (Path("c.pem"), Path("k.pem"), Path("/ca.pem"))}),
        ("kubeconfig config", {"kubeconfig": (Path("config"), "")}),
        ("kubeconfig config here", {"kubeconfig": (Path("config"), "here")}),
        ("apiserver_qps 50.5\napiserver_burst 100\napiserver_max_inflight 25", {}),
        ("namespaces a B\nnamespaces c", {"namespaces": (b"\x01a", b"\x01b", b"\x01c")}),
        ("namespace_labels a=b", {"namespace_labels": "a=b"}),
        ("labels e in (production, qa),app=nginx", {"labels": "e in (production, qa),app=nginx"}),
        ("pods verified", {"pods": "verified"}),
        ("pods insecure\ndotted_pod_names", {"pods": "insecure", "dotted": True}),
        ("endpoint_pod_names", {"pod_names": True}),
        ("ttl 0", {"ttl": 0}),
        ("ttl 3600", {"ttl": 3600}),
        ("noendpoints", {"endpoints": False}),
        ("fallthrough", {"fall": Fall((names.ROOT,))}),
        ("fallthrough in-addr.arpa ip6.arpa", {"fall": Fall((names.parse("in-addr.arpa"), names.parse("ip6.arpa")))}),
        ("ignore empty_service and more", {"ignore_empty": True}),
        ("multicluster", {}),
        ("zonal", {"zonal": True}),
        ("startup_timeout 1m", {"startup_timeout": 60.0}),
    ],
)
def test_a_property_sets_what_it_says(properties: str, expected: dict[str, object]) -> None:
    assert settings(properties, directory=Path("/etc/k")) == Settings((CLUSTER,), **expected)  # type: ignore[arg-type]


def test_a_zone_of_several_can_be_a_clusterset_s() -> None:
    assert settings("multicluster clusterset.local", "cluster.local clusterset.local") == Settings(
        (CLUSTER, SET), clustersets=(SET,)
    )


def test_without_zones_of_its_own_it_has_the_block_s() -> None:
    assert read(args("kubernetes", zones="cluster.local 10.0.0.0/8")).zones == (CLUSTER, names.parse("10.in-addr.arpa"))


def test_of_several_endpoints_the_first_is_used_with_a_word_about_it() -> None:
    said: list[str] = []
    chosen = settings("endpoint http://a http://b", log=lambda level, text: said.append(f"{level} {text}"))
    assert chosen.endpoint == "http://a"
    expected = "only the first specified endpoint 'http://a' is used"
    assert said == [f"WARNING Multiple endpoints have been deprecated, {expected}"]


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ("pods sometimes", "wrong value for pods: sometimes,  must be one of: disabled, verified, insecure"),
        ("pods", "Wrong argument count or unexpected line ending after 'pods'"),
        ("ttl 3601", r"ttl must be in range \[0, 3600\]: 3601"),
        ("ttl -1", r"ttl must be in range \[0, 3600\]: -1"),
        ("ttl x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("namespaces a\nnamespace_labels a=b", "namespaces and namespace_labels cannot both be set"),
        ("namespaces " + "n" * 64, "not a namespace: label of 64 octets"),
        ("labels a in (b", r"unable to parse label selector value: 'a in \(b'"),
        ("namespace_labels ?", r"unable to parse namespace_label selector value: '\?'"),
        ("ignore pods", "unable to parse ignore value: 'pods'"),
        ("multicluster o.local", r"is not authoritative for the multicluster zone o.local. \(authoritative zones: \["),
        ("zonal\nnoendpoints", "zonal requires the endpoint cache; remove noendpoints"),
        ("zonal us-west-2a", "Wrong argument count"),
        ("dotted_pod_names", "dotted_pod_names requires pods insecure or verified"),
        ("startup_timeout soon", "failed to parse startup_timeout: soon, "),
        ("apiserver_qps -1", "apiserver_qps must be >= 0"),
        ("apiserver_qps x", 'invalid apiserver_qps "x": strconv.ParseFloat: parsing "x": invalid syntax'),
        ("apiserver_burst x", 'invalid apiserver_burst "x": strconv.Atoi: parsing "x": invalid syntax'),
        ("apiserver_max_inflight -1", "apiserver_max_inflight must be >= 0"),
        ("tls a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("kubeconfig", "Wrong argument count"),
        ("kubeconfig file context more", "Wrong argument count"),
        ("endpoint", "Wrong argument count"),
        ("endpoint_pod_names x", "Wrong argument count"),
        ("noendpoints x", "Wrong argument count"),
        ("upstream", "unknown property 'upstream'"),
        ("resyncperiod 5m", "unknown property 'resyncperiod'"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_in_the_corefile(properties: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        settings(properties)


def test_needs_a_zone_that_is_not_a_reverse_one() -> None:
    with pytest.raises(ConfigError, match="non-reverse zone name must be used"):
        settings("", "10.0.0.0/8 192.168.0.0/16")


def test_may_stand_once_in_a_block() -> None:
    with pytest.raises(ConfigError, match="this plugin can only be used once per Server Block"):
        read(args("kubernetes a.\nkubernetes b."))
