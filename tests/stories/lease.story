A lease for a Pod
=================

An address is leased for a Pod. The Pod is there, and so is its name.

? 10-244-200-7.default.pod.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

$ ipamctl lease pods --owner Pod/default/leased --address 10.244.200.7
10.244.200.7

$ kubectl get pod leased -o jsonpath='{.status.podIP}'
10.244.200.7

? 10-244-200-7.default.pod.cluster.local. A
NOERROR aa
10-244-200-7.default.pod.cluster.local. 5 IN A 10.244.200.7

It has no other address, and no other namespace has it.

? 10-244-200-7.default.pod.cluster.local. AAAA
NOERROR aa
authority cluster.local. SOA

? 10-244-200-7.kube-system.pod.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

The dots of other introductions are not read unless the Corefile says so.

? 10.244.200.7.default.pod.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

The lease goes, and the name with it.

$ ipamctl release 10.244.200.7
...

? 10-244-200-7.default.pod.cluster.local. A
NXDOMAIN aa
authority cluster.local. SOA

Caches may still name the Pod, so nobody else gets the address yet.

$ ipamctl lease pods --owner Pod/default/other --address 10.244.200.7 2>&1 || echo refused
...
refused

The Pod itself does when it comes back.

$ ipamctl lease pods --owner Pod/default/leased --address 10.244.200.7
10.244.200.7

? 10-244-200-7.default.pod.cluster.local. A
NOERROR aa
10-244-200-7.default.pod.cluster.local. 5 IN A 10.244.200.7
