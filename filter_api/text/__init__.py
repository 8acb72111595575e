"""Strings of the field: addresses, and what strangers wrote made fit to print. Pure."""
