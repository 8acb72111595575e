"""filter-greylist(8)."""
