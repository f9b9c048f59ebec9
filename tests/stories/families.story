Both families, and another name
===============================

apiVersion: v1
kind: Namespace
metadata: {name: net}

apiVersion: v1
kind: Service
metadata: {name: both, namespace: net}
spec:
  ipFamilyPolicy: RequireDualStack
  clusterIP: 10.96.2.10
  clusterIPs: [10.96.2.10, "fd00:10:96::210"]
  ports: [{name: http, port: 80}]

? both.net.svc.cluster.local. A
NOERROR aa
both.net.svc.cluster.local. 5 IN A 10.96.2.10

? both.net.svc.cluster.local. AAAA
NOERROR aa
both.net.svc.cluster.local. 5 IN AAAA fd00:10:96::210

? _http._tcp.both.net.svc.cluster.local. SRV
NOERROR aa
_http._tcp.both.net.svc.cluster.local. 5 IN SRV 0 50 80 both.net.svc.cluster.local.
additional both.net.svc.cluster.local. 5 IN A 10.96.2.10
additional both.net.svc.cluster.local. 5 IN AAAA fd00:10:96::210

? 0.1.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. PTR
NOERROR aa
0.1.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 5 IN PTR both.net.svc.cluster.local.

An ExternalName is an alias. What it stands for is looked up in the same server, as far as it knows.

apiVersion: v1
kind: Service
metadata: {name: alias, namespace: net}
spec:
  type: ExternalName
  externalName: both.net.svc.cluster.local

? alias.net.svc.cluster.local. A
NOERROR aa
alias.net.svc.cluster.local. 5 IN CNAME both.net.svc.cluster.local.
both.net.svc.cluster.local. 5 IN A 10.96.2.10

? alias.net.svc.cluster.local. CNAME
NOERROR aa
alias.net.svc.cluster.local. 5 IN CNAME both.net.svc.cluster.local.

The alias becomes a Service of its own, and the other one an alias.

$ kubectl -n net patch service alias -p '{"spec":{"type":"ClusterIP","externalName":null,"clusterIP":"10.96.2.11","ports":[{"port":80}]}}'
service/alias patched

? alias.net.svc.cluster.local. A
NOERROR aa
alias.net.svc.cluster.local. 5 IN A 10.96.2.11

$ kubectl -n net delete service both
service "both" deleted

? both.net.svc.cluster.local. AAAA
NXDOMAIN aa
authority cluster.local. SOA
