"""What greylisting decides and by which keys: no I/O."""
