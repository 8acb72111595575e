"""Aggregate reports (RFC 9990): what a message adds to one, the store, the document, its way to the owner."""
