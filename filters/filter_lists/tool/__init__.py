"""``filterctl lists``: take in what others publish, and tell what is known. No filter runs any of it."""
