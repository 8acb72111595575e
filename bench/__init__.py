"""Measures the filters side by side with their peers; see `bench.run`."""
