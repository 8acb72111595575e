"""Coverage-guided fuzzing of everything that reads what strangers write. See `fuzz.targets` and `fuzz.run`."""
