"""Tampering: each kind of it done to a real hub as a superuser can, and whether the check finds it by its name."""
