"""Filter programs: found, started, tried; who may read what."""
