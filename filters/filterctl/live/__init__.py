"""What filters that run tell of themselves, over their control sockets."""
