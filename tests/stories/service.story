A Service with an address
=========================

$ kubectl create namespace books
namespace/books created

A namespace has no records of its own, yet it is there as soon as the cluster has it.

? books.svc.cluster.local. A
NOERROR aa
authority cluster.local. SOA

? music.svc.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

apiVersion: v1
kind: Service
metadata: {name: catalog, namespace: books}
spec:
  clusterIP: 10.96.1.10
  ports:
    - {name: http, port: 80}
    - {name: dns, port: 53, protocol: UDP}

Its name has its address, whether anything is behind it or not.

? catalog.books.svc.cluster.local. A
NOERROR aa
catalog.books.svc.cluster.local. 5 IN A 10.96.1.10

The reply keeps the letters as they were sent.

? Catalog.BOOKS.svc.cluster.local. A
NOERROR aa
Catalog.BOOKS.svc.cluster.local. 5 IN A 10.96.1.10

? catalog.books.svc.cluster.local. AAAA
NOERROR aa
authority cluster.local. SOA

Each named port has an SRV record, with the address beside it.

? _http._tcp.catalog.books.svc.cluster.local. SRV
NOERROR aa
_http._tcp.catalog.books.svc.cluster.local. 5 IN SRV 0 100 80 catalog.books.svc.cluster.local.
additional catalog.books.svc.cluster.local. 5 IN A 10.96.1.10

? _dns._udp.catalog.books.svc.cluster.local. SRV
NOERROR aa
_dns._udp.catalog.books.svc.cluster.local. 5 IN SRV 0 100 53 catalog.books.svc.cluster.local.
additional catalog.books.svc.cluster.local. 5 IN A 10.96.1.10

? _dns._tcp.catalog.books.svc.cluster.local. SRV
NXDOMAIN aa
authority cluster.local. SOA

And the address leads back to the name.

? 10.1.96.10.in-addr.arpa. PTR
NOERROR aa
10.1.96.10.in-addr.arpa. 5 IN PTR catalog.books.svc.cluster.local.

A port more.

$ kubectl -n books patch service catalog --type=json -p '[{"op":"add","path":"/spec/ports/-","value":{"name":"admin","port":81}}]'
service/catalog patched

? _admin._tcp.catalog.books.svc.cluster.local. SRV
NOERROR aa
_admin._tcp.catalog.books.svc.cluster.local. 5 IN SRV 0 100 81 catalog.books.svc.cluster.local.
additional catalog.books.svc.cluster.local. 5 IN A 10.96.1.10

The namespace goes, with all that is in it.

$ kubectl delete namespace books
namespace "books" deleted

? catalog.books.svc.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

? 10.1.96.10.in-addr.arpa. PTR
NXDOMAIN aa
authority in-addr.arpa. SOA

? books.svc.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA
