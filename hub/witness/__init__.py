"""A witness and mirror of the log, run by a province or an auditor on a machine of its own: without the hub's database and settings."""
