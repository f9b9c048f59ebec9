"""The rules of the rewrite plugin: how names are matched, what is done to a query, and what is undone in its reply."""
