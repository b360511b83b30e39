"""What operators decide, for commands and services alike."""
