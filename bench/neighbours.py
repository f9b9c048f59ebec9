"""Corefiles for the comparison with a CoreDNS that are about other plugins than kubernetes, and what to ask of each.

Every scene is served by both, in front of one upstream (a CoreDNS with the zone UPSTREAM). What chance decides has no
scene: policies of forward, orders of loadbalance but for what is in a reply.
"""

from typing import NamedTuple

UPSTREAM = """\
$ORIGIN example.org.
@ 300 IN SOA ns.example.org. root.example.org. 1 7200 1800 86400 60
@ 300 IN NS ns.example.org.
@ 300 IN MX 10 mail.example.org.
@ 300 IN TXT "v=spf1 -all" "second string"
ns 300 IN A 192.0.2.53
mail 300 IN A 192.0.2.25
mail 300 IN AAAA 2001:db8::25
www 300 IN CNAME web.example.org.
web 60 IN A 192.0.2.80
web 60 IN A 192.0.2.81
web 60 IN AAAA 2001:db8::80
short 1 IN A 192.0.2.1
zero 0 IN A 192.0.2.2
long 604800 IN A 192.0.2.3
mixed 7 IN TXT "a"
outside 300 IN CNAME elsewhere.example.net.
loop 300 IN CNAME loop.example.org.
_http._tcp 300 IN SRV 10 20 80 web.example.org.
naptr 300 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:x@example.org!" .
ptr 300 IN PTR web.example.org.
*.wild 300 IN A 192.0.2.99
deep.empty.terminal 300 IN A 192.0.2.98
sub 300 IN NS ns.sub.example.org.
ns.sub 300 IN A 192.0.2.54
caa 300 IN CAA 0 issue "ca.example.net"
svc 300 IN HTTPS 1 . alpn=h2,h3 port=8443
v4only 300 IN A 192.0.2.4
"""
BIG = "\n".join(f'big 300 IN TXT "{number:03} {"x" * 200}"' for number in range(40))
WEIGHTED = "web.example.org\n192.0.2.80 255\n"
HOSTS = """\
192.0.2.10 file.example.org alias.example.org
2001:db8::10 file.example.org
192.0.2.11 *.wild.example.org
192.0.2.12 CASE.Example.ORG
192.0.2.13 outside.example.net
not-an-address x.example.org
192.0.2.10 third.example.org # and a comment
"""
RESOLV_CONF = "search a.search b.search\nnameserver 127.0.0.1\n"
TYPES = (
    "A",
    "AAAA",
    "TXT",
    "MX",
    "CNAME",
    "NS",
    "SOA",
    "SRV",
    "PTR",
    "ANY",
    "HTTPS",
    "TYPE65280",
    "DS",
    "NAPTR",
    "CAA",
)
NAMES = (
    ". org. example.org. www.example.org. web.example.org. WEB.Example.ORG. short.example.org. zero.example.org."
    " long.example.org. mixed.example.org. outside.example.org. loop.example.org. _http._tcp.example.org."
    " naptr.example.org. ptr.example.org. a.wild.example.org. b.a.wild.example.org. empty.terminal.example.org."
    " sub.example.org. x.sub.example.org. caa.example.org. svc.example.org. big.example.org. nope.example.org."
    " v4only.example.org. mail.example.org. example.net. elsewhere.example.net."
)


class Scene(NamedTuple):
    """A Corefile (with @PORT@, @API@, @DIR@, places of bench.backends) and the names to ask for, words, each with every
    type. `first` has to be answered before.

    No names at all: those of the demo cluster.
    """

    corefile: str
    names: str = NAMES
    types: tuple[str, ...] = TYPES
    first: str = ""


def _block(*lines: str, zone: str = ".") -> str:
    return f"{zone}:@PORT@ {{\n    bind 127.0.0.1\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


FORWARD = "forward . 127.0.0.1:@UPSTREAM@"
CLUSTER = "kubernetes cluster.local in-addr.arpa {\nendpoint @API@\npods verified\nfallthrough in-addr.arpa\n}"
# Properties of kubernetes, each in a block of its own.
PROPERTIES = (
    "pods disabled", "pods insecure", "endpoint_pod_names", "ttl 0", "ttl 3600", "namespaces shop",
    "namespaces nowhere",
    "namespace_labels kubernetes.io/metadata.name=shop", "labels app=storefront", "noendpoints", "ignore empty_service",
    "fallthrough", "fallthrough shop.svc.cluster.local", "zonal", "multicluster cluster.local",
)  # fmt: skip
LOCALS = (
    "localhost. x.localhost. localhost.example.org. 1.0.0.127.in-addr.arpa. 2.0.0.127.in-addr.arpa. 127.in-addr.arpa."
)

