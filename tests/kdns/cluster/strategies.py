"""Kubernetes objects for property tests: few names and addresses, so that they meet."""

from hypothesis import strategies as st

from tests.kdns.cluster.making import Object, external, namespace, pod, service, service_import, slice_of

NAMES = st.sampled_from(["a", "b"])
SPACES = st.sampled_from(["n", "m"])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"])
IPS = st.lists(ADDRESSES, min_size=1, max_size=3, unique=True) | st.just(["None"])
PORTS = st.sampled_from([[], [("http", 80, "TCP")], [("http", 80, "TCP"), ("x", 1, "UDP")]])
ENDPOINTS = st.lists(
    st.fixed_dictionaries(
        {"addresses": st.lists(ADDRESSES, max_size=2)},
        optional={
            "hostname": st.sampled_from(["e", "f"]),
            "zone": st.sampled_from(["eu", "us"]),
            "conditions": st.fixed_dictionaries({"ready": st.booleans()}),
        },
    ),
    max_size=3,
)
OBJECTS: st.SearchStrategy[Object] = st.one_of(
    st.builds(lambda n, ips, ports, ns: service(n, ips, ports, ns=ns), NAMES, IPS, PORTS, SPACES),
    st.builds(lambda n, target, ns: external(n, f"{target}.{ns}.svc.cluster.local", ns=ns), NAMES, NAMES, SPACES),
    st.builds(lambda n, ips, ports: service_import(n, ips, ports, ns="n"), NAMES, st.just([]) | IPS, PORTS),
    st.builds(lambda o, e, p, ns, n: slice_of(o, e, p, ns=ns, name=n), NAMES, ENDPOINTS, PORTS, SPACES, NAMES),
    st.builds(lambda o, e, p: slice_of(o, e, p, ns="n", name="far", cluster="c1"), NAMES, ENDPOINTS, PORTS),
    st.builds(namespace, SPACES),
    st.builds(lambda n, ip, ns: pod(n, ip, ns=ns), NAMES, st.none() | ADDRESSES, SPACES),
)
