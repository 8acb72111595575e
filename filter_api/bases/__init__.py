"""Parents of several filters."""
