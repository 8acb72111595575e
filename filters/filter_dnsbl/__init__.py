"""filter-dnsbl(8)."""
