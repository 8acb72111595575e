"""Where tuples live: one file, or Redis with a file behind it."""
