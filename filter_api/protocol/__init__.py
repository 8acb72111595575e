"""The line protocol of smtpd-filters(7), without I/O."""
