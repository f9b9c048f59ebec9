"""DNS in HTTP and QUIC, the server's side: octets of those protocols to queries, replies to their octets."""
