"""What must always be true is checked here, and what was known at a position is read again."""
