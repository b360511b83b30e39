"""Journeys by purse and counter: from entry to exit, what clearing said of them, and what does not go together."""
