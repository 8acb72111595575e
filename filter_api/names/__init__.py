"""What the name and the address of a client say about the line behind it. Pure."""
