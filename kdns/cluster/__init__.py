"""Kubernetes objects to DNS answers: pure functions and one index, no I/O.

Reading order: objects (what is read of them), entries (what is kept of them), index (all of it, changed event by
event), names (what a question asks for), publish (what is answered).
"""
