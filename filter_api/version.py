"""The version of the suite, shown by option -V; pyproject.toml reads it from here."""

VERSION = "1.0.0"
