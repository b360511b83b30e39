"""The embedded PostgreSQL: its cluster, its server, its users."""
