"""Reconciliation of business days: totals are taken, the three books compared, breaks found, explained and closed."""
