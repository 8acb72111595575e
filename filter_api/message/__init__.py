"""One held message and its views: text for scanners, header, edits, the temporary file."""
