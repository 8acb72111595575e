"""DKIM (RFC 6376): canonical forms, keys, signatures."""
