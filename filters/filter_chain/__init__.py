"""filter-chain(8)."""
