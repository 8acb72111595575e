"""filter-clamav(8)."""
