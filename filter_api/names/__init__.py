"""What the name and address of a client tell of the line behind it. Pure."""
