"""kdns: a DNS server for clusters, configured by a Corefile."""

VERSION = "0.1.0"
