"""filter-rdns(8)."""
