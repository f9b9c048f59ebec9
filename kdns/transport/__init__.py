"""The I/O shell: listeners, upstreams, the API server's client, the admin pages."""
