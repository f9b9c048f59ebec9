"""Authoritative zones in service: read from files and from other servers, answered from, and told of to secondaries."""
