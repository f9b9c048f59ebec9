"""Kubernetes objects to DNS answers: pure functions, an index, no I/O.

Reading order: address (how addresses are spelled), objects (what is read of an API server), entries (what is kept of
it), names (what a question asks for), publish (what a service has), index (all of them, changed event by event),
namespaces and pods beside it, zone (questions answered from all of these), transfer (a zone as a whole).
"""
