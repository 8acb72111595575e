"""Tools to test filters without smtpd."""
