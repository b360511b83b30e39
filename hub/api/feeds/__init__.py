"""FeedService: events come in."""
