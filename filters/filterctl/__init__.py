"""filterctl(8)."""
