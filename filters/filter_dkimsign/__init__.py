"""filter-dkimsign(8)."""
