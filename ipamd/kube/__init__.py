"""The Kubernetes API apart from HTTP: kinds, their rules and defaults, and what is done to objects in a transaction."""
