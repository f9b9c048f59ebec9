"""A CNI IPAM plugin: addresses for the interfaces of containers, asked for over a Unix socket by a thin executable."""
