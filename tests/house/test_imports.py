"""Who may import whom, and where imports stand.

A rule that the code teaches better is changed here, with the reason beside it.
"""

import ast
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

from tests.house.tree import OURS, SOURCES, each_source, functions, imported, module

# Module pattern, the modules of ours that it may import, why. The first row that fits counts; its own package is the
# reader's to add.
DIRECTIONS = [
    ("kdns", (), "the version, and nothing else"),
    ("kdns.about", ("kdns",), "what the software says of itself"),
    ("kdns.errors", (), "the bottom: everybody raises"),
    ("kdns.compiled", (), "modules found, whatever they do"),
    ("kdns.wire*", ("kdns.compiled", "kdns.errors", "kdns.wire*"), "octets know nothing of servers"),
    ("kdns.metrics", ("kdns.errors",), "counted by everybody"),
    ("kdns.eager", (), "coroutines, whatever they do"),
    ("kdns.tracing", (), "values, and how collectors want them"),
    ("kdns.chain", ("kdns.errors", "kdns.tracing", "kdns.wire*"), "the plugin's shape"),
    ("kdns.fitting", ("kdns.chain", "kdns.wire*"), "values to octets"),
    ("kdns.placeholders", ("kdns.chain", "kdns.wire*"), "values to text"),
    ("kdns.tapping", ("kdns.chain", "kdns.fitting", "kdns.wire*"), "values, as dnstap has them"),
    ("kdns.reach", ("kdns.wire*",), "zones compared"),
    ("kdns.runtime", (), "what the interpreter says of itself"),
    ("kdns.memo", ("kdns.chain", "kdns.wire*"), "octets under octets"),
    ("kdns.stencils", ("kdns.chain", "kdns.memo", "kdns.wire*"), "octets around a name"),
    ("kdns.passage", ("kdns.chain", "kdns.wire*"), "plugins called one after the other"),
    ("kdns.block", ("kdns.chain", "kdns.passage", "kdns.wire*"), "a choice among values"),
    ("kdns.counting", ("kdns.chain", "kdns.metrics", "kdns.wire*"), "what is counted of a query"),
    ("kdns.corefile*", ("kdns.errors", "kdns.metrics", "kdns.wire*", "kdns.corefile*"), "text to values"),
    ("kdns.zone*", ("kdns.errors", "kdns.wire*", "kdns.zone*"), "tables of records, whoever serves them"),
    (
        "kdns.cluster.settings",
        ("kdns.errors", "kdns.corefile*", "kdns.wire*", "kdns.cluster*"),
        "what kubernetes's properties mean",
    ),
    ("kdns.cluster*", ("kdns.errors", "kdns.wire*", "kdns.cluster*"), "objects to records, whoever serves them"),
    (
        "kdns.caching*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.metrics", "kdns.wire*", "kdns.caching*"),
        "replies kept, whoever keeps them",
    ),
    ("kdns.skydns*", ("kdns.errors", "kdns.wire*", "kdns.skydns*"), "a layout, whoever keeps the keys"),
    (
        "kdns.forwarding*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.wire*", "kdns.transport*", "kdns.forwarding*"),
        "what forward's properties mean",
    ),
    (
        "kdns.rewriting*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.wire*", "kdns.rewriting*"),
        "what rewrite's rules mean",
    ),
    (
        "kdns.expression*",
        ("kdns.errors", "kdns.chain", "kdns.corefile.patterns", "kdns.wire*", "kdns.expression*"),
        "a language, whoever uses it",
    ),
    (
        "kdns.templating*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.expression*", "kdns.wire*", "kdns.zone.text",
         "kdns.templating*"),
        "another language",
    ),
    (
        "kdns.transport*",
        ("kdns", "kdns.compiled", "kdns.errors", "kdns.answer", "kdns.chain", "kdns.eager", "kdns.memo", "kdns.metrics",
         "kdns.corefile*", "kdns.tracing", "kdns.wire*", "kdns.transport*"),
        "octets to and fro: a listener knows the answers, and no plugin",
    ),
    (
        "kdns.web*",
        ("kdns.errors", "kdns.answer", "kdns.chain", "kdns.memo", "kdns.tracing",
         "kdns.transport*", "kdns.wire*", "kdns.web*"),
        "DNS within other protocols; it knows the answers, and no plugin",
    ),
    (
        "kdns.acme*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.wire*", "kdns.transport*", "kdns.acme*"),
        "certificates fetched; the listeners read their files",
    ),
    (
        "kdns.authority*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.wire*", "kdns.zone*", "kdns.transport*",
         "kdns.authority*"),
        "zones in service, whichever plugin has them",
    ),
    (
        "kdns.answer",
        ("kdns.block", "kdns.chain", "kdns.counting", "kdns.eager", "kdns.errors", "kdns.fitting", "kdns.memo",
         "kdns.metrics", "kdns.passage", "kdns.stencils", "kdns.wire*"),
        "from octets to octets, the same for every transport",
    ),
    ("kdns.plugins", (), "the order is data"),
    (
        "kdns.plugins.*",
        ("kdns", "kdns.about", "kdns.acme*", "kdns.errors", "kdns.authority*", "kdns.chain", "kdns.counting",
         "kdns.eager",
         "kdns.metrics", "kdns.placeholders", "kdns.reach", "kdns.runtime", "kdns.tapping", "kdns.tracing",
         "kdns.corefile*",
         "kdns.wire*", "kdns.cluster*", "kdns.zone*",
         "kdns.skydns*", "kdns.caching*",
         "kdns.forwarding*", "kdns.rewriting*", "kdns.expression*", "kdns.templating*", "kdns.transport*"),
        "a plugin knows the shape and the nouns, never another plugin",
    ),
    ("kdns.up", (), "the demo starts processes; it is none of them"),
    ("kdns.*", ("kdns*",), "the shell that ties things together"),
    ("ipamd", (), "the version, and nothing else"),
    ("ipamd.json", (), "a type"),
    ("ipamd.errors", ("ipamd.json",), "the bottom: everybody raises"),
    ("ipamd.model", ("ipamd.json",), "values"),
    ("ipamd.conditions", ("ipamd.errors",), "revisions compared"),
    ("ipamd.ranges", ("ipamd.errors", "ipamd.model"), "addresses as numbers"),
    ("ipamd.freesets", ("ipamd.ranges",), "sets of them"),
    ("ipamd.reservations", ("ipamd.freesets", "ipamd.model", "ipamd.ranges"), "what is kept for somebody"),
    ("ipamd.bands", ("ipamd.ranges",), "where to look"),
    ("ipamd.admission", ("ipamd.errors", "ipamd.model", "ipamd.selectors"), "whom a pool is for"),
    (
        "ipamd.pool_rules",
        ("ipamd.admission", "ipamd.errors", "ipamd.freesets", "ipamd.model", "ipamd.ranges", "ipamd.reservations"),
        "what a pool may be",
    ),
    (
        "ipamd.allocator",
        ("ipamd.admission", "ipamd.bands", "ipamd.errors", "ipamd.freesets", "ipamd.model", "ipamd.pool_rules",
         "ipamd.ranges", "ipamd.reservations"),
        "the choice in one pool, and no store",
    ),
    ("ipamd.selectors", ("ipamd.errors",), "text to a predicate"),
    ("ipamd.patch", ("ipamd.errors", "ipamd.json"), "documents to a document"),
    ("ipamd.config", ("ipamd.errors", "ipamd.model", "ipamd.pool_rules", "ipamd.ranges"), "a file to values"),
    ("ipamd.stores*", ("ipamd.errors", "ipamd.json", "ipamd.model", "ipamd.ranges", "ipamd.stores*"), "rows, durable"),
    ("ipamd.log", ("ipamd.errors", "ipamd.stores"), "the store's changes, read"),
    ("ipamd.unix_sockets", ("ipamd.errors",), "where runtimes call"),
    ("ipamd.pool_index", ("ipamd.allocator", "ipamd.model", "ipamd.ranges"), "the spaces, sorted"),
    (
        "ipamd.pools",
        ("ipamd.allocator", "ipamd.errors", "ipamd.model", "ipamd.pool_index", "ipamd.ranges", "ipamd.stores"),
        "what is free, beside the store",
    ),
    (
        "ipamd.choosing",
        ("ipamd.admission", "ipamd.allocator", "ipamd.errors", "ipamd.json", "ipamd.model", "ipamd.ranges",
         "ipamd.stores"),
        "the choice among pools",
    ),
    (
        "ipamd.leases",
        ("ipamd", "ipamd.allocator", "ipamd.choosing", "ipamd.errors", "ipamd.model", "ipamd.pools", "ipamd.ranges",
         "ipamd.stores"),
        "choice and record in one transaction",
    ),
    ("ipamd.explaining", ("ipamd.errors", "ipamd.model"), "the choice again, for people"),
    ("ipamd.gone_nodes", ("ipamd.stores",), "notes in the store"),
    (
        "ipamd.witnesses",
        ("ipamd", "ipamd.cni.attachments", "ipamd.gone_nodes", "ipamd.kube.document", "ipamd.model",
         "ipamd.pod_of_lease", "ipamd.stores"),
        "who says that an owner is gone",
    ),
    (
        "ipamd.fsck*",
        ("ipamd", "ipamd.allocator", "ipamd.cni.attachments", "ipamd.errors", "ipamd.fsck*", "ipamd.json",
         "ipamd.kube.document", "ipamd.model", "ipamd.pod_of_lease", "ipamd.pools", "ipamd.ranges", "ipamd.service",
         "ipamd.stores"),
        "what must hold of all the others",
    ),
    ("ipamd.endpoints", ("ipamd.kube*",), "Service and Pods to slices"),
    (
        "ipamd.kube*",
        ("ipamd", "ipamd.allocator", "ipamd.bands", "ipamd.cni.attachments", "ipamd.endpoints", "ipamd.errors",
         "ipamd.gone_nodes", "ipamd.json",
         "ipamd.leases", "ipamd.model", "ipamd.pool_rules", "ipamd.pools", "ipamd.ranges", "ipamd.selectors",
         "ipamd.stores", "ipamd.kube*"),
        "the Kubernetes API apart from HTTP",
    ),
    (
        "ipamd.http*",
        ("ipamd", "ipamd.cni.adding", "ipamd.cni.importing", "ipamd.cni.networks", "ipamd.conditions", "ipamd.errors",
         "ipamd.explaining",
         "ipamd.fsck*", "ipamd.json",
         "ipamd.kube*", "ipamd.metrics", "ipamd.model", "ipamd.patch", "ipamd.ranges",
         "ipamd.events", "ipamd.reconciling", "ipamd.service", "ipamd.stores", "ipamd.witnesses", "ipamd.http*"),
        "requests in, replies out; no allocation here",
    ),
    ("ipamd.cni.executable", (), "it stands alone where it is installed"),
    (
        "ipamd.cni*",
        ("ipamd", "ipamd.allocator", "ipamd.errors", "ipamd.gone_nodes", "ipamd.json", "ipamd.kube.document",
         "ipamd.leases", "ipamd.model",
         "ipamd.pod_of_lease", "ipamd.pools", "ipamd.ranges", "ipamd.service", "ipamd.stores", "ipamd.unix_sockets",
         "ipamd.cni*"),
        "what container runtimes ask for, as leases",
    ),
    (
        "ipamd.ctl.fsck",
        ("ipamd.ctl*", "ipamd.errors", "ipamd.fsck", "ipamd.json", "ipamd.stores", "ipamd.stores.sqlite_file"),
        "reads a store, where no daemon does",
    ),
    (
        "ipamd.ctl.backups",
        ("ipamd.ctl*", "ipamd.errors", "ipamd.json", "ipamd.stores.sqlite_copy"),
        "puts a store in its place, while no daemon has it",
    ),
    (
        "ipamd.docker*",
        ("ipamd.allocator", "ipamd.errors", "ipamd.events", "ipamd.http.routes", "ipamd.unix_sockets",
         "ipamd.http.server", "ipamd.json", "ipamd.kube.document", "ipamd.kube.kinds", "ipamd.kube.metadata",
         "ipamd.leases", "ipamd.metrics", "ipamd.model", "ipamd.pod_of_lease", "ipamd.pools", "ipamd.ranges",
         "ipamd.service", "ipamd.stores", "ipamd.docker*"),
        "what dockerd asks for, as leases",
    ),
    (
        "ipamd.ctl*",
        ("ipamd", "ipamd.errors", "ipamd.json", "ipamd.kube.document", "ipamd.kube.kinds", "ipamd.cni.document",
         "ipamd.cni.installing", "ipamd.cni.whereabouts", "ipamd.ctl*"),
        "a client: it asks over HTTP and knows no store",
    ),
    ("ipamd.*", ("ipamd*",), "the daemon that ties things together"),
]  # fmt: skip

