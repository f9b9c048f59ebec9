A headless Service and its Pods
===============================

apiVersion: v1
kind: Namespace
metadata: {name: db}

apiVersion: v1
kind: Service
metadata: {name: postgres, namespace: db}
spec:
  clusterIP: None
  selector: {app: postgres}
  ports: [{name: sql, port: 5432}]

Nobody is behind it yet, and so there is no name.

? postgres.db.svc.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

apiVersion: v1
kind: Pod
metadata: {name: postgres-0, namespace: db, labels: {app: postgres}}
spec:
  hostname: postgres-0
  subdomain: postgres
  containers: [{name: postgres, image: "postgres:17"}]
status: {podIP: 10.244.201.10}

? postgres.db.svc.cluster.local. A
NOERROR aa
postgres.db.svc.cluster.local. 5 IN A 10.244.201.10

The member has a name of its own, and its address leads back to it.

? postgres-0.postgres.db.svc.cluster.local. A
NOERROR aa
postgres-0.postgres.db.svc.cluster.local. 5 IN A 10.244.201.10

? 10.201.244.10.in-addr.arpa. PTR
NOERROR aa
10.201.244.10.in-addr.arpa. 5 IN PTR postgres-0.postgres.db.svc.cluster.local.

apiVersion: v1
kind: Pod
metadata: {name: postgres-1, namespace: db, labels: {app: postgres}}
spec:
  hostname: postgres-1
  subdomain: postgres
  containers: [{name: postgres, image: "postgres:17"}]
status: {podIP: 10.244.201.11}

? _sql._tcp.postgres.db.svc.cluster.local. SRV
NOERROR aa
_sql._tcp.postgres.db.svc.cluster.local. 5 IN SRV 0 50 5432 postgres-0.postgres.db.svc.cluster.local.
_sql._tcp.postgres.db.svc.cluster.local. 5 IN SRV 0 50 5432 postgres-1.postgres.db.svc.cluster.local.
additional postgres-0.postgres.db.svc.cluster.local. 5 IN A 10.244.201.10
additional postgres-1.postgres.db.svc.cluster.local. 5 IN A 10.244.201.11

A member that is not ready is not named: nobody should be sent to it.

$ curl -s -X PATCH -H 'Content-Type: application/merge-patch+json' $IPAMD_SERVER/api/v1/namespaces/db/pods/postgres-1/status -d '{"status":{"conditions":[{"type":"Ready","status":"False"}]}}' -o /dev/null

? postgres.db.svc.cluster.local. A
NOERROR aa
postgres.db.svc.cluster.local. 5 IN A 10.244.201.10

? postgres-1.postgres.db.svc.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

Unless its Service says that members are to find each other while they start.

$ kubectl -n db patch service postgres -p '{"spec":{"publishNotReadyAddresses":true}}'
service/postgres patched

? postgres-1.postgres.db.svc.cluster.local. A
NOERROR aa
postgres-1.postgres.db.svc.cluster.local. 5 IN A 10.244.201.11

A member that another label takes away is gone.

$ kubectl -n db label pod postgres-0 --overwrite app=retired
pod/postgres-0 labeled

? postgres.db.svc.cluster.local. A
NOERROR aa
postgres.db.svc.cluster.local. 5 IN A 10.244.201.11

? 10.201.244.10.in-addr.arpa. PTR
NXDOMAIN aa
authority in-addr.arpa. SOA
