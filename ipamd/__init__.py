"""ipamd: an allocator of addresses, from HTTP requests to durable leases."""

VERSION = "0.1.0"
