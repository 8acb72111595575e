"""A recording played to a filter again."""
