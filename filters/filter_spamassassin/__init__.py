"""filter-spamassassin(8)."""
