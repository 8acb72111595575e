"""Files named by options: read at start, followed when they change."""
