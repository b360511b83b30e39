"""CultureService: readers of both networks, loans, visits of venues."""
