"""smtpd.conf read as smtpd reads it, and what is wrong with it."""
