"""Measures the hub against the raw limit, both in one run on one database; what counts is the ratio, never a rate."""
