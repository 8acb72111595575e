"""The verbs of filterctl greylist."""
