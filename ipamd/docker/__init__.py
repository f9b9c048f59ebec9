"""Docker's remote IPAM driver: addresses of its networks from ipamd's pools, and names for its containers."""
