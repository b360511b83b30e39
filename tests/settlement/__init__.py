"""Settlement between the provinces."""
