"""SkyDNS's layout of DNS in a key-value store, as CoreDNS's *etcd* reads it: keys, values, and the records they make.

The name a.b.example.org is the key /PREFIX/org/example/b/a, whose value is a Service in JSON. A name that is no key
itself has everything below it.
"""
