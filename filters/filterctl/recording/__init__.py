"""What smtpd and a filter tell each other, kept."""
