"""Refused messages, kept on disk until somebody looks."""
