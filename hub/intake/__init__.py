"""From bytes to events: what a message must be before it is recorded."""
