"""filter-auth(8)."""
