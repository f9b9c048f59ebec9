"""DNS messages as octets: pure functions, no I/O. Reading order: codes, names, edns, question, records, build, fit."""
