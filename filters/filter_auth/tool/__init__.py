"""The verbs of ``filterctl auth``."""
