"""filter-dyndns(8)."""
