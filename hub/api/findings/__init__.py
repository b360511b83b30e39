"""FindingService: findings of unusual use, what people decide about them, and rules tried out."""
