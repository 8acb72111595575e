"""filter-lists(8)."""
