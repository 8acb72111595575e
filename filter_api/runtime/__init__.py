"""Bytes and time: how a filter runs under smtpd."""