ETCD_NAMES = (
    "skydns.org. web.skydns.org. WEB.SkyDNS.org. a.web.skydns.org. six.web.skydns.org. alias.skydns.org. "
    "outside.skydns.org. loop.skydns.org. text.skydns.org. a.text.skydns.org. mail.skydns.org. "
    "mx.skydns.org. ns.dns.skydns.org. dns.skydns.org. a.ns.dns.skydns.org. group.skydns.org. "
    "deep.skydns.org. er.deep.skydns.org. nope.skydns.org. x.nope.skydns.org. *.skydns.org. "
    "10.2.0.192.in-addr.arpa. 11.2.0.192.in-addr.arpa. 2.0.192.in-addr.arpa."
)
NOMAD_NAMES = (
    "service.nomad. default.service.nomad. web.default.service.nomad. WEB.Default.Service.Nomad. "
    "web.prod.service.nomad. six.default.service.nomad. nope.default.service.nomad. "
    "web.nope.service.nomad. x.web.default.service.nomad. web.service.nomad. example.org."
)

SCENES = {
    "forward": Scene(_block(FORWARD)),
    "forward over TCP": Scene(_block(FORWARD + " {\nforce_tcp\n}")),
    "forward over UDP": Scene(_block(FORWARD + " {\nprefer_udp\n}")),
    "forward with exceptions": Scene(
        _block("forward example.org 127.0.0.1:@UPSTREAM@ {\nexcept web.example.org sub.example.org\n}", "whoami")
    ),
    "forward and the next one": Scene(
        _block("forward . 127.0.0.1:@UPSTREAM@ {\nnext NXDOMAIN REFUSED\n}", "forward . 127.0.0.1:@UPSTREAM@")
    ),
    "forward and nobody there": Scene(
        _block("forward . 127.0.0.1:1 {\nmax_fails 0\nmax_connect_attempts 1\n}"), "a.example.org.", ("A", "TXT")
    ),
    "cache": Scene(_block("cache", FORWARD)),
    "cache with bounds": Scene(_block("cache 30 {\nsuccess 100 20 10\ndenial 100 15 3\nservfail 1s\n}", FORWARD)),
    "cache in some zones": Scene(_block("cache 30 web.example.org\n", FORWARD)),
    "cache that leaves TTLs": Scene(_block("cache 30 {\nkeepttl\n}", FORWARD)),
    "cache of one kind": Scene(_block("cache 30 {\ndisable denial\ndisable success web.example.org\n}", FORWARD)),
    "minimal and cache": Scene(_block("minimal", "cache 30", FORWARD)),
    "header": Scene(_block("header {\nresponse set aa\nresponse clear ra\nquery clear rd\n}", "cache 30", FORWARD)),
    "any, nsid, bufsize": Scene(_block("any", "nsid some server", "bufsize 600", FORWARD)),
    "loadbalance": Scene(_block("loadbalance {\nprefer 192.0.2.81/32\n}", FORWARD)),
    "loadbalance with weights": Scene(_block("loadbalance weighted @DIR@/weights", FORWARD), "web.example.org."),
    "acl": Scene(
        _block(
            "acl web.example.org {\nblock type A\nfilter type AAAA\ndrop type DS\n}",
            "acl mail.example.org {\nallow net 127.0.0.0/8\n}",
            "acl {\nfilter type MX TXT net 127.0.0.1\nblock type ANY\n}",
            FORWARD,
        ),
        "web.example.org. mail.example.org. example.org. nope.example.org.",
    ),
    "hosts": Scene(
        _block(
            "hosts @DIR@/hosts example.org {\n192.0.2.20 inline.example.org\nttl 77\nfallthrough sub.example.org\n}",
            FORWARD,
        ),
        (
            "file.example.org. FILE.example.org. alias.example.org. a.wild.example.org. b.a.wild.example.org. "
            "wild.example.org. case.example.org. outside.example.net. x.example.org. inline.example.org. "
            "third.example.org. 10.2.0.192.in-addr.arpa. 11.2.0.192.in-addr.arpa. 13.2.0.192.in-addr.arpa. "
            "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. x.sub.example.org. "
            "www.example.org. example.net. 2.0.192.in-addr.arpa."
        ),
    ),
    "hosts without reverse": Scene(
        _block("hosts @DIR@/hosts {\nno_reverse\nfallthrough\nfallthrough_unsupported\n}", FORWARD),
        "file.example.org. 10.2.0.192.in-addr.arpa. outside.example.net. nope.example.org.",
    ),
    "template": Scene(
        _block(
            "template IN A example.org {\nmatch ^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]\n"
            'answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ .Group.b }}"\n'
            'authority "example.org. 60 IN NS ns.{{ .Zone }}"\nadditional "ns.example.org. 60 IN A 192.0.2.53"\n'
            "fallthrough\n}",
            'template ANY MX example.org {\nanswer "{{ .Name }} IN MX 5 mx.{{ .Zone }}"\n}',
            "template IN AAAA {\nrcode NXDOMAIN\n"
            'authority "{{ .Zone }} 60 IN SOA ns.{{ .Zone }} root.{{ .Zone }} 1 2 3 4 5"\n}',
            "template IN TXT . {\nmatch ^only\n}",
            'template IN SRV . {\nrcode REFUSED\nederror 21 "not here"\n}',
            'template IN CNAME . {\nanswer "{{ .Name }} 60 IN A not-an-address"\n}',
            'template IN CAA . {\nanswer "{{ .Name }} 60 IN A {{ .Nope }}"\n}',
            FORWARD,
        ),
        "ip-1-2.example.org. ip-1.example.org. IP-3-4.Example.org. only.org. www.example.org. org. .",
    ),
    "rewrite of names": Scene(
        _block(
            "rewrite name exact one.example.org web.example.org",
            "rewrite stop name suffix .svc.test .example.org answer auto",
            "rewrite name prefix pre- web.",
            "rewrite name substring XX web",
            "rewrite name regex (.*)-([a-z]+)[.]regex[.]test {2}.example.org "
            "answer name (.*)[.]example[.]org {1}-x.regex.test",
            "rewrite stop {\nname regex (.*)[.]value[.]test {1}.example.org\nanswer auto\n"
            "answer value (.*)[.]example[.]org {1}.value.test\n}",
            "rewrite continue name exact first.test second.test",
            "rewrite name exact second.test mail.example.org",
            FORWARD,
        ),
        (
            "one.example.org. ONE.example.org. web.svc.test. www.svc.test. nope.svc.test. pre-x.example.org. "
            "pre-example.org. XX.example.org. xx.example.org. aXXb.example.org. a-web.regex.test. "
            "b-nope.regex.test. www.value.test. web.value.test. _http._tcp.value.test. ptr.value.test. "
            "naptr.value.test. first.test. second.test. example.org.value.test. sub.value.test. www.example.org."
        ),
    ),
    "rewrite of the rest": Scene(
        _block(
            "rewrite continue type TXT A",
            "rewrite continue class CH IN",
            "rewrite continue ttl web.example.org 11",
            "rewrite continue ttl suffix .wild.example.org 20-30",
            "rewrite continue ttl regex ^mail -40",
            "rewrite continue rcode nope.example.org NXDOMAIN NOERROR",
            "rewrite continue rcode exact example.net REFUSED SERVFAIL",
            "rewrite continue cname exact web.example.org. mail.example.org.",
            "rewrite continue edns0 local set 0xfde8 abcd",
            "rewrite continue edns0 nsid set",
            FORWARD,
        )
    ),
    "autopath": Scene(
        _block(
            "autopath @DIR@/resolv.conf",
            "template IN A b.search {\nmatch ^found\n"
            'answer "{{ .Name }} 60 IN A 192.0.2.1"\nrcode NOERROR\nfallthrough\n}',
            "template ANY ANY a.search {\nrcode NXDOMAIN\n}",
            "template ANY ANY b.search {\nrcode NXDOMAIN\n}",
            FORWARD,
        ),
        "found.a.search. web.example.org.a.search. nope.a.search. a.search. x.b.search. www.example.org.",
    ),
    "autopath and refusals": Scene(
        _block(
            "autopath @DIR@/resolv.conf",
            "acl blocked.a.search {\nblock\n}",
            'template IN A refused.a.search {\nrcode REFUSED\nederror 21 "no"\n}',
            "template IN TXT refused.a.search {\nrcode NOTIMP\n}",
            "template IN A broken.a.search {\nanswer nonsense\n}",
            "template IN A b.search {\nmatch ^(refused|blocked|broken)\n"
            'answer "{{ .Name }} 60 IN A 192.0.2.1"\nfallthrough\n}',
            "template ANY ANY a.search b.search {\nrcode NXDOMAIN\n}",
            FORWARD,
        ),
        "refused.a.search. blocked.a.search. broken.a.search. web.example.org.a.search. x.example.net.a.search.",
    ),
    "k8s_external": Scene(
        _block("k8s_external outside.test in-addr.arpa {\nttl 9\nheadless\n}", CLUSTER, FORWARD),
        "outside.test. dns.outside.test. ns1.dns.outside.test. shop.outside.test. web.shop.outside.test. "
        "WEB.Shop.outside.test. nope.shop.outside.test. _http._tcp.web.shop.outside.test. "
        "storefront.shop.outside.test. "
        "db.shop.outside.test. cart.shop.outside.test. payments.shop.outside.test. office.shop.outside.test. "
        "search.shop.outside.test. warehouse.shop.outside.test. queue.shop.outside.test.",
    ),
    "local and chaos": Scene(
        _block("local", "chaos SOFTWARE-1 author@example.org", "whoami"), f"{LOCALS} version.bind."
    ),
    "local without prefix": Scene(_block("local {\nlocalhost_prefix off\n}", FORWARD), LOCALS),
    "views": Scene(
        _block("view a {\nexpr type() == 'A' || name() startsWith 'www'\n}", "forward . 127.0.0.1:@UPSTREAM@")
        + _block("view b {\nexpr type() in ['TXT', 'MX'] && !do()\n}", "template ANY ANY {\nrcode NXDOMAIN\n}")
        + _block("whoami", zone="example.net")
    ),
    "nobody answers": Scene(_block("cache 30", "errors") + _block(zone="example.net"), "example.org. x.example.net."),
    "whoami": Scene(_block("whoami"), "example.org. . X.y."),
    "erratic": Scene(_block("erratic {\ndrop 0\ntruncate 3\ndelay 0\n}"), "example.org."),
    "file": Scene(_block("file @DIR@/example.org example.org", zone="example.org") + _block("whoami", zone="net")),
    "file and forward": Scene(_block("file @DIR@/example.org example.org {\nfallthrough\n}", FORWARD)),
    "auto": Scene(_block("auto example.org {\ndirectory @DIR@/zones (.*) {1}\n}", FORWARD)),
    "secondary": Scene(
        _block("secondary {\ntransfer from 127.0.0.1:@UPSTREAM@\n}", zone="example.org"), first="example.org."
    ),
    "secondary and forward": Scene(
        _block("secondary example.org {\ntransfer from 127.0.0.1:@UPSTREAM@\nfallthrough\n}", FORWARD),
        first="example.org.",
    ),
    "grpc": Scene(_block("grpc . 127.0.0.1:@GRPC@")),
    "grpc with exceptions": Scene(
        _block("grpc example.org 127.0.0.1:@GRPC@ {\nexcept web.example.org sub.example.org\n}", "cache 30", "whoami")
    ),
    "grpc that falls through": Scene(_block("grpc . 127.0.0.1:@GRPC@ {\nfallthrough example.org\n}", FORWARD)),
    "etcd": Scene(_block("etcd skydns.org in-addr.arpa {\nendpoint @ETCD@\n}", FORWARD), ETCD_NAMES),
    "etcd that falls through": Scene(
        _block("etcd skydns.org {\nendpoint @ETCD@\nfallthrough\n}", FORWARD), f"{ETCD_NAMES} www.example.org."
    ),
    "nomad": Scene(_block("nomad service.nomad {\naddress @NOMAD@\nttl 9\n}"), NOMAD_NAMES, ("A", "AAAA", "SRV")),
    "dns64": Scene(_block("dns64 {\nallow_ipv4\n}", FORWARD)),
    "dns64 of all": Scene(_block("dns64 {\nprefix 64:ff9b:1::/96\nallow_ipv4\ntranslate_all\n}", "cache 30", FORWARD)),
    **{
        f"kubernetes, {property}": Scene(
            _block(
                f"kubernetes cluster.local in-addr.arpa {{\nendpoint @API@\n{property}\n}}",
                "whoami",
            ),
            "",
            ("A", "AAAA", "SRV", "PTR", "TXT", "NS", "CNAME"),
        )
        for property in PROPERTIES
    },
}
