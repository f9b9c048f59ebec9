"""Tables of records and addresses that are not a cluster's, and how they are looked up: pure."""
