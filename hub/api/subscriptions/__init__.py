"""SubscriptionService: events go out."""
