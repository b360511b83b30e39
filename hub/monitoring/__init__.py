"""How the hub is: readings of the database, for readiness, status and metrics."""
