"""Certificates fetched by ACME (RFC 8555): settings, signed requests, orders, and a keeper of the files."""