# Modules without I/O: no event loop, socket, clock, chance or disk.
PURE = (
    "kdns.errors", "kdns.chain", "kdns.tracing", "kdns.reach", "kdns.block", "kdns.memo", "kdns.stencils",
    "kdns.counting", "kdns.fitting", "kdns.placeholders", "kdns.tapping", "kdns.wire*", "kdns.cluster*",
    "kdns.zone*", "kdns.skydns*", "kdns.corefile*", "kdns.rewriting*", "kdns.expression*", "kdns.templating*",
    "kdns.transport.backoff", "kdns.transport.listwatch",
    "ipamd.errors", "ipamd.json", "ipamd.model", "ipamd.conditions", "ipamd.ranges", "ipamd.freesets",
    "ipamd.admission", "ipamd.bands", "ipamd.endpoints", "ipamd.selectors", "ipamd.patch", "ipamd.kube.shapes",
    "ipamd.kube.service_rules",
    "ipamd.reservations", "ipamd.pool_rules", "ipamd.pool_index", "ipamd.forecast", "ipamd.events",
    "ipamd.witnesses", "ipamd.cni.tombstones",
    "ipamd.kube.strategic", "ipamd.kube.table", "ipamd.kube.discovery", "ipamd.kube.openapi",
    "ipamd.kube.service_ranges", "ipamd.kube.cidr_set", "ipamd.kube.pool_ends",
    "ipamd.kube.protobuf", "ipamd.cni.arguments", "ipamd.cni.codes", "ipamd.cni.document", "ipamd.cni.frames",
    "ipamd.cni.host_local", "ipamd.cni.plan", "ipamd.cni.planning", "ipamd.cni.refusals", "ipamd.cni.results",
    "ipamd.cni.skeleton", "ipamd.cni.whereabouts", "ipamd.docker.messages", "ipamd.docker.refusals",
)  # fmt: skip
IO = {
    "aiohttp", "apsw", "asyncio", "http.client", "os", "random", "secrets", "select", "selectors", "socket", "sqlite3",
    "ssl", "subprocess", "threading", "time", "urllib.request",
}  # fmt: skip

