The zone itself
===============

It has an authority.

? cluster.local. SOA
NOERROR aa
cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ... 7200 1800 86400 5

What it says of itself: the version of the specification that it follows,
for as long as the cache plugin lets it stand.

? dns-version.cluster.local. TXT
NOERROR aa
dns-version.cluster.local. 30 IN TXT "1.1.0"

The API server's own Service is there from the start.

? kubernetes.default.svc.cluster.local. A
NOERROR aa
kubernetes.default.svc.cluster.local. 5 IN A 10.96.0.1

Other names are none of its business, and the Corefile names nobody who knows them.

? www.example.org. A
SERVFAIL
