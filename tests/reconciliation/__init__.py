"""Reconciliation of business days."""
