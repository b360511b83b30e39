"""Reconciliation of business days: what a side reports, how its book differs from the hub's, and what becomes of each difference."""
