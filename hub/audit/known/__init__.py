"""What was known of one thing, as of both times: by the thing's own events, folded in memory up to a position, about an instant."""