# Imports inside functions, each with its reason.
LAZY = {
    "kdns.__main__": "`-version` and `-plugins` answer at once, without loading the server",
    "ipamd.__main__": "`--version` answers at once, without loading the server",
    "ipamd.ctl.apply": "the progress bar takes longer to import than a short command takes to run",
}


def ours(path: Path) -> set[str]:
    return {target for _, target in imported(path) if target.split(".")[0] in ("kdns", "ipamd")}


@each_source
def test_imports_go_the_allowed_way(path: Path) -> None:
    name = module(path)
    allowed, why = next((row[1], row[2]) for row in DIRECTIONS if fnmatch(name, row[0]))
    for target in ours(path):
        assert any(fnmatch(target, pattern) for pattern in allowed), f"{name} imports {target}: {why}"


def test_no_row_of_the_table_is_without_a_module() -> None:
    firsts = [next(pattern for pattern, _, _ in DIRECTIONS if fnmatch(name, pattern)) for name in OURS]
    assert {pattern for pattern, _, _ in DIRECTIONS} == set(firsts)
    assert all(any(fnmatch(name, pattern) for name in OURS) for pattern in (*PURE, *LAZY))


def test_modules_do_not_import_each_other_in_a_ring() -> None:
    TopologicalSorter({module(path): ours(path) - {module(path)} for path in SOURCES}).prepare()  # raises CycleError


def test_both_packages_meet_only_at_the_protocol() -> None:
    for path in SOURCES:
        other = "ipamd" if module(path).startswith("kdns") else "kdns"
        assert not any(target.split(".")[0] == other for target in ours(path)), path


@each_source
def test_pure_modules_do_no_io(path: Path) -> None:
    if any(fnmatch(module(path), pattern) for pattern in PURE):
        for _, target in imported(path):
            assert not any(f"{target}.".startswith(f"{name}.") for name in IO), target


@each_source
def test_imports_stand_at_the_top(path: Path) -> None:
    inner = [node for function in functions(path) for node in ast.walk(function)]
    assert any(isinstance(node, ast.Import | ast.ImportFrom) for node in inner) == (module(path) in LAZY)
    assert "TYPE_CHECKING" not in path.read_text()
