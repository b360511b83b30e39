"""What every call meets at the edge: its certificate, roles, quota, limits, log."""
